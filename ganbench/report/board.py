"""One target's ranked table for the page: every number with its uncertainty, each cell with a key to sort by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ganbench import streams
from ganbench.report.finals import final_values, on_images, other_metrics, plain
from ganbench.report.verdicts import groups
from ganbench.report.wording import ARROWS, FLAGGED, decimals, inert, number
from ganbench.statistics import bootstrap_interval, clopper_pearson, interquartile_mean

RESAMPLES = 2_000
"""For the metrics that do not rank; the ranking one has its interval from `rank`."""


@dataclass(frozen=True)
class Cell:
    """What is shown, and the number or text that sorts it."""

    text: str
    key: float | str


@dataclass(frozen=True)
class Heading:
    """A column's name with its arrow, what it means, and its floor."""

    name: str
    about: str
    floor: str = ""


@dataclass(frozen=True)
class Board:
    """Headings, and for each row its cells and whether it is a baseline."""

    headings: list[Heading]
    rows: list[tuple[bool, list[Cell]]]


def board(results: pd.DataFrame, ranked: pd.DataFrame, pairs: pd.DataFrame, against: pd.DataFrame) -> Board:
    """The table of one target, from its newest results, its rows of `rank` and both families of its verdicts."""
    metric = str(ranked.rank_by.iloc[0])
    values = _values(results, ranked, metric)
    columns: list[tuple[Heading, list[Cell]]] = [
        (
            Heading("#", "rank by the first metric; baselines have none"),
            [text("" if pd.isna(r) else str(r), 1e9 if pd.isna(r) else float(r)) for r in ranked["rank"]],
        ),
        (Heading("objective", ""), [text(inert(label), label) for label in ranked.label]),
        _groups(ranked, pairs),
        *values[:2],
        *_counts(ranked),
        *_against(ranked, against),
        *_reached(results, ranked),
        *_costs(results, ranked),
        *values[2:],
        *_others(results, ranked, metric),
    ]
    cells = [[column[i] for _, column in columns] for i in range(len(ranked))]
    return Board([heading for heading, _ in columns], list(zip(map(bool, ranked.baseline), cells, strict=True)))


def text(shown: str, key: float | str) -> Cell:
    """A cell; a number that sorts it is kept finite, as JSON and HTML have no other."""
    return Cell(shown, key if isinstance(key, str) else (1e300 if math.isnan(key) else max(-1e300, min(1e300, key))))


def _groups(ranked: pd.DataFrame, pairs: pd.DataFrame) -> tuple[Heading, list[Cell]]:
    own = [label for label in ranked[~ranked.baseline].label if label in {*pairs.label, *pairs.other}]
    letters = groups(own, pairs) if own and not (pairs.word == "too few seeds").any() else {}
    about = "objectives that share a letter were not told apart, over all pairs"
    return Heading("group", about), [text(letters.get(x, ""), letters.get(x, "~")) for x in ranked.label]


def _values(results: pd.DataFrame, ranked: pd.DataFrame, metric: str) -> list[tuple[Heading, list[Cell]]]:
    places = decimals([*ranked.value, *ranked.floor])
    floor = float(ranked.floor.median())
    directions = results.direction[results.metric == plain(metric)]
    direction = str(directions.iloc[0]) if len(directions) else "lower"
    name = f"{inert(metric)} {ARROWS[direction]}"
    main, less = [], []
    for row in ranked.itertuples():
        value, low, high = float(row.value), float(row.low), float(row.high)  # type: ignore[arg-type]  # floats all
        marks = ("*" if row.too_narrow and math.isfinite(low) else "") + (FLAGGED if row.flag else "")
        error = f"{_half(low, high, places)}{marks}"
        main.append(text(f"{number(value, places)}{error}", value))
        less.append(text(f"{number(value - floor, places)}{error}", value - floor))  # one floor for all rows
    completed = dict(list(_completed(results, metric).groupby("cell_id")))
    alone = []
    for cell in ranked.cell_id:
        values = completed[cell].value.to_numpy(float) if cell in completed else None
        mean = math.nan if values is None else float(interquartile_mean(values))
        alone.append(_estimate(values, mean, places, 1, f"{metric}, completed only"))
    rule = "interquartile mean over completed and diverged replicas ± half its 95% bootstrap interval"
    return [
        (Heading(name, f"{rule}; * under 10 seeds, where it is too narrow", number(floor, places)), main),
        (Heading("less floor", "the value less that of true samples"), less),
        (Heading("completed only", "the same over the completed replicas alone"), alone),
        (Heading("median", "over completed and diverged replicas"), numbers(ranked["median"], places)),
        (Heading("worst", "over completed and diverged replicas"), numbers(ranked.worst, places)),
    ]


