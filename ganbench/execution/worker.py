"""What one process does with one ensemble: train it, measure it, and hand back the outcome of every replica.

The same function serves every executor; it writes nothing but its checkpoint.

Over 250 lines: one ensemble from its start or checkpoint to its outcomes, in the order of a run.
"""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganbench import catalogue
from ganbench.catalogue import AVERAGED
from ganbench.execution.findings import measure_finding
from ganbench.execution.machine import out_of_memory, peak_memory_mb, release_memory, reset_peak_memory
from ganbench.execution.measurement import check_rows, measure, measure_baseline, observed, reached, sizes
from ganbench.metrics.contract import NonFiniteSamples
from ganbench.planning import affinity_of, code_version, digest, narrower
from ganbench.plugins import ERRORS, ObjectiveError, told
from ganbench.suite import Cell
from ganbench.training.checkpoint import Checkpoint, CheckpointError
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training

OUT_OF_MEMORY = "out of memory"
"""Status of an ensemble that did not fit and may fit at half its width; nothing of it is stored."""
GOING_ON = ("completed", "diverged")
"""What a replica in a checkpoint can be: one that has failed is measured again."""
SNAPSHOTS = 10
CHECKPOINT_S = 20.0
"""Training seconds between checkpoints, at least."""
STRETCH_S = 2.0
"""Training seconds between two reports of progress, about."""
FIRST_STRETCH = 32


@dataclass(frozen=True)
class Job:
    """One ensemble as plain data: its replicas' definitions, how to execute them, where to keep its checkpoint."""

    definitions: tuple[dict[str, Any], ...]
    device: str
    checkpoint: str
    trace: str = ""  # file for a trace of some iterations beyond the last; none where empty

    @property
    def execution(self) -> dict[str, Any]:
        return self.definitions[0]["execution"]


@dataclass
class Outcome:
    """What became of one replica, in the store's terms."""

    definition: dict[str, Any]
    status: str = "completed"
    rows: list[dict[str, Any]] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)
    """What its process did in this run -> seconds, the replica's share; nothing where an error ended the ensemble."""


Report = Callable[[int], None]
"""Called with the number of iterations that every replica of the ensemble has newly finished."""


def run_job(job: Job, report: Report) -> list[Outcome]:
    """The outcomes of a job's replicas. An error in training fails all of them, one in measuring its replica alone.

    Where memory runs out in training and an ensemble of half the width is possible, all have the status OUT_OF_MEMORY.
    """
    reset_peak_memory(job.device)
    narrow = None
    try:
        cells = [Cell.from_definition(definition["cell"]) for definition in job.definitions]
        if cells[0].objective.place and code_version(cells[0]) != job.execution["code"]:
            raise ObjectiveError(f"{cells[0].objective.place} has changed since the run began; start the run again")
        narrow = narrower(job.execution["width"], cells[0].batch)
        run = run_ensemble if cells[0].trained else run_baselines
        return run(job, cells, report)
    except ERRORS as error:  # whatever an objective or a target raises becomes a row, with its reason
        outcomes = [_failed(definition, error) for definition in job.definitions]
        too_wide = out_of_memory(error) and narrow is not None
    # outside the except block, whose traceback holds on to every tensor of the ensemble
    release_memory(job.device)
    if too_wide:
        Path(job.checkpoint).unlink(missing_ok=True)
        for outcome in outcomes:
            outcome.status = OUT_OF_MEMORY
    return outcomes


