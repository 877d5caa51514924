"""The columns of one target's table, and which of them go first where room is short."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from ganbench.report import wording
from ganbench.report.ranking import AT, other_metrics
from ganbench.report.wording import decimals, inert, number

ALWAYS = 1
"""Importance of the columns without which a table would mislead."""

TELLING = ("jsd_binned", "modes_covered", "high_quality", "coverage", "memorisation")
"""Metrics that a narrow table shows first, in this order: they tell what a distance cannot."""


@dataclass(frozen=True)
class Column:
    """A heading, a cell for each row, the floor above them, and how early the column goes where room is short."""

    heading: str
    cells: list[str]
    importance: int
    floor: str = ""

    @property
    def lines(self) -> list[str]:
        """The heading in two lines, broken at its last comma or else after its first word."""
        heading = self.heading.replace("_", " ")
        before, comma, after = heading.rpartition(", ")
        first, _, rest = (f"{before},", comma, after) if comma else heading.partition(" ")
        return [first, rest] if len(rest) > 1 else ["", self.heading]  # an arrow alone stays beside its word

    @property
    def width(self) -> int:
        return max(map(len, (*self.lines, self.floor, *self.cells)))


def table_columns(results: pd.DataFrame, rows: pd.DataFrame) -> list[Column]:
    """All columns in the order in which they are read; those of importance ALWAYS are never left out."""
    columns = [
        Column("#", ["" if pd.isna(r) else str(r) for r in rows["rank"]], ALWAYS),
        Column("objective", [inert(label) for label in rows.label], ALWAYS),
        _value_column(results, rows),
        *_metric_columns(results, rows),
        *_count_columns(rows),
        *_reached_columns(results, rows),
    ]
    for name, heading, scale, places, importance in (
        ("iteration_s", "ms", 1e3, 2, 8),
        ("samples_per_s", "samples/s", 1, 0, 31),
        ("peak_memory_mb", "peak MB", 1, 0, 32),
        ("median", "median", 1, _places(rows), 33),
        ("worst", "worst", 1, _places(rows), 34),
    ):
        if rows[name].notna().any():
            columns.append(Column(heading, [number(scale * v, places) for v in rows[name]], importance))
    ends = zip(rows.low, rows.high, strict=True)
    interval = [f"{number(low, _places(rows))} to {number(high, _places(rows))}" for low, high in ends]
    return [*columns, Column("95% interval", interval, 35)]


def _places(rows: pd.DataFrame) -> int:
    return decimals([*rows.value, *rows.floor])


def _value_column(results: pd.DataFrame, rows: pd.DataFrame) -> Column:
    places, cells = _places(rows), []
    # a blank where others have a star keeps the digits in line
    blank = " " if rows.too_narrow.any() else ""
    for value, low, high, narrow in zip(rows.value, rows.low, rows.high, rows.too_narrow, strict=True):
        error = f" ± {number((high - low) / 2, places)}" if math.isfinite(value) else ""
        cells.append(f"{number(value, places)}{error}{'*' if narrow and math.isfinite(low) else blank}")
    floor = f"{number(rows.floor.median(), places)}{blank}"
    return Column(_heading(results, rows.rank_by.iloc[0]), cells, ALWAYS, floor)


def _metric_columns(results: pd.DataFrame, rows: pd.DataFrame) -> list[Column]:
    columns = []
    for order, name in enumerate(other_metrics(results, rows.rank_by.iloc[0])):
        floors = rows[f"{name}_floor"]
        places = decimals([*rows[name], *floors])
        cells = [number(v, places) for v in rows[name]]
        # what a person has measured on purpose goes first
        later = 2 if AT in name else 20 + order
        importance = 3 + TELLING.index(name) if name in TELLING else later
        columns.append(Column(_heading(results, name), cells, importance, number(floors.median(), places)))
    return columns


def _count_columns(rows: pd.DataFrame) -> list[Column]:
    """Replicas that diverged, of those that ran; failed and missing ones only where there are any."""
    ran = rows.completed + rows.diverged
    columns = [Column("diverged", [f"{d}/{n}" for d, n in zip(rows.diverged, ran, strict=True)], ALWAYS)]
    columns += [Column(n, [str(v) for v in rows[n]], ALWAYS) for n in ("failed", "missing") if rows[n].any()]
    interval = [f"{low:.0%} to {high:.0%}" for low, high in zip(rows.diverged_low, rows.diverged_high, strict=True)]
    return [*columns, Column("diverged, 95% interval", interval, 30)]


def _reached_columns(results: pd.DataFrame, rows: pd.DataFrame) -> list[Column]:
    """How many replicas reached the quality target, and the median iteration and second at which they did."""
    if rows.reached.isna().all():
        return []
    level = rows.quality_target.dropna()
    metric = str(results.quality_metric.dropna().iloc[0]) if results.quality_metric.notna().any() else ""
    sign = "≥" if "↑" in _heading(results, metric) else "≤"
    heading = f"reached {inert(metric)} {sign} {level.iloc[0]:g}" if len(level) else "reached"
    ran = rows.completed + rows.diverged
    shares = ["—" if pd.isna(r) else f"{r:.0f}/{n}" for r, n in zip(rows.reached, ran, strict=True)]
    columns = [Column(heading, shares, 9)]
    for name, heading, places, importance in (
        ("reached_iteration", "reached at iteration", 0, 10),
        ("reached_s", "reached at second", 2, 11),
    ):
        if rows[name].notna().any():
            cells = ["never" if v == math.inf else number(v, places) for v in rows[name]]
            columns.append(Column(heading, cells, importance))
    return columns


def _heading(results: pd.DataFrame, metric: str) -> str:
    directions = results[results.metric == metric.partition(AT)[0]].direction
    return f"{inert(metric)} {wording.ARROWS.get(directions.iloc[0] if len(directions) else '', '')}".strip()
