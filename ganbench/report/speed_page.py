"""What asv's figures add to the page: objectives at the newest commit, their timeline, and everything else measured."""

from __future__ import annotations

import pandas as pd

from ganbench.report import figures
from ganbench.report.board import Cell, Heading
from ganbench.report.figures import Figure, Trace
from ganbench.report.page.content import Part, Section, Shown
from ganbench.report.speed import TITLE, columns, numbers, per_iteration, sentences, speeds
from ganbench.report.wording import inert

UNITS = {"seconds": "s"}


def sections(asv: pd.DataFrame | None, results: pd.DataFrame) -> list[Section]:
    """The section of a table of `read_asv`; none where there is no table."""
    if asv is None:
        return []
    table = speeds(asv, results)
    shown = Part(TITLE, sentences(asv, table), board=_board(table) if len(table) else None)
    drawn = timeline(asv, set(results.objective))
    everything = {"title": "Everything that asv measured, the newest commit of each machine", "open": False}
    parts = [shown, *([Part(figures=[drawn])] if drawn else []), Part(blocks=[{**everything, "text": listed(asv)}])]
    return [Section("asv", "Speed over commits", [], parts)]


def _board(table: pd.DataFrame) -> Shown:
    keys = {heading: [min(1e300, v) for v in values.fillna(1e300)] for heading, values, _ in numbers(table)}
    shown = columns(table)
    cells = [[Cell(*pair) for pair in zip(c.cells, keys.get(c.heading, c.cells), strict=True)] for c in shown]
    rows = [(False, list(row)) for row in zip(*cells, strict=True)]
    return Shown([Heading(column.heading, "") for column in shown], rows, floors=False)


def timeline(asv: pd.DataFrame, shown: set[str]) -> Figure | None:
    """Milliseconds of every objective over commits, a line for each machine; those not `shown` at a click."""
    timed = per_iteration(asv)
    timed = timed[timed.quickest]
    if timed.empty:
        return None
    by = figures.looks(dict.fromkeys(timed.objective))
    machines = list(dict.fromkeys(timed.machine))
    at = {commit: f"{commit[:8]} {date:%Y-%m-%d}" for commit, date in zip(timed.commit, timed.date, strict=True)}
    data: list[Trace] = []
    for (objective, machine), rows in timed.groupby(["objective", "machine"], sort=False):
        line = {**by[str(objective)].line(), "dash": figures.DASHES[machines.index(str(machine)) % len(figures.DASHES)]}
        name = f"{figures.inert(str(objective))} · {figures.inert(str(machine))}"
        trace = figures.line_through(name, [at[c] for c in rows.commit], figures.rounded(rows.ms), line)
        trace |= {"mode": "lines+markers", "marker": {"symbol": by[str(objective)].symbol, "size": 8}}
        trace["text"] = [
            f"{code}, quartiles {low:.3g} to {high:.3g} ms"
            for code, low, high in zip(rows.code, rows.low, rows.high, strict=True)
        ]
        trace["hovertemplate"] = "%{x}: %{y} ms, %{text}<extra>%{fullData.name}</extra>"
        data.append({**trace, **({} if not shown or objective in shown else {"visible": "legendonly"})})
    return Figure(
        "asv-timeline",
        "Milliseconds per iteration and replica, over commits",
        "By asv, in the quicker of compiled and eager code; the commits of all machines in their order, with their day."
        " A click on a name shows or hides its line.",
        data,
        {
            "xaxis": {
                **figures.axis("commit"),
                "type": "category",
                "categoryorder": "array",
                "categoryarray": [*at.values()],
            },
            "yaxis": {**figures.axis("ms"), "rangemode": "tozero"},
            **figures.LEGEND,
        },
    )


def listed(asv: pd.DataFrame) -> str:
    """Every benchmark with its parameters and its newest value on each machine, as plain text."""
    told = [", ".join(f"{k} {v}" for k, v in parameters.items()) for parameters in asv.parameters]
    newest = asv.assign(told=told).groupby(["machine", "benchmark", "told"], sort=False).tail(1)
    lines: list[str] = []
    for (machine, benchmark), rows in newest.groupby(["machine", "benchmark"], sort=True):
        lines += ["", f"{benchmark} · {machine}"]
        for row in rows.to_dict("records"):
            lines.append(
                f"  {row['value']:<12.5g} {UNITS.get(row['unit'], row['unit']):<12} {row['commit'][:8]}  {row['told']}"
            )
    return "\n".join(map(inert, lines[1:]))
