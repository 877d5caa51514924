"""The ranked tables: for the terminal as many columns as fit, for Markdown and CSV all of them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganbench.report import wording
from ganbench.report.columns import ALWAYS, Column, table_columns
from ganbench.report.finals import final_values, is_finding
from ganbench.report.instruments import image_sentences
from ganbench.report.needed import endings, needed
from ganbench.report.pictures import write_pictures
from ganbench.report.ranking import latest, rank, selectable
from ganbench.report.theory_table import comparisons, laws_markdown, print_laws
from ganbench.report.wording import inert, inert_markdown
from ganbench.store import load_results
from ganbench.store.container import write_whole

if TYPE_CHECKING:
    from ganbench.report.against import Reference

__all__ = ["print_tables", "rank", "to_csv", "to_markdown", "to_parquet", "write_report"]


@dataclass(frozen=True)
class SuiteTables:
    """Title, columns and ranked rows of each of a suite's targets, and the sentences below them."""

    targets: list[tuple[str, list[Column], pd.DataFrame]]
    sentences: list[str]


@dataclass(frozen=True)
class Told:
    """All that ranked tables say, made once for every form that they take: the table of `rank`, and suite by suite."""

    ranked: pd.DataFrame
    suites: list[SuiteTables]


def told(results: pd.DataFrame, rank_by: str | None = None) -> Told:
    """What the tables of results say, from the table of `load_results`; findings are left out."""
    ranked, found = rank(results, rank_by), []
    newest = selectable(latest(endings(results[~is_finding(results)])))
    for suite, of_suite in ranked.groupby("suite", sort=True):
        own, short = newest[newest.suite == suite], short_labels(of_suite.target.unique())
        of_target = dict(list(own.groupby("target")))
        targets = [
            (title(of_target[target], rows, short[str(target)]), table_columns(of_target[target], rows), rows)
            for target, rows in of_suite.groupby("target", sort=True)
        ]
        found.append(SuiteTables(targets, sentences(own, of_suite)))
    return Told(ranked, found)


def print_tables(
    results: pd.DataFrame, console: Console, rank_by: str | None = None, tables: Told | None = None
) -> None:
    """Prints one table for each target, then what the numbers mean, from the table of `load_results`; findings last.

    `tables` spares making them again: it is `told(results, rank_by)`.
    """
    for suite in (tables or told(results, rank_by)).suites:
        for heading, columns, rows in suite.targets:
            console.print()
            console.print(Text(heading, style="bold"))
            console.print()
            console.print(_terminal_table(fitting(columns, console.width), rows))
        console.print()
        for sentence in suite.sentences:
            console.print(Text(sentence, style="bold red" if sentence.startswith(("INCOMPLETE", "NOT")) else "dim"))
    print_laws(endings(results), console)


def to_markdown(results: pd.DataFrame, rank_by: str | None = None, tables: Told | None = None) -> str:
    """Every column of every target's table in GitHub's Markdown, with what the numbers mean; findings last.

    `tables` spares making them again: it is `told(results, rank_by)`.
    """
    parts = []
    for suite in (tables or told(results, rank_by)).suites:
        for heading, columns, _ in suite.targets:
            lines = [_escaped(c.heading for c in columns), ["---"] * len(columns), _escaped(floors(columns))]
            lines += [_escaped(cells) for cells in zip(*(c.cells for c in columns), strict=True)]
            parts.append(f"## {inert_markdown(heading)}\n")
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
        parts += [f"- {inert_markdown(sentence)}" for sentence in suite.sentences]
        parts.append("")
    return "\n".join(parts) + laws_markdown(endings(results))


