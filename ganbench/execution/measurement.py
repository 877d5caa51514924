"""From samples to rows: every metric with its floor, diagnostics, baselines, when the quality target was reached."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ganbench import streams
from ganbench.catalogue import METRICS
from ganbench.execution.floors import kept_floor
from ganbench.metrics.convergence import first_reached
from ganbench.suite import Cell
from ganbench.training.loop import Training, true_samples

Rows = list[dict[str, Any]]
COUNTS = ("iteration", "generator_steps", "gradient_steps", "real_samples", "n")
NEEDED = {
    **dict.fromkeys(COUNTS, int),
    **dict.fromkeys(("seconds", "value", "floor"), float),
    **dict.fromkeys(("metric", "unit", "direction"), str),
    "final": bool,
}
"""What each row has."""
COLUMNS = {**NEEDED, "instrument": str, "spread": float, "flag": str}
"""What a row can have: the columns of the store."""
LARGEST_COUNT = 2**53


def check_rows(rows: Any) -> None:
    """Raises ValueError unless the store can take these rows, as it may not those of a stranger's checkpoint."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("its rows are no tables")
    for row in rows:
        if not NEEDED.keys() <= row.keys() <= COLUMNS.keys():
            raise ValueError(f"found a row of {sorted(map(str, row))}; expected {sorted(COLUMNS)}")
        for name, value in row.items():
            if not (type(value) is COLUMNS[name] or (COLUMNS[name] is float and type(value) is int)):
                raise ValueError(f"{name}: found {value!r}, expected {COLUMNS[name].__name__}")
            if type(value) is int and abs(value) > LARGEST_COUNT:
                raise ValueError(f"{name}: found a number beyond {LARGEST_COUNT}")


def measure(
    cell: Cell,
    generated: np.ndarray,
    seed: int,
    number: int,
    n: int,
    spent: dict[str, Any],
    final: bool,
    device: str = "cpu",
    prefix: str = "",
) -> Rows:
    """One row per metric of the cell, each with its floor; features are extracted on the device.

    `prefix` stands before the names of the metrics: `catalogue.AVERAGED`, where an averaged generator made the samples.
    """
    target, rows = cell.target.instance, []
    true = true_samples(target, seed, number, n)
    for name in cell.evaluation.metrics:
        metric = cell.evaluation.metric(name, device)
        m = metric.samples_of(n)
        found = metric.estimate(generated[:m], true[:m], target)
        about = {"metric": f"{prefix}{name}", "unit": metric.unit, "direction": metric.direction, **vars(found)}
        about |= {"floor": kept_floor(metric, target, m), "instrument": metric.instrument(target)}
        rows.append({**spent, **about, "n": m, "final": final})
    return rows


def observed(cell: Cell, training: Training, number: int) -> list[Rows]:
    """What a suite's diagnostics tell of every lane at an evaluation, without what was spent; nothing where none."""
    target, by_lane = cell.target.instance, [Rows() for _ in training.seeds]
    for diagnostic in cell.evaluation.observers():
        for about, values in diagnostic.observe(training, target, number):
            for rows, value in zip(by_lane, values, strict=True):
                rows.append({**about, "value": float(value), "floor": np.nan})
    return by_lane


def sizes(cell: Cell, final: bool) -> list[tuple[int, bool]]:
    """Sample sizes of an evaluation, and whether each is the final one."""
    curve = (cell.evaluation.samples, False)
    return [curve, (cell.evaluation.final_samples, True)] if final else [curve]


def measure_baseline(cell: Cell, seed: int, device: str = "cpu") -> tuple[Rows, dict[str, Any], dict[str, np.ndarray]]:
    """Rows, info and one snapshot of a baseline fitted under a seed."""
    began = time.perf_counter()
    fitted = cell.objective.instance.fit(cell.target.instance, seed)
    info = {"notes": fitted.notes, "fit_s": time.perf_counter() - began}
    spent = {"iteration": 0, "generator_steps": 0, "gradient_steps": 0, "real_samples": 0, "seconds": 0.0}
    rows: Rows = []
    fitted_at = time.perf_counter()
    for n, final in sizes(cell, final=True):
        generated = fitted.sample(streams.generator(seed, f"baseline.samples.{n}"), n)
        rows += measure(cell, generated, seed, 0, n, spent, final, device)
    n = cell.target.instance.snapshot_samples
    snapshot = fitted.sample(streams.generator(seed, "snapshot"), n)
    info["evaluation_s"] = time.perf_counter() - fitted_at
    return rows, info, {"snapshot/0": snapshot.astype(np.float32)}


def reached(cell: Cell, rows: Rows, status: str) -> Rows:
    """When the replica came to its quality target for three evaluations in a row; infinite where it never did."""
    level, name = cell.evaluation.reached, cell.evaluation.reached_metric
    if level is None or name is None or not rows:
        return []
    sign = 1 if METRICS.load(name).direction == "lower" else -1
    curve = [row for row in rows if row["metric"] == name and not row["final"]]
    values = [sign * row["value"] for row in curve]
    index = first_reached([row["iteration"] for row in curve], values, sign * level)
    added = []
    for metric, key, unit in (("reached_iteration", "iteration", "iterations"), ("reached_s", "seconds", "s")):
        value = np.inf if index is None or status == "diverged" else float(curve[index][key])
        about = {"metric": metric, "value": value, "unit": unit, "direction": "lower", "floor": np.nan}
        about |= {"instrument": curve[0]["instrument"], "spread": np.nan, "flag": ""}
        added.append({**rows[-1], **about, "n": curve[0]["n"], "final": True})
    return added
