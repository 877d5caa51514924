"""The ranked tables: for the terminal as many columns as fit, for Markdown and CSV all of them."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganbench.report import wording
from ganbench.report.ranking import final_values, other_metrics, rank
from ganbench.report.wording import decimals, inert, number
from ganbench.store import load_results
from ganbench.store.container import write_whole

__all__ = ["print_tables", "rank", "to_csv", "to_markdown", "write_report"]

ALWAYS = 1
"""Importance of the columns without which a table would mislead."""

TELLING = ("modes_covered", "high_quality", "coverage", "memorisation")
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
        """The heading in two lines, broken between words where there are several."""
        first, _, rest = self.heading.replace("_", " ").partition(" ")
        return [first, rest] if len(rest) > 1 else ["", self.heading]  # an arrow alone stays beside its word

    @property
    def width(self) -> int:
        return max(map(len, (*self.lines, self.floor, *self.cells)))


def print_tables(results: pd.DataFrame, console: Console, rank_by: str | None = None) -> None:
    """Prints one table for each target, then what the numbers mean, from the table of `load_results`."""
    ranked = rank(results, rank_by)
    for suite, of_suite in ranked.groupby("suite", sort=True):
        own = results[results.suite == suite]
        for target, rows in of_suite.groupby("target", sort=True):
            console.print()
            console.print(Text(_title(own[own.target == target], rows), style="bold"))
            console.print()
            console.print(_terminal_table(own[own.target == target], rows, console.width))
        console.print()
        for sentence in _sentences(own, of_suite):
            console.print(Text(sentence, style="bold red" if sentence.startswith(("INCOMPLETE", "NOT")) else "dim"))


def to_markdown(results: pd.DataFrame, rank_by: str | None = None) -> str:
    """Every column of every target's table in GitHub's Markdown, with what the numbers mean."""
    ranked = rank(results, rank_by)
    parts = []
    for suite, of_suite in ranked.groupby("suite", sort=True):
        own = results[results.suite == suite]
        for target, rows in of_suite.groupby("target", sort=True):
            columns = _columns(own[own.target == target], rows)
            lines = [_escaped(c.heading for c in columns), ["---"] * len(columns), _escaped(_floors(columns))]
            lines += [_escaped(cells) for cells in zip(*(c.cells for c in columns), strict=True)]
            parts.append(f"## {_markdown(_title(own[own.target == target], rows))}\n")
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
        parts += [f"- {_markdown(sentence)}" for sentence in _sentences(own, of_suite)]
        parts.append("")
    return "\n".join(parts)


def to_csv(results: pd.DataFrame, rank_by: str | None = None) -> str:
    """The table of `rank` as CSV; text that a spreadsheet would run as a formula gets an apostrophe before it."""
    ranked = rank(results, rank_by)
    defused = ranked.copy()
    for name in ranked:
        # numbers stay numbers, though they may begin with a minus
        if not pd.api.types.is_numeric_dtype(ranked[name]):
            defused[name] = ranked[name].map(_defused)
    buffer = io.StringIO()
    defused.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def write_report(folder: Path | str, rank_by: str | None = None) -> tuple[Path, Path]:
    """The paths of tables.md and tables.csv, written into a folder of results. Raises StoreError."""
    folder = Path(folder)
    results = load_results(folder)
    markdown, csv = folder / "tables.md", folder / "tables.csv"
    write_whole(markdown, to_markdown(results, rank_by).encode())
    write_whole(csv, to_csv(results, rank_by).encode())
    return markdown, csv


def _terminal_table(results: pd.DataFrame, rows: pd.DataFrame, width: int) -> Table:
    columns = _columns(results, rows)
    room, shown = width, []
    for column in sorted(columns, key=lambda c: c.importance):
        # two spaces between columns; a long label may fold
        room -= 2 + (min(column.width, 30) if column.heading == "objective" else column.width)
        if room < 0 and column.importance > ALWAYS:
            break
        shown.append(column)
    columns = [column for column in columns if column in shown]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        label = column.heading == "objective"
        heading = Text("\n".join(column.lines))
        table.add_column(heading, justify="left" if label else "right", no_wrap=not label, overflow="fold")
    table.add_row(*map(Text, _floors(columns)), style="dim italic")
    for at, baseline in enumerate(rows.baseline):
        table.add_row(*(Text(column.cells[at]) for column in columns), style="dim" if baseline else "")
    return table


def _floors(columns: list[Column]) -> list[str]:
    """The row above all others: what two true samples give."""
    return ["floor" if column.heading == "objective" else column.floor for column in columns]


def _title(results: pd.DataFrame, rows: pd.DataFrame) -> str:
    rank_by = rows.rank_by.iloc[0]
    final = final_values(results)
    ranked = final[final.metric == rank_by]
    target = inert(f"{results.suite.iloc[0]} · {results.target.iloc[0]}")
    if ranked.empty:
        return f"{target} · {inert(rank_by)} was not measured"
    samples = ", ".join(f"{n:,}" for n in sorted(ranked.n.unique()))
    unit = f" in {inert(ranked.unit.iloc[0])}" if ranked.unit.iloc[0] else ""
    seeds = f"{rows.seeds.iloc[0]} seed{'' if rows.seeds.iloc[0] == 1 else 's'}"
    return f"{target} · {inert(rank_by)}{unit} · {seeds} · {samples} samples at the end"


def _sentences(results: pd.DataFrame, ranked: pd.DataFrame) -> list[str]:
    said = [wording.incomplete_sentence(ranked), wording.budget_sentence(results), *wording.rule_sentences(ranked)]
    return [sentence for sentence in (*said, wording.speed_sentence(results)) if sentence]


def _columns(results: pd.DataFrame, rows: pd.DataFrame) -> list[Column]:
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
        ("iteration_s", "ms", 1e3, 2, 7),
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
        importance = 2 + 2 * TELLING.index(name) if name in TELLING else 20 + order
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
    columns = [Column(heading, shares, 3)]
    for name, heading, places, importance in (
        ("reached_iteration", "reached at iteration", 0, 5),
        ("reached_s", "reached at second", 2, 9),
    ):
        if rows[name].notna().any():
            cells = ["never" if v == math.inf else number(v, places) for v in rows[name]]
            columns.append(Column(heading, cells, importance))
    return columns


def _heading(results: pd.DataFrame, metric: str) -> str:
    directions = results[results.metric == metric].direction
    return f"{inert(metric)} {wording.ARROWS.get(directions.iloc[0] if len(directions) else '', '')}".strip()


def _escaped(cells: Iterable[str]) -> list[str]:
    return [_markdown(cell.strip()) for cell in cells]


def _markdown(text: str) -> str:
    """Text that Markdown shows as it is: no column, no element and no emphasis can begin in it."""
    return "".join(f"\\{c}" if c in "\\|<>`*_[]&" else c for c in text)


def _defused(text: object) -> object:
    return f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
