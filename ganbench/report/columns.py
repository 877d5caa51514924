"""The columns of one target's table, and which of them go first where room is short."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from ganbench.catalogue import AVERAGED, DIAGNOSTICS
from ganbench.report import wording
from ganbench.report.finals import AT, on_images, other_metrics, plain
from ganbench.report.wording import FLAGGED, decimals, inert, number

ALWAYS = 1
"""Importance of the columns without which a table would mislead."""

TELLING = ("jsd_binned", "kid", "fid", "precision", "recall", "modes_covered", "high_quality")
"""Metrics that a narrow table shows first, in this order: they tell what a distance cannot."""

THEN = ("kl_uniform", "coverage", "memorisation")
"""Metrics that follow the time and the quality target."""

LONG = 5
"""Letters of a one-word heading beyond which its arrow stands below it."""


@dataclass(frozen=True)
class Column:
    """A heading, a cell for each row, the floor above them, and how early the column goes where room is short."""

    heading: str
    cells: list[str]
    importance: int
    floor: str = ""

    @property
    def lines(self) -> list[str]:
        """The heading in two lines, broken at its last comma or else after its first word; an arrow costs no width."""
        heading = self.heading.replace("_", " ")
        before, comma, after = heading.rpartition(", ")
        if comma:
            return [f"{before},", after]
        arrow = heading[-1:] if heading.endswith(tuple(wording.ARROWS.values())) else ""
        first, _, rest = heading.removesuffix(f" {arrow}").partition(" ")
        if not rest:
            return [first, arrow] if arrow and len(first) > LONG else ["", heading]
        if arrow and len(first) < len(rest):
            return [f"{first} {arrow}", rest]
        return [first, f"{rest} {arrow}".strip()]

    @property
    def width(self) -> int:
        return max(map(len, (*self.lines, self.floor, *self.cells)))


def table_columns(results: pd.DataFrame, rows: pd.DataFrame) -> list[Column]:
    """All columns in the order in which they are read; those of importance ALWAYS are never left out."""
    images, others = on_images(results), other_metrics(results, str(rows.rank_by.iloc[0]))
    columns = [
        Column("#", ["" if pd.isna(r) else str(r) for r in rows["rank"]], ALWAYS),
        Column("objective", [inert(label) for label in rows.label], ALWAYS),
        _value_column(results, rows),
        *_metric_columns(results, rows, others),
        *_count_columns(rows),
        *_reached_columns(results, rows),
        *_spread_columns(rows, others),
    ]
    for name, heading, scale, places, importance in (
        ("iteration_s", "ms", 1e3, 2, 11),
        ("iterations_per_s", "iterations/s", 1, decimals(rows.iterations_per_s), 57),
        ("samples_per_s", "images/s" if images else "samples/s", 1, 0, 12 if images else 51),
        ("compile_s", "compile s", 1, 1, 58),
        ("evaluation_s", "evaluation s", 1, decimals(rows.evaluation_s), 58),
        ("peak_memory_mb", "peak MB", 1, 0, 52),
        ("median", "median", 1, _places(rows), 53),
        ("worst", "worst", 1, _places(rows), 54),
    ):
        if rows[name].notna().any():
            columns.append(Column(heading, [number(scale * v, places) for v in rows[name]], importance))
    for name, heading in (("device", "device"), ("arithmetic", "arithmetic"), ("width", "R"), ("threads", "threads")):
        if rows[name].notna().any():
            columns.append(Column(heading, ["—" if pd.isna(v) else inert(v) for v in rows[name]], 59))
    ends = zip(rows.low, rows.high, strict=True)
    interval = [f"{number(low, _places(rows))} to {number(high, _places(rows))}" for low, high in ends]
    return [*columns, Column("95% interval", interval, 55)]


def _places(rows: pd.DataFrame) -> int:
    return decimals([*rows.value, *rows.floor])


def _value_column(results: pd.DataFrame, rows: pd.DataFrame) -> Column:
    places, cells = _places(rows), []
    # a blank where others have a star or a dagger keeps the digits in line
    blank = " " * (int(rows.too_narrow.any()) + int((rows.flag != "").any()))
    columns = (rows[name] for name in ("value", "low", "high", "too_narrow", "flag"))
    for value, low, high, narrow, flag in zip(*columns, strict=True):
        error = f" ± {number((high - low) / 2, places)}" if math.isfinite(value) else ""
        marks = ("*" if narrow and math.isfinite(low) else "") + (FLAGGED if flag else "")
        cells.append(f"{number(value, places)}{error}{marks:<{len(blank)}}")
    floor = f"{number(rows.floor.median(), places)}{blank}"
    return Column(_heading(results, rows.rank_by.iloc[0]), cells, ALWAYS, floor)


def _metric_columns(results: pd.DataFrame, rows: pd.DataFrame, others: list[str]) -> list[Column]:
    columns = []
    for order, name in enumerate(others):
        floors = rows[f"{name}_floor"]
        places = decimals([*rows[name], *floors])
        flagged = rows[f"{name}_flag"] != "" if f"{name}_flag" in rows else pd.Series(False, rows.index)
        blank = " " * int(flagged.any())
        cells = [f"{number(v, places)}{FLAGGED if f else blank}" for v, f in zip(rows[name], flagged, strict=True)]
        floor = f"{number(floors.median(), places)}{blank}"
        ranked = plain(str(rows.rank_by.iloc[0]))
        columns.append(Column(_heading(results, name), cells, _importance(name, order, ranked), floor))
    return columns


def _importance(metric: str, order: int, ranked: str) -> int:
    own = plain(metric)
    if AT in metric or own == f"{AVERAGED}{ranked}":
        return 2  # what a person has measured on purpose goes first
    if own.startswith((AVERAGED, *DIAGNOSTICS.names())):
        return 80 + order
    if own in TELLING:
        return 3 + TELLING.index(own)
    return 15 + THEN.index(own) if own in THEN else 20 + order


def _spread_columns(rows: pd.DataFrame, others: list[str]) -> list[Column]:
    """How far a value scatters over random parts of one replica's samples, for the metrics that know it."""
    ranked = str(rows.rank_by.iloc[0])
    known = {ranked: rows.spread} | {name: rows[f"{name}_spread"] for name in others if f"{name}_spread" in rows}
    return [
        Column(f"{inert(name)}, spread", [number(v, decimals(spreads)) for v in spreads], 56)
        for name, spreads in known.items()
        if spreads.notna().any()
    ]


