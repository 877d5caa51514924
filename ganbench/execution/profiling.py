"""A trace of a few iterations of one ensemble, for a trace viewer: where the time of a step goes.

Torch's own events, inside ranges that are named "iteration", "draws", "E-step", "step D", ..., "evaluation".
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

from ganbench.streams import STEPS_PER_BLOCK
from ganbench.training.loop import Training

ITERATIONS = 6
"""Iterations in a trace, at most."""
MOST_BYTES = 8_000_000
"""Of the iterations in a trace, which are fewer where they would take more; the first is always there."""

# else torch's profiler tells stderr that it starts and stops
os.environ.setdefault("KINETO_LOG_LEVEL", "6")


def write_trace(training: Training, evaluate: Callable[[], None], file: Path, about: dict[str, Any]) -> None:
    """Writes what the ensemble does in its next iterations and in an evaluation; `about` stands beside the events.

    The ensemble trains on: call this when all results are taken from it. A new block of draws begins within the traced
    iterations. Raises OSError where the disk refuses.

    On a GPU an iteration is one recorded graph: its kernels are in the trace, ranges for draws and steps are not.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".") as folder:
        beside = Path(folder) / file.name
        with _profiler(training.game.device) as one:
            _iterate(training, 1)
        one.export_chrome_trace(str(beside))
        count = max(1, min(ITERATIONS, MOST_BYTES // beside.stat().st_size))
        whole = _traced(training, evaluate, count, about)
        whole.export_chrome_trace(str(beside))
        beside.replace(file)


def _traced(training: Training, evaluate: Callable[[], None], count: int, about: dict[str, Any]) -> profile:
    """So many iterations and an evaluation, traced."""
    block = max(1, STEPS_PER_BLOCK // len(training.game.objective.schedule()))
    # the first iteration after compilation is an outlier, and so is one that draws for many
    training.advance((training.iteration // block + 2) * block - count // 2)
    _name_ranges(training)
    with _profiler(training.game.device) as whole:
        _iterate(training, count)
        with record_function("evaluation"):
            evaluate()
        whole.add_metadata_json("ganbench", json.dumps({**about, "iterations": count, "replicas": training.game.width}))
    return whole


def _profiler(device: str) -> profile:
    gpu = [ProfilerActivity.CUDA] if device == "cuda" else []
    return profile(activities=[ProfilerActivity.CPU, *gpu])


def _iterate(training: Training, count: int) -> None:
    for _ in range(count):
        with record_function("iteration"):
            training.advance(training.iteration + 1)


def _name_ranges(training: Training) -> None:
    """Puts each step and its draws into a range of its name; only here, since a range costs some microseconds."""
    call, draw = training._call, training._draws.at

    def step(name: str, *arguments: Any) -> Any:
        with record_function("E-step" if name == "E" else f"step {name}"):
            return call(name, *arguments)

    def drawn(number: int) -> Any:
        with record_function("draws"):
            return draw(number)

    training._call, training._draws.at = step, drawn  # type: ignore[method-assign,assignment]