def run_ensemble(job: Job, cells: list[Cell], report: Report) -> list[Outcome]:
    """Trains the replicas as one ensemble, padded with copies of the first, from its checkpoint where there is one."""
    outcomes = [Outcome(definition) for definition in job.definitions]
    training, evaluation_s = _begin(job, cells, outcomes)
    before_s = _doings(training, evaluation_s)
    report(training.iteration)
    training.prepare()
    points = cells[0].evaluation.iterations(cells[0].iterations or 0)
    snapshots = _spread(points[-1], SNAPSHOTS)
    saved_s = training.seconds
    for stop in sorted({*points, *snapshots}):
        if stop <= training.iteration:
            continue
        while training.iteration < stop:
            # never at a stop that is not yet measured, which whoever resumes would pass over; nor with a failed
            # replica, which whoever resumes is to measure again
            due = training.seconds - saved_s >= CHECKPOINT_S
            if due and not any(outcome.status == "failed" for outcome in outcomes):
                _save(training, Path(job.checkpoint), outcomes, evaluation_s)
                saved_s = training.seconds
            before = training.iteration
            training.advance(min(stop, before + _stretch(training)))
            report(training.iteration - before)
        began = time.perf_counter()
        if stop in points:
            _evaluate(training, cells, outcomes, points.index(stop), final=stop == points[-1])
        if stop in snapshots:
            _snapshot(training, cells[0], outcomes)
        evaluation_s += time.perf_counter() - began
        if all(outcome.status == "failed" for outcome in outcomes):
            break
    for lane, (cell, outcome) in enumerate(zip(cells, outcomes, strict=True)):
        if outcome.status != "failed":
            _finish(training, cell, outcome, lane, evaluation_s)
        after_s = _doings(training, evaluation_s)
        outcome.spent = {doing: (after_s[doing] - before_s[doing]) / len(outcomes) for doing in after_s}
    if job.trace:
        outcomes[0].spent["tracing"] = _trace(training, cells, job)
    return outcomes


def _trace(training: Training, cells: list[Cell], job: Job) -> float:
    """Writes the trace of an ensemble whose outcomes are complete: nobody keeps what it does then. Returns seconds."""
    from ganbench.execution.profiling import write_trace

    began = time.perf_counter()
    unwatched = [replace(cell, evaluation=replace(cell.evaluation, diagnostics=())) for cell in cells]
    forgotten = [Outcome(definition) for definition in job.definitions]
    labels = sorted({definition["label"] for definition in job.definitions})
    about = {"target": job.definitions[0]["target_label"], "objectives": labels, "execution": job.execution}
    try:
        write_trace(training, lambda: _evaluate(training, unwatched, forgotten, 0, False), Path(job.trace), about)
    except Exception as error:  # nothing that goes wrong here, such as a full disk, may cost the replicas
        print(f"no trace {job.trace}: {error}", file=sys.stderr)
    return time.perf_counter() - began


def _doings(training: Training, evaluation_s: float) -> dict[str, float]:
    """Seconds of the whole ensemble so far, those before a checkpoint included."""
    return {"training": training.seconds, "compiling": training.compile_s, "evaluating": evaluation_s}


def _stretch(training: Training) -> int:
    """Iterations of about STRETCH_S seconds; how training is cut into stretches changes none of its bits."""
    if training.iteration == 0 or training.seconds == 0:
        return FIRST_STRETCH
    return max(1, int(STRETCH_S * training.iteration / training.seconds))


def new_training(job: Job, cells: list[Cell]) -> Training:
    """The ensemble of a job before its first iteration."""
    first, width = cells[0], job.execution["width"]
    assert first.network is not None, "a cell that is trained has a network"
    assert first.optimiser is not None, "a cell that is trained has an optimiser"
    target = first.target.instance.to(job.device)  # with its tables: a loss may ask for densities
    game = Game(
        objective=first.objective.instance,
        optimiser=first.optimiser.instance,
        network=first.network.instance,
        latent=first.latent,
        shape=target.shape,
        target=target if first.objective.instance.needs_target else None,
        batch=first.batch,
        width=width,
        compiled=job.execution["compiled"],
        device=job.device,
        lift=job.execution["lift"],
        precision=job.execution["precision"],
        convolution=job.execution["convolution"],
        draws=job.execution.get("draws", "numpy"),  # of older results, which can be measured anew, none is said
        regularisers=tuple(part.instance for part in first.regularisers),
    )
    seeds = [definition["seed"] for definition in job.definitions]
    lanes = [
        Lane(c.objective.instance, c.optimiser.instance, s, tuple(part.instance for part in c.regularisers))
        for c, s in zip(cells, seeds, strict=True)
        if c.optimiser
    ]
    return Training(game, lanes + lanes[:1] * (width - len(lanes)), target, name=_name_of_steps(first, job.execution))


def _name_of_steps(cell: Cell, execution: dict[str, Any]) -> str:
    """What code of a cell's steps is kept under, whatever its target, beside the package's own text.

    Empty for an objective from outside, whose code is not kept: what its own files import, nobody knows.
    """
    if catalogue.OBJECTIVES.sources(cell.objective.place or cell.objective.name):
        return ""
    return digest([affinity_of(cell), {**execution, "code": ""}])


