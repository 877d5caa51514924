"""What things cost, measured in a process of its own: iterations, evaluations, fits, and the memory of them all.

Started as `python -m ganbench.execution.probe THREADS`: a request as JSON on its input, the answer as its last line.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.plugins import ERRORS
from ganbench.streams import STEPS_PER_BLOCK
from ganbench.suite import Cell

if TYPE_CHECKING:
    from ganbench.training.loop import Training

STRETCHES = 5
"""Timed stretches where a count is made of them; their median counts."""
BLOCKS = 4
"""Blocks of draws in such a stretch, at least."""
STRETCH_S = 0.5
"""A stretch has fewer iterations where it would last longer: a few of a large network tell enough."""


@dataclass(frozen=True)
class Costs:
    """Seconds by the keys of the request: an iteration per replica, an evaluation (see `evaluation_s`), a fit."""

    iterations: dict[str, float] = field(default_factory=dict)
    evaluations: dict[str, tuple[float, float]] = field(default_factory=dict)
    fits: dict[str, float] = field(default_factory=dict)
    memory_mb: float = 0.0


def ask(
    execution: Mapping[str, Any],
    device: str,
    *,
    iterations: Mapping[str, Cell],
    evaluations: Mapping[str, Cell] | None = None,
    fits: Mapping[str, Cell] | None = None,
    stretches: int = STRETCHES,
) -> Costs:
    """Costs of the cells under an execution, from a fresh process with its threads.

    Raises ValueError where a cell cannot be built, trained or measured.
    """
    threads = str(execution["threads"])
    asked = {"iterations": iterations, "evaluations": evaluations or {}, "fits": fits or {}}
    # a cell that waits for its count has no definition; the probe needs none of its iterations
    request = {kind: {k: c.with_iterations(1).definition() for k, c in cells.items()} for kind, cells in asked.items()}
    content = {**request, "execution": dict(execution), "device": device, "stretches": stretches}
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    package = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH")) if p)
    command = [sys.executable, "-m", "ganbench.execution.probe", threads]
    # a session of its own: Ctrl-C reaches the driver alone, which then kills it
    done = subprocess.run(
        command, input=json.dumps(content), capture_output=True, text=True, env=environment, start_new_session=True
    )
    if done.returncode:
        raise ValueError(f"the probe of costs ended with exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise ValueError(answer["error"])
    return Costs(**{**answer, "evaluations": {k: (a, b) for k, (a, b) in answer["evaluations"].items()}})


def iteration_s(cell: Cell, execution: dict[str, Any], device: str, stretches: int) -> float:
    """Median seconds of an iteration per replica at the ensemble's width, without compilation and warm-up."""
    from ganbench.execution.worker import Job, new_training

    lanes = tuple({"seed": seed, "execution": execution} for seed in range(execution["width"]))
    training = new_training(Job(lanes, device, checkpoint=""), [cell] * len(lanes))
    training.prepare()
    # so many iterations take whole blocks of draws: each stretch pays for its own
    steps = len(cell.objective.instance.schedule())
    length = BLOCKS * STEPS_PER_BLOCK // math.gcd(STEPS_PER_BLOCK, steps) if stretches > 1 else STEPS_PER_BLOCK // steps
    length = max(1, min(length, int(STRETCH_S / _stretch(training, 1))))
    if stretches > 1:
        _stretch(training, length)
    return statistics.median(_stretch(training, length) for _ in range(stretches)) / len(lanes)


def _stretch(training: Training, length: int) -> float:
    """Seconds per iteration of the ensemble over so many iterations."""
    before = training.seconds
    training.advance(training.iteration + length)
    return (training.seconds - before) / length


def evaluation_s(cell: Cell, device: str) -> tuple[float, float]:
    """Seconds of all metrics of a cell, without their floors, on as many samples as on the curve and at the end."""
    import numpy as np

    from ganbench import streams

    target, evaluation = cell.target.instance, cell.evaluation
    rng, seconds = streams.generator(0, "probe"), []
    metrics = [evaluation.metric(name, device) for name in evaluation.metrics]
    for n in (evaluation.samples, evaluation.samples, evaluation.final_samples):
        true = target.reference(rng, n)
        # one Gaussian: nearer to a generator in training than true samples are, whose transport is found faster
        generated = true.mean(0) + target.scale / math.sqrt(max(1, math.prod(target.shape))) * rng.normal(
            size=true.shape
        )
        began = time.perf_counter()
        for metric in metrics:
            m = metric.samples_of(n)
            metric.measure(np.asarray(generated[:m], dtype=float), true[:m], target)
        seconds.append(time.perf_counter() - began)
    return seconds[1], seconds[2]  # the first warms up what metrics import and prepare


def fit_s(cell: Cell) -> float:
    """Seconds of one fit of a baseline."""
    began = time.perf_counter()
    cell.objective.instance.fit(cell.target.instance, 0)
    return time.perf_counter() - began


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The measured costs, or {"error": why the first cell that cannot be measured cannot}."""
    from ganbench.execution.machine import peak_memory_mb
    from ganbench.execution.worker import reason

    execution, device = request["execution"], request["device"]
    measures = {
        "evaluations": lambda cell: evaluation_s(cell, device),
        "fits": fit_s,
        "iterations": lambda cell: iteration_s(cell, execution, device, request["stretches"]),
    }
    costs: dict[str, Any] = {}
    for kind, measure in measures.items():
        costs[kind] = {}
        for key, definition in request[kind].items():
            try:
                costs[kind][key] = measure(Cell.from_definition(definition))
            except ERRORS as error:  # whatever an objective or a target raises is told to whoever asked
                where = f"{definition['objective']['name']} on {definition['target']['name']}"
                return {"error": f"{where}: cannot be timed: {reason(definition, error)}"}
    return {**costs, "memory_mb": peak_memory_mb(device)}


def main() -> None:
    from ganbench.training.device import prepare_process

    prepare_process(int(sys.argv[1]))
    print(f"\n{json.dumps(answer(json.load(sys.stdin)))}", flush=True)


if __name__ == "__main__":
    main()
