"""What findings say: every comparison of every law, and a table of the laws for each finding."""

from __future__ import annotations

import io
import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganbench.catalogue import COMPARED, FINDINGS
from ganbench.report.finals import is_finding
from ganbench.report.ranking import latest
from ganbench.report.wording import inert, inert_markdown

HEADINGS = ("law", "objective", "what is compared", "expected", "measured", "tolerance", "holds")
LONGEST, FIRST_NUMBER = HEADINGS.index("what is compared"), HEADINGS.index("expected")
HOLDS, FAILS = "✓", "✗"
FAILING = "fails"
RELATIONS = {"=": "equal", "<=": "at most", ">=": "at least"}
SIGNS = {"at most": "≤ ", "at least": "≥ "}


@dataclass(frozen=True)
class LawTable:
    """The laws of one finding, a row for each law and objective, with HEADINGS as its columns.

    `title` says how many comparisons hold; `incomplete` why nothing, or not all, was measured.
    """

    title: str
    rows: list[tuple[str, ...]]
    holds: bool
    incomplete: str = ""

    @property
    def alarm(self) -> str:
        """What a reader must not miss; "" where everything was measured and holds."""
        return self.incomplete or ("" if self.holds else "a law fails")


def comparisons(results: pd.DataFrame) -> pd.DataFrame:
    """One row per comparison, from the table of `load_results`, finding by finding as they were measured.

    Columns: suite, finding, seed, law, objective, about, relation ("equal", "at most" or "at least"), expected,
    measured, tolerance, verdict ("holds" or "fails"), source. A replica that an error ended has none.
    """
    newest = _newest(results)
    rows = newest[newest.metric.notna() & newest.final]
    named = [metric.split(COMPARED, 2) for metric in rows.metric]
    stated = [instrument.split(" ", 1) for instrument in rows.instrument]
    return pd.DataFrame(
        {
            "suite": rows.suite,
            "finding": rows.label,
            "seed": rows.seed,
            "law": [name[0] for name in named],
            "objective": [name[1] for name in named],
            "about": [name[2] for name in named],
            "relation": [RELATIONS[words[0]] for words in stated],
            "expected": rows.floor,
            "measured": rows.value,
            "tolerance": rows.spread,
            "verdict": [FAILING if flag else "holds" for flag in rows.flag],
            "source": [words[1] for words in stated],
        }
    ).reset_index(drop=True)


def _newest(results: pd.DataFrame) -> pd.DataFrame:
    """The newest replicas of findings, in the order of the catalogue."""
    newest = latest(results[is_finding(results)])
    return newest.iloc[newest.objective.map(FINDINGS.names().index).argsort(kind="stable")]


def law_tables(results: pd.DataFrame) -> Iterator[LawTable]:
    """A table for each finding of each suite."""
    found = comparisons(results)
    for (suite, label), replicas in _newest(results).groupby(["suite", "label"], sort=False):
        own = found[(found.suite == suite) & (found.finding == label)]
        yield LawTable(
            title=f"{inert(str(suite))} · {inert(str(label))} · {_counted(own)}",
            rows=[_row(rows) for _, rows in own.groupby(["law", "objective"], sort=False)],
            holds=bool((own.verdict == "holds").all()),
            incomplete=_incomplete(replicas),
        )


def print_laws(results: pd.DataFrame, console: Console) -> None:
    """Prints the table of each finding, then where its laws come from; nothing where there are none."""
    for found in law_tables(results):
        console.print()
        console.print(Text(found.title, style="bold red" if found.alarm else "bold"))
        if found.incomplete:
            console.print(Text(found.incomplete, style="bold red"))
        if found.rows:
            console.print()
            console.print(_terminal_table(found, console.width))
    for sentence in sentences(results):
        console.print(Text(sentence, style="dim"))


