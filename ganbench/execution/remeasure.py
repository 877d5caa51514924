"""Stored generators measured anew, without training, with the latents, true samples and floors of the end of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ganbench import streams
from ganbench.catalogue import AVERAGED
from ganbench.execution.measurement import Rows, measure
from ganbench.execution.worker import Job, new_training
from ganbench.metrics.contract import NonFiniteSamples
from ganbench.networks.parameters import Parameters
from ganbench.planning import Replica, plan_ensembles
from ganbench.suite import Cell


@dataclass(frozen=True)
class Kept:
    """What the store keeps of a finished replica: its generator by parameter name, and what it had spent at its end.

    `averaged` is its averaged generator, empty where it has none.
    """

    replica: Replica
    generator: Mapping[str, np.ndarray]
    spent: Mapping[str, Any]
    averaged: Mapping[str, np.ndarray] = field(default_factory=dict)


def measurable(kept: list[Kept], metric: str, samples: int | None) -> list[Kept]:
    """Those whose target the metric applies to. Raises ValueError where there is none, or too few true samples."""
    reasons: dict[str, str | None] = {}
    for one in kept:
        cell = one.replica.cell
        limit = cell.target.instance.reference_limit
        reasons[cell.target_label] = cell.evaluation.metric(metric).inapplicable(cell.target.instance)
        if samples is not None and (samples < 2 or (limit is not None and samples > limit)):
            most = f" and at most {limit}, all that {cell.target_label} holds" if limit is not None else ""
            raise ValueError(f"samples: found {samples}; expected at least 2{most}")
    if kept and None not in reasons.values():
        told = "; ".join(f"{label}: {reason}" for label, reason in reasons.items())
        raise ValueError(f'"{metric}" applies to no target here ({told}); choose another metric')
    return [one for one in kept if reasons[one.replica.cell.target_label] is None]


def grouped(kept: list[Kept]) -> list[list[Kept]]:
    """Ensembles of the stored replicas, of the width under which they trained."""
    by_id = {one.replica.replica_id: one for one in kept}
    ensembles = plan_ensembles(one.replica for one in kept)
    return [[by_id[replica.replica_id] for replica in ensemble.replicas] for ensemble in ensembles]


def remeasure(kept: list[Kept], metric: str, samples: int | None, device: str) -> list[Rows | str]:
    """One final row per replica of ONE ensemble, or why there is none; `samples` defaults to the cell's final ones.

    A replica with an averaged generator has a second row, of its samples.

    With the metric and the number of samples of the final evaluation the value is the stored one, bit for bit, under
    the same execution: an ensemble of the same width, and the same number of threads.
    """
    cells = [_with_metric(one.replica.cell, metric) for one in kept]
    n = samples or cells[0].evaluation.final_samples
    if not cells[0].trained:
        return [_baseline_rows(cell, one, n, device) for cell, one in zip(cells, kept, strict=True)]
    number = len(cells[0].evaluation.iterations(cells[0].iterations or 0)) - 1
    threads = torch.get_num_threads()
    torch.set_num_threads(kept[0].replica.definition["execution"]["threads"])
    try:
        generated = {"": _samples(kept, [one.generator for one in kept], cells, number, n, device)}
        if all(one.averaged for one in kept):
            generated[AVERAGED] = _samples(kept, [one.averaged for one in kept], cells, number, n, device)
    finally:
        torch.set_num_threads(threads)
    return [
        _rows(cell, {prefix: samples[lane] for prefix, samples in generated.items()}, number, n, one, device)
        for lane, (cell, one) in enumerate(zip(cells, kept, strict=True))
    ]


def _with_metric(cell: Cell, metric: str) -> Cell:
    return dataclasses.replace(cell, evaluation=dataclasses.replace(cell.evaluation, metrics=(metric,)))


def _samples(
    kept: list[Kept],
    generators: list[Mapping[str, np.ndarray]],
    cells: list[Cell],
    number: int,
    n: int,
    device: str,
) -> np.ndarray:
    """Samples (R, n, *d) of an ensemble that holds the stored generators, padded with the first."""
    training = new_training(Job(tuple(one.replica.definition for one in kept), device, checkpoint=""), cells)
    padded = [*generators, *generators[:1] * (training.game.width - len(kept))]
    stored = {}
    for name, like in training.state["G"].items():
        stacked = np.stack([generator[name] for generator in padded])
        if stacked.shape != tuple(like.shape):
            raise ValueError(f"the stored {name} has the shape {stacked.shape[1:]}, expected {tuple(like.shape[1:])}")
        stored[name] = torch.from_numpy(stacked).to(device)
    training.state = {**training.state, "G": Parameters.joined(stored, leading=1)}
    return training.samples("evaluation.final", number, n)


def _rows(cell: Cell, generated: Mapping[str, np.ndarray], number: int, n: int, one: Kept, device: str) -> Rows | str:
    rows: Rows = []
    try:
        for prefix, each in generated.items():
            samples, spent = each.astype(np.float64), dict(one.spent)
            rows += measure(cell, samples, one.replica.seed, number, n, spent, True, device, prefix)
        return rows
    except NonFiniteSamples as error:
        return str(error)


def _baseline_rows(cell: Cell, one: Kept, n: int, device: str) -> Rows | str:
    seed = one.replica.seed
    fitted = cell.objective.instance.fit(cell.target.instance, seed)
    return _rows(cell, {"": fitted.sample(streams.generator(seed, f"baseline.samples.{n}"), n)}, 0, n, one, device)