def _completed(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    final = final_values(results)
    return final[(final.metric == metric) & (final.status == "completed")]


def _half(low: float, high: float, places: int) -> str:
    return f" ± {number((high - low) / 2, places)}" if math.isfinite(high - low) else ""


def numbers(values: pd.Series, places: int) -> list[Cell]:
    """Cells that show numbers and sort by them."""
    return [text(number(v, places), v) for v in map(float, values)]


def _counts(ranked: pd.DataFrame) -> list[tuple[Heading, list[Cell]]]:
    found = []
    for status in ("diverged", "failed", "missing"):
        cells = []
        for count, completed, diverged, seeds in zip(
            *(map(int, ranked[name]) for name in (status, "completed", "diverged", "seeds")), strict=True
        ):
            n = completed + diverged if status == "diverged" else seeds
            low, high = clopper_pearson(count, n) if count <= n else (math.nan, math.nan)
            interval = f" ({low:.0%}–{high:.0%})" if n and status != "missing" else ""
            cells.append(text(f"{count}/{n}{interval}", count / max(1, n)))
        about = {
            "diverged": "became non-finite, of those that ran, with the exact 95% interval (Clopper and Pearson)",
            "failed": "ended by an error, of those planned, with the exact 95% interval",
            "missing": "planned and not stored",
        }[status]
        if status == "diverged" or ranked[status].any():
            found.append((Heading(status, about), cells))
    return found


def _reached(results: pd.DataFrame, ranked: pd.DataFrame) -> list[tuple[Heading, list[Cell]]]:
    if ranked.reached.isna().all():
        return []
    level, metric = ranked.quality_target.dropna(), results.quality_metric.dropna()
    what = f"{inert(str(metric.iloc[0]))} {level.iloc[0]:g}" if len(level) and len(metric) else ""
    ran = ranked.completed + ranked.diverged
    shares = [
        text("—" if pd.isna(r) else f"{r:.0f}/{n}", -1.0 if pd.isna(r) else -r / max(1, n))
        for r, n in zip(ranked.reached, ran, strict=True)
    ]
    times = []
    for row in ranked.itertuples():
        steps, seconds = float(row.reached_iteration), float(row.reached_s)  # type: ignore[arg-type]  # floats all
        told = "—" if math.isnan(steps) else "never" if math.isinf(steps) else f"{steps:,.0f} / {seconds:.3g} s"
        times.append(text(told, steps))
    return [
        (Heading(f"reached {what}".strip(), "replicas that came to the quality target and stayed three times"), shares),
        (Heading("median time to it", "iterations / seconds of training; a replica that never does counts"), times),
    ]


def _costs(results: pd.DataFrame, ranked: pd.DataFrame) -> list[tuple[Heading, list[Cell]]]:
    images = "images/s" if on_images(results) else "samples/s"
    found = []
    for name, heading, scale, places, about in (
        (
            "iteration_s",
            "ms",
            1e3,
            2,
            "milliseconds per iteration and replica, without compilation, warm-up and evaluation",
        ),
        ("samples_per_s", images, 1.0, 0, "real samples that a replica sees in a second"),
    ):
        if ranked[name].notna().any():
            found.append((Heading(heading, about), numbers(scale * ranked[name].astype(float), places)))
    return found


def _against(ranked: pd.DataFrame, against: pd.DataFrame) -> list[tuple[Heading, list[Cell]]]:
    if against.empty:
        return []
    compared: Iterable[Any] = against.itertuples()
    found = {row.cell_id: row for row in compared}
    cells = []
    for cell in ranked.cell_id:
        row = found.get(cell)
        if row is None:
            cells.append(text("", 2.0))
            continue
        interval = "" if math.isnan(row.low) else f" ({row.low:.2f}–{row.high:.2f})"
        more = f"; {row.seeds_to_decide:,.0f} seeds" if row.word == "undecided" and row.seeds_to_decide < 1e6 else ""
        cells.append(text(f"{row.word}, {row.probability:.2f}{interval}{more}", -row.probability))
    about = (
        "verdict; the probability that a seed improves on one of it, with its 95% interval; where undecided, how many"
        " seeds of each would decide, four times of five, were that the true one (Noether)"
    )
    return [(Heading(f"against {inert(against.other.iloc[0])}", about), cells)]


def _others(results: pd.DataFrame, ranked: pd.DataFrame, metric: str) -> list[tuple[Heading, list[Cell]]]:
    final = final_values(results)
    final = final[final.status == "completed"]
    found = []
    for name in other_metrics(results, metric):
        rows = final[final.metric == name]
        if rows.empty:
            continue
        of_cell = {str(cell): group.value.to_numpy(float) for cell, group in rows.groupby("cell_id")}
        floor = float(rows.floor.median())
        means = {cell: float(interquartile_mean(values)) for cell, values in of_cell.items()}
        places = decimals([*means.values(), floor])
        arrow = ARROWS.get(str(rows.direction.iloc[0]), "")
        sign = -1 if rows.direction.iloc[0] == "higher" else 1
        cells = [_estimate(of_cell.get(cell), means.get(cell, math.nan), places, sign, name) for cell in ranked.cell_id]
        about = "interquartile mean over completed replicas ± half its 95% bootstrap interval"
        found.append((Heading(f"{inert(name)} {arrow}".strip(), about, number(floor, places)), cells))
    return found


def _estimate(values: Any, mean: float, places: int, sign: int, name: str) -> Cell:
    if values is None:
        return text("—", math.nan)
    statistic: Callable[[np.ndarray], np.ndarray] = interquartile_mean
    rng = streams.generator(0, f"bootstrap/{name}")
    low, high = bootstrap_interval(np.sort(values), statistic, rng, resamples=RESAMPLES)
    return text(f"{number(mean, places)}{_half(low, high, places)}", sign * mean)