def _count_columns(rows: pd.DataFrame) -> list[Column]:
    """Replicas that diverged, of those that ran; failed and missing ones only where there are any."""
    ran = rows.completed + rows.diverged
    columns = [Column("diverged", [f"{d}/{n}" for d, n in zip(rows.diverged, ran, strict=True)], ALWAYS)]
    columns += [Column(n, [str(v) for v in rows[n]], ALWAYS) for n in ("failed", "missing") if rows[n].any()]
    interval = [f"{low:.0%} to {high:.0%}" for low, high in zip(rows.diverged_low, rows.diverged_high, strict=True)]
    return [*columns, Column("diverged, 95% interval", interval, 50)]


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
    columns = [Column(heading, shares, 10)]
    for name, heading, places, importance in (
        ("reached_iteration", "reached at iteration", 0, 13),
        ("reached_s", "reached at second", 2, 14),
    ):
        if rows[name].notna().any():
            cells = ["never" if v == math.inf else number(v, places) for v in rows[name]]
            columns.append(Column(heading, cells, importance))
    return columns


def _heading(results: pd.DataFrame, metric: str) -> str:
    directions = results.direction[results.metric == plain(metric)]
    name = f"{metric.removeprefix(AVERAGED)} ema" if metric.startswith(AVERAGED) else metric
    return f"{inert(name)} {wording.ARROWS.get(directions.iloc[0] if len(directions) else '', '')}".strip()
