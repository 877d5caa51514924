"""Budgets in seconds -> iterations, by a table of measured costs; and what a plan will cost, from a short probe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ganbench.execution import probe
from ganbench.fields import swept_fields
from ganbench.metrics.floors import pairs_of
from ganbench.planning import Ensemble, digest
from ganbench.suite import Cell, Part


def cost_key(cell: Cell, execution: Mapping[str, Any]) -> str:
    """Names what decides how long an iteration takes: the cell's shape, its target, the execution without the code.

    The code version is left out on purpose: a count that was once made stays the definition over versions.
    """
    parts = {
        "objective": _shape(cell.objective),
        "optimiser": _shape(cell.optimiser),
        "network": _shape(cell.network),
        "target": cell.target.identity(),
        **({"regularisers": [_shape(part) for part in cell.regularisers]} if cell.regularisers else {}),
        "batch": cell.batch,
        "latent": cell.latent,
        "execution": {name: value for name, value in execution.items() if name != "code"},
    }
    return f"{cell.objective.name} on {cell.target.name} {digest(parts)}"


def _shape(part: Part | None) -> dict[str, Any] | None:
    """Name and fields without those that may differ inside an ensemble: numbers take no time."""
    if part is None:
        return None
    swept = swept_fields(type(part.instance))
    return {"name": part.name, "fields": {name: v for name, v in part.fields.items() if name not in swept}}


def counted(
    cells: Iterable[Cell], known: Mapping[str, float], execution: Mapping[str, Any], device: str
) -> tuple[list[Cell], dict[str, float]]:
    """Cells whose seconds have become iterations, and the costs that were used; missing ones are measured.

    A replica's seconds are its share of its ensemble's, as everywhere. Raises ValueError for a cell that cannot run.
    """
    cells = list(cells)
    keys = {i: cost_key(cell, execution) for i, cell in enumerate(cells) if cell.iterations is None}
    missing = {key: cells[i] for i, key in keys.items() if key not in known}
    measured = probe.ask(execution, device, iterations=missing).iterations if missing else {}
    costs = {key: known[key] if key in known else measured[key] for key in keys.values()}
    counts = {i: max(1, int(cells[i].budget.amount / costs[key])) for i, key in keys.items()}
    return [cell.with_iterations(counts[i]) if i in counts else cell for i, cell in enumerate(cells)], costs


UNTIMED = "What findings take is not known beforehand."


@dataclass(frozen=True)
class Estimate:
    """What a plan will take, wall-clock over its processes; `words` says how it was found and what it leaves out."""

    cells: int
    replicas: int
    stored: int
    ensembles: int
    training_s: float
    evaluation_s: float
    memory_mb: float
    workers: int
    words: str

    @property
    def seconds(self) -> float:
        return self.training_s + self.evaluation_s


def estimate(
    ensembles: tuple[Ensemble, ...], device: str, workers: int, *, cells: int, replicas: int, stored: int
) -> Estimate:
    """The cost of ensembles from a few eager iterations of each shape, one evaluation per target and one fit each.

    Findings are left out: to time their laws is to measure them.
    """
    workers, count = max(1, min(workers, len(ensembles))), len(ensembles)
    ensembles = tuple(ensemble for ensemble in ensembles if not ensemble.replicas[0].cell.finding)
    if not ensembles:
        said = UNTIMED if count else "Everything is stored: nothing is to do."
        return Estimate(cells, replicas, stored, count, 0.0, 0.0, 0.0, workers, said)
    each = priced(ensembles, device)
    # each process finds the floors of a target for itself, at the same time as the others
    floors = sum({price.target: price.floors_s for price in each.prices}.values())
    training, evaluation = (sum(p.training_s for p in each.prices), sum(p.evaluation_s for p in each.prices))
    memory_mb, words = workers * each.memory_mb, _words(ensembles[0].execution, workers)
    seconds = (training / workers, evaluation / workers + floors)
    words = f"{words} {UNTIMED}" if count > len(ensembles) else words
    return Estimate(cells, replicas, stored, count, *seconds, memory_mb, workers, words)


@dataclass(frozen=True)
class Price:
    """What one ensemble takes in one process; `floors_s` is asked once for its target in each process."""

    target: str
    training_s: float
    evaluation_s: float
    floors_s: float

    @property
    def seconds(self) -> float:
        return self.training_s + self.evaluation_s


@dataclass(frozen=True)
class Priced:
    """A price for each ensemble, in their order, and the memory of the process that measured them."""

    prices: tuple[Price, ...]
    memory_mb: float


def priced(ensembles: tuple[Ensemble, ...], device: str) -> Priced:
    """The prices of ensembles of one execution, of which none is a finding's, from a probe in a process of its own."""
    execution = ensembles[0].execution
    first = [ensemble.replicas[0].cell for ensemble in ensembles]
    costs = probe.ask(
        {**execution, "compiled": False},
        device,
        iterations={_game(cell): cell for cell in first if cell.trained},
        evaluations={_evaluated(cell): cell for cell in first},
        fits={_fitted(cell): cell for cell in first if not cell.trained},
        stretches=1,
    )
    prices = []
    for cell, ensemble in zip(first, ensembles, strict=True):
        curve, final = costs.evaluations[_evaluated(cell)]
        points = len(cell.evaluation.iterations(cell.iterations or 0)) if cell.trained else 1
        evaluation, training = len(ensemble.replicas) * (points * curve + final), 0.0
        if cell.trained:
            training = execution["width"] * (cell.iterations or 0) * costs.iterations[_game(cell)]
        else:
            evaluation += len(ensemble.replicas) * costs.fits[_fitted(cell)]
        prices.append(Price(_evaluated(cell), training, evaluation, _floors_s(cell, (curve, final))))
    return Priced(tuple(prices), costs.memory_mb)


def _floors_s(cell: Cell, seconds: tuple[float, float]) -> float:
    """Seconds of the floors of a target, which each process finds for itself, at the same time as the others."""
    target, sizes = cell.target.instance, (cell.evaluation.samples, cell.evaluation.final_samples)
    return sum(pairs_of(target, n) * s for n, s in zip(sizes, seconds, strict=True))


def _game(cell: Cell) -> str:
    """Equal where an iteration takes the same: targets of one shape differ by too little to probe each."""
    parts = [_shape(part) for part in (cell.objective, cell.optimiser, cell.network)]
    return digest([*parts, list(cell.target.instance.shape), cell.batch, cell.latent])


def _evaluated(cell: Cell) -> str:
    evaluation = cell.evaluation
    sizes = [evaluation.samples, evaluation.final_samples]
    return digest([cell.target.identity(), list(evaluation.metrics), sizes])


def _fitted(cell: Cell) -> str:
    return digest([cell.objective.definition(), cell.target.identity()])


def _words(execution: Mapping[str, Any], workers: int) -> str:
    processes = f"{workers} process{'' if workers == 1 else 'es'}"
    probed = f"From a probe of a few eager iterations, one evaluation per target and one fit per baseline, {processes}"
    if not execution["compiled"]:
        return f"{probed}; memory is the probe's own, for each process."
    return (
        f"{probed}. An upper estimate of the time, without compilation: compiled code is usually 2 to 6 times as fast,"
        " and compiling takes 5 to 25 s per new shape. Memory is the probe's own, for each process; compiling adds some"
        " 100 MB to each."
    )