def run_baselines(job: Job, cells: list[Cell], report: Report) -> list[Outcome]:
    """Fits the baseline of every replica and measures it; a finding measures its laws."""
    outcomes = []
    for cell, definition in zip(cells, job.definitions, strict=True):
        began = time.perf_counter()
        try:
            seed = definition["seed"]
            measured = measure_finding(cell, seed) if cell.finding else measure_baseline(cell, seed, job.device)
            rows, info, arrays = measured
            info["peak_memory_mb"] = peak_memory_mb(job.device)
            evaluation_s, whole_s = info.get("evaluation_s", 0.0), time.perf_counter() - began
            doing = "measuring laws" if cell.finding else "fitting"
            spent = {"evaluating": evaluation_s, doing: whole_s - evaluation_s}
            outcomes.append(Outcome(definition, "completed", rows, info, arrays, spent))
        except Exception as error:  # as in `run_job`, and the next seed may go well
            outcomes.append(_failed(definition, error))
        report(0)
    return outcomes


def _failed(definition: dict[str, Any], error: BaseException) -> Outcome:
    about = {"error": reason(definition["cell"], error), "traceback": "".join(traceback.format_exception(error))}
    return Outcome(definition, "failed", info=about)


def reason(cell: dict[str, Any], error: BaseException) -> str:
    """An error in training a cell, with its file and line where the objective's code from outside raised it."""
    objective = cell["objective"]
    try:
        sources = catalogue.OBJECTIVES.sources(objective.get("place", objective["name"]))
    except ValueError:  # the error says already that the name has no class
        sources = []
    return told(error, map(str, sources))


def _evaluate(training: Training, cells: list[Cell], outcomes: list[Outcome], number: int, final: bool) -> None:
    alive, cell = training.alive(), cells[0]
    weights, watched = training.effective_sample_size(), observed(cell, training, number)
    for n, last in sizes(cell, final):
        stream = "evaluation.final" if last else "evaluation"
        generated = {name: training.samples(stream, number, n, averaged) for name, averaged in _generators(training)}
        for lane, outcome in enumerate(outcomes):
            if not alive[lane] or outcome.status != "completed":
                continue
            seed, spent = outcome.definition["seed"], _spent(training, cell)
            try:
                rows = []
                for prefix, each in generated.items():
                    samples, device = each[lane].astype(np.float64), training.game.device
                    rows += measure(cell, samples, seed, number, n, spent, last, device, prefix)
            except NonFiniteSamples:
                outcome.status = "diverged"  # finite weights whose samples overflow
                training.freeze(lane)
                continue
            except Exception as error:  # a metric that gives no number: its neighbours go on
                outcomes[lane] = _failed(outcome.definition, error)
                continue
            if weights is not None:
                ess = {"metric": "effective_sample_size", "value": float(weights[lane]), "unit": "latents"}
                rows.append({**spent, **ess, "direction": "higher", "floor": np.nan, "n": cell.batch, "final": last})
            outcome.rows += [*rows, *({**spent, **row, "final": last} for row in watched[lane])]


def _generators(training: Training) -> list[tuple[str, bool]]:
    """What stands before the names of a generator's metrics, and whether it is the averaged one."""
    return [("", False), *([(AVERAGED, True)] if training.game.optimiser.ema else [])]


def _spent(training: Training, cell: Cell) -> dict[str, Any]:
    """The four currencies at this point; seconds are the replica's share of its ensemble's."""
    cost, i = cell.cost(), training.iteration
    return {
        "iteration": i,
        "generator_steps": i * cost.generator_steps,
        "gradient_steps": i * cost.gradient_steps,
        "real_samples": i * cost.real_samples,
        "seconds": training.seconds / training.game.width,
    }


def _snapshot(training: Training, cell: Cell, outcomes: list[Outcome]) -> None:
    for _, averaged in _generators(training):
        samples = training.samples("snapshot", 0, cell.target.instance.snapshot_samples, averaged)
        name = f"{'averaged_' if averaged else ''}snapshot/{training.iteration}"
        for lane, outcome in enumerate(outcomes):
            if outcome.status != "failed":
                outcome.arrays[name] = samples[lane]