def to_csv(
    results: pd.DataFrame,
    rank_by: str | None = None,
    more: Sequence[pd.DataFrame] = (),
    ranked: pd.DataFrame | None = None,
) -> str:
    """The table of `rank` as CSV, then the comparisons of findings and `more`, which have columns of their own.

    Text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    ranked = rank(results, rank_by) if ranked is None else ranked
    others = [table for table in (comparisons(results), *more) if len(table)]
    if others:
        # as objects: whole numbers stay whole where rows of the other kind have none
        ranked = pd.concat([table.astype(object) for table in (ranked, *others) if len(table)], ignore_index=True)
    defused = ranked.copy()
    for name in ranked:
        # numbers stay numbers, though they may begin with a minus
        if not pd.api.types.is_numeric_dtype(ranked[name]):
            defused[name] = pd.Series(map(_defused, ranked[name]), ranked.index, dtype=object)
    buffer = io.StringIO()
    defused.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def to_parquet(results: pd.DataFrame, rank_by: str | None = None) -> bytes:
    """The table of `rank` as a Parquet file."""
    buffer = io.BytesIO()
    ranked = rank(results, rank_by)
    # a column that has nothing has no type of its own
    texts = [name for name in ranked if ranked[name].dtype == object]
    ranked.astype(dict.fromkeys(texts, "string")).to_parquet(buffer, index=False)
    return buffer.getvalue()


def write_report(folder: Path | str, rank_by: str | None = None, among: Reference | None = None) -> tuple[Path, ...]:
    """The paths of tables.md, tables.csv, report.html and pictures, written into a folder. Raises StoreError.

    In the page the results stand `among` those of a reference, where there is one.
    """
    from ganbench.report.page.write import NAME, write_page  # the page shows these tables, too

    folder = Path(folder)
    results = needed(load_results(folder), rank_by)
    markdown, csv = folder / "tables.md", folder / "tables.csv"
    tables = told(results, rank_by)
    write_whole(markdown, to_markdown(results, rank_by, tables).encode())
    write_whole(csv, to_csv(results, rank_by, ranked=tables.ranked).encode())
    pictures = write_pictures(folder, results, rank_by, tables.ranked)
    if among is None:
        page = write_page(results, [folder], folder / NAME, rank_by=rank_by, tables=tables)
    else:
        page = among.write_page(results, folder, folder / NAME, rank_by)
    return markdown, csv, page, *pictures


def _terminal_table(columns: list[Column], rows: pd.DataFrame) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        label = column.heading == "objective"
        heading = Text("\n".join(column.lines))
        table.add_column(heading, justify="left" if label else "right", no_wrap=not label, overflow="fold")
    table.add_row(*map(Text, floors(columns)), style="dim italic")
    for at, baseline in enumerate(rows.baseline):
        table.add_row(*(Text(column.cells[at]) for column in columns), style="dim" if baseline else "")
    return table


def fitting(columns: list[Column], width: int) -> list[Column]:
    """The columns that fit into so many characters, the most important first; those without which it would mislead."""
    room, shown = width + 2, []  # the last column needs no space after it
    for column in sorted(columns, key=lambda c: c.importance):
        # two spaces between columns; a long label may fold
        room -= 2 + (min(column.width, 30) if column.heading == "objective" else column.width)
        if room < 0 and column.importance > ALWAYS:
            break
        shown.append(column)
    return [column for column in columns if column in shown]


def floors(columns: list[Column]) -> list[str]:
    """The row above all others: what two true samples give."""
    return ["floor" if column.heading == "objective" else column.floor for column in columns]


def title(results: pd.DataFrame, rows: pd.DataFrame, label: str) -> str:
    rank_by = rows.rank_by.iloc[0]
    final = final_values(results)
    ranked = final[final.metric == rank_by]
    target = inert(f"{results.suite.iloc[0]} · {label}")
    if ranked.empty:
        return f"{target} · {inert(rank_by)} was not measured"
    samples = ", ".join(f"{n:,}" for n in sorted(ranked.n.unique()))
    unit = f" in {inert(ranked.unit.iloc[0])}" if ranked.unit.iloc[0] else ""
    seeds = f"{rows.seeds.iloc[0]} seed{'' if rows.seeds.iloc[0] == 1 else 's'}"
    return f"{target} · {inert(rank_by)}{unit} · {seeds} · {samples} samples at the end"


def short_labels(labels: Iterable[str]) -> dict[str, str]:
    """Targets' labels -> without the folders of a path in them, where that still tells them apart."""
    short = {label: re.sub(r"=/[^,\]]*/", "=…/", label) for label in labels}
    shown = list(short.values())
    return {label: text if shown.count(text) == 1 else label for label, text in short.items()}


def to_text(results: pd.DataFrame, rank_by: str | None = None, tables: Told | None = None) -> str:
    """What `print_tables` prints, 160 columns wide and without styles."""
    console = Console(width=160, file=io.StringIO(), color_system=None)
    with console.capture() as captured:
        print_tables(results, console, rank_by, tables)
    return captured.get().strip("\n")


def sentences(results: pd.DataFrame, ranked: pd.DataFrame) -> list[str]:
    """What the numbers of a suite's tables mean, sentence by sentence."""
    said = [wording.incomplete_sentence(ranked), wording.budget_sentence(results), *wording.rule_sentences(ranked)]
    final = final_values(results)
    said += [wording.partition_sentence(final), *image_sentences(results, final, ranked)]
    said += wording.notes_sentences(ranked)
    return [sentence for sentence in (*said, wording.speed_sentence(results)) if sentence]


def _escaped(cells: Iterable[str]) -> list[str]:
    return [inert_markdown(cell.strip()) for cell in cells]


def _defused(text: object) -> object:
    return f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