def laws_text(results: pd.DataFrame) -> str:
    """The tables of all findings as a wide page of plain text."""
    console = Console(file=io.StringIO(), width=180, color_system=None)
    with console.capture() as captured:
        print_laws(results, console)
    return captured.get().lstrip("\n")


def laws_markdown(results: pd.DataFrame) -> str:
    """The tables of all findings in GitHub's Markdown; "" where there are none."""
    parts = []
    for found in law_tables(results):
        parts.append(f"## {inert_markdown(found.title)}\n")
        parts += [f"**{inert_markdown(found.incomplete)}**\n"] if found.incomplete else []
        lines = [HEADINGS, ["---"] * len(HEADINGS), *([inert_markdown(cell) for cell in row] for row in found.rows)]
        parts += ["\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"] if found.rows else []
    parts += [f"- {inert_markdown(sentence)}" for sentence in sentences(results)]
    return "\n".join([*parts, ""]) if parts else ""


def _terminal_table(found: LawTable, width: int) -> Table:
    """The table; where room is short without what is compared, which is the longest."""
    rows = [HEADINGS, *found.rows]
    widths = [max(len(row[at]) for row in rows) + 2 for at in range(len(HEADINGS))]
    shown = [at for at in range(len(HEADINGS)) if at != LONGEST or sum(widths) - 2 <= width]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for at in shown:
        words = at < FIRST_NUMBER
        table.add_column(HEADINGS[at], justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for row in found.rows:
        table.add_row(*(Text(row[at]) for at in shown), style="red" if row[-1].startswith(FAILS) else "")
    return table


def sentences(results: pd.DataFrame) -> list[str]:
    """How the tables are read, and where each law comes from; nothing where there are none."""
    found = comparisons(results).drop_duplicates("law")
    if found.empty:
        return []
    said = [f"{inert(law)}: {inert(source)}." for law, source in zip(found.law, found.source, strict=True)]
    return ["A row shows the comparison of its law that is nearest to failing; the CSV has them all.", *said]


def _counted(rows: pd.DataFrame) -> str:
    hold = int((rows.verdict == "holds").sum())
    return f"{hold:,} of {len(rows):,} comparisons hold"


def _row(rows: pd.DataFrame) -> tuple[str, ...]:
    """The comparison of a law that comes nearest to failing, and how many hold."""
    worst = max(rows.to_dict("records"), key=_strain)
    hold = int((rows.verdict == "holds").sum())
    mark = HOLDS if hold == len(rows) else FAILS
    return (
        inert(worst["law"]),
        inert(worst["objective"]),
        inert(worst["about"]),
        f"{SIGNS.get(worst['relation'], '')}{_number(worst['expected'])}",
        _number(worst["measured"]),
        f"{worst['tolerance']:.2g}",
        f"{mark} {hold:,} of {len(rows):,}",
    )


def _strain(row: dict[Hashable, Any]) -> tuple[bool, float]:
    """How near to failing a comparison is: what failed first, then the share of the tolerance that is used up."""
    if row["measured"] == row["expected"]:  # equal infinities have no difference
        used = 0.0
    else:
        overstep = row["measured"] - row["expected"]
        overstep = {"at most": overstep, "at least": -overstep}.get(row["relation"], abs(overstep))
        used = overstep / row["tolerance"] if row["tolerance"] else math.copysign(math.inf, overstep)
    return row["verdict"] == FAILING, math.inf if math.isnan(used) else used


def _number(value: float) -> str:
    """Six significant digits; ∞ where it is infinite, — where there is none."""
    return "—" if math.isnan(value) else f"{value:.6g}".replace("inf", "∞")


def _incomplete(replicas: pd.DataFrame) -> str:
    failed = replicas[replicas.status == "failed"].drop_duplicates("replica_id")
    if failed.empty:
        return ""
    reason = str(failed.error.iloc[0]).partition("\n")[0]
    return f"INCOMPLETE: {len(failed)} failed: {inert(reason)}"