def _finish(training: Training, cell: Cell, outcome: Outcome, lane: int, evaluation_s: float) -> None:
    """Status, costs and the final generator of one replica."""
    width, iterations = training.game.width, training.iteration
    if not training.alive()[lane]:
        outcome.status = "diverged"
        outcome.info["diverged_at"] = int(training.diverged_at()[lane])
    iteration_s = training.seconds / iterations / width
    outcome.info |= {
        "iteration_s": iteration_s,
        "samples_per_s": cell.cost().real_samples / iteration_s,
        "compile_s": training.compile_s,
        "evaluation_s": evaluation_s / width,
        "training_s": training.seconds / width,
        "peak_memory_mb": peak_memory_mb(training.game.device),
    }
    outcome.rows += reached(cell, outcome.rows, outcome.status)
    for _, averaged in _generators(training):
        folder = "averaged" if averaged else "generator"
        outcome.arrays |= {f"{folder}/{name}": p for name, p in training.generator(lane, averaged).items()}


def _spread(iterations: int, count: int) -> set[int]:
    """Evenly spaced iterations, the last one included; fewer than `count` where there are no more."""
    return {-(-iterations * i // count) for i in range(1, count + 1)}


def _save(training: Training, path: Path, outcomes: list[Outcome], evaluation_s: float) -> None:
    kept = {
        "evaluation_s": evaluation_s,
        "compile_s": training.compile_s,
        "replicas": [
            {"id": o.definition["replica_id"], "status": o.status, "rows": o.rows, "info": o.info} for o in outcomes
        ],
    }
    arrays = {f"{lane}/{name}": a for lane, outcome in enumerate(outcomes) for name, a in outcome.arrays.items()}
    training.save(path, kept, arrays)


def remove_checkpoints(folder: Path, finished: Collection[str]) -> None:
    """Removes those of a folder whose replicas are all finished, which a run that was killed has left."""
    # another run was faster; a damaged one, or one that keeps other things, is set aside by whoever goes on from it
    useless = CheckpointError, OSError, AttributeError, TypeError
    for path in folder.glob("*.safetensors"):
        with contextlib.suppress(*useless):
            replicas = Checkpoint.read(path).kept.get("replicas") or [{}]
            if all(replica.get("id") in finished for replica in replicas):
                path.unlink()


def _begin(job: Job, cells: list[Cell], outcomes: list[Outcome]) -> tuple[Training, float]:
    """The ensemble and its seconds of evaluation so far, from its checkpoint, or from zero where that is no good.

    A checkpoint that cannot be used stays beside its own name, which the next one takes.
    """
    training, path = new_training(job, cells), Path(job.checkpoint)
    try:
        return training, _resume(training, path, outcomes)
    except FileNotFoundError:  # not asked before it is read: another run may remove it in between
        return training, 0.0
    except CheckpointError as error:
        aside = set_aside_path(path)
        with contextlib.suppress(FileNotFoundError):
            path.replace(aside)
        for outcome in outcomes:
            outcome.info["restarted"] = f"{error}; set aside as {aside.name}"
        return new_training(job, cells), 0.0


def set_aside_path(checkpoint: Path) -> Path:
    """Where a checkpoint that cannot be used is kept."""
    return checkpoint.with_name(f"{checkpoint.name}.damaged")


def _resume(training: Training, path: Path, outcomes: list[Outcome]) -> float:
    """Seconds of evaluation so far; sets the ensemble and its outcomes to the checkpoint. Raises CheckpointError."""
    kept, arrays = training.load(path)
    try:
        own = [r["id"] for r in kept["replicas"]] == [o.definition["replica_id"] for o in outcomes]
        seconds = float(kept["compile_s"]), float(kept["evaluation_s"])
        found = [(r["status"], r["rows"], r["info"]) for r in kept["replicas"]]
        for status, rows, info in found:
            if status not in GOING_ON or not isinstance(info, dict):
                raise ValueError(f"found the status {status!r}, or no table beside it")
            check_rows(rows)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: the checkpoint is damaged ({error!r})") from None
    if not own:
        raise CheckpointError(f"{path}: the checkpoint of other replicas")
    for lane, (outcome, said) in enumerate(zip(outcomes, found, strict=True)):
        outcome.status, outcome.rows, outcome.info = said
        prefix = f"{lane}/"
        outcome.arrays = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
    training.compile_s = seconds[0]
    return seconds[1]
