"""The speed of objectives at the newest commit that asv has timed, joined with their quality: one row per machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganbench.report.columns import ALWAYS, Column
from ganbench.report.finals import IMAGE_METRICS
from ganbench.report.ranking import latest
from ganbench.report.tables import fitting
from ganbench.report.wording import decimals, inert, inert_markdown, number

TRAINING = {
    "eager": "iteration.EveryObjective.time_training",
    "compiled": "iteration.FamiliesCompiled.time_training",
}
"""How code is executed -> the benchmark that times objectives so, in seconds for some iterations of all replicas."""

QUALITY, START = "quality.AfterTraining.track_w1", "quality.track_w1_before_training"

TITLE = "Speed by airspeed velocity, the newest commit of each machine"
TO_TARGET = "s to target, "


def per_iteration(asv: pd.DataFrame) -> pd.DataFrame:
    """The rows of `read_asv` that time objectives, with `objective`, `code`, and times in ms per iteration and replica.

    Of an objective that one machine timed in both ways at one commit, the quicker way is marked by `quickest`.
    """
    codes = {benchmark: code for code, benchmark in TRAINING.items()}
    found = asv[asv.benchmark.isin(codes)]
    kept = [p for p in found.parameters if {"objective", "replicas", "iterations"} <= p.keys()]
    if len(kept) < len(found) or found.empty:
        found, kept = found.iloc[:0], []
    shares = np.array([1e3 / (_whole(p, "replicas") * _whole(p, "iterations")) for p in kept])
    timed = found.assign(
        objective=[p["objective"] for p in kept],
        code=found.benchmark.map(codes),
        ms=found.value * shares,
        low=found.low * shares,
        high=found.high * shares,
    )
    best = timed.groupby(["machine", "commit", "objective"]).ms.transform("min")
    return timed.assign(quickest=timed.ms == best)


def _whole(parameters: Mapping[str, str], name: str) -> int:
    text = parameters[name]
    return int(text) if text.isdecimal() and int(text) else 1


def speeds(asv: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """One row per machine and objective, of the newest commit that has it, quickest first.

    Columns: machine, objective, commit, date, ms_compiled, ms_eager, w1, iterations (the budget of w1), quality_per_s,
    and for each target of the stored results with a quality target "s to target, <suite> · <target>".
    """
    timed, reached = per_iteration(asv), _reached(results)
    rows = []
    for (machine, objective), own in timed.groupby(["machine", "objective"], sort=True):
        newest = own[own.commit == own.commit.iloc[-1]]  # the rows are in the order of the commits
        ms = {f"ms_{code}": _only(newest[newest.code == code].ms) for code in TRAINING}
        iteration_s = float(newest.ms.min()) / 1e3
        at = {"commit": newest.commit.iloc[0], "date": newest.date.iloc[0]}
        row = {"machine": machine, "objective": objective, **at, **ms}
        there = asv[(asv.machine == machine) & (asv.commit == at["commit"])]
        row |= _quality(there, str(objective), iteration_s)
        row |= _to_target(reached, str(objective), newest.parameters.iloc[0], iteration_s)
        rows.append({**row, "quickest_s": iteration_s})
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows).sort_values(["machine", "quickest_s"], ignore_index=True)
    return table.drop(columns="quickest_s")


def _only(values: pd.Series) -> float:
    return float(values.iloc[-1]) if len(values) else math.nan


def _quality(asv: pd.DataFrame, objective: str, iteration_s: float) -> dict[str, float]:
    """W1 after asv's budget, the budget, and how much of the untrained generator's W1 a second takes off.

    From the timings of one commit: its speed beside another's quality would hide that it is faster and worse.
    """
    tracked = asv[asv.benchmark == QUALITY]
    own = tracked[[p.get("objective") == objective for p in tracked.parameters]]
    start = asv[asv.benchmark == START]
    if own.empty:
        return {"w1": math.nan, "iterations": math.nan, "quality_per_s": math.nan}
    w1, iterations = float(own.value.iloc[-1]), _whole({"iterations": "1", **own.parameters.iloc[-1]}, "iterations")
    gained = _only(start.value) - w1
    return {"w1": w1, "iterations": iterations, "quality_per_s": gained / (iterations * iteration_s)}


def _reached(results: pd.DataFrame) -> pd.DataFrame:
    """One row per suite, target and cell with a quality target: the median iteration at which its replicas reached it.

    Beside it what one of its iterations takes, of gradient steps and of real samples. Images are left out: asv times
    points in the plane.
    """
    images = results[results.metric.isin(IMAGE_METRICS)]
    found = latest(results[results.metric == "reached_iteration"])
    found = found[~found.target.isin(images.target.unique())]
    found = found.assign(steps=found.gradient_steps / found.iteration, samples=found.real_samples / found.iteration)
    cells = found.groupby(["suite", "target", "objective", "cell_id"], as_index=False)
    return cells.agg(median=("value", "median"), steps=("steps", "max"), samples=("samples", "max"))


def _to_target(reached: pd.DataFrame, objective: str, timed: Mapping[str, str], iteration_s: float) -> dict[str, float]:
    """Seconds to each target's quality at asv's speed: of an objective's cells the one that is there first counts.

    NaN where an iteration of its stored replicas is none that asv times: it takes other steps, or another batch.
    """
    batch = _whole({"batch": "0", **timed}, "batch")
    # one step of each player; a generator's step may see real samples as well
    alike = reached[(reached.steps <= 2) & reached.samples.isin([batch, 2 * batch])]
    found = {}
    for suite, target in dict.fromkeys(zip(reached.suite, reached.target, strict=True)):
        own = alike[(alike.suite == suite) & (alike.target == target) & (alike.objective == objective)]
        found[f"{TO_TARGET}{suite} · {target}"] = float(own["median"].min()) * iteration_s
    return found


def sentences(asv: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """What the columns mean."""
    timed = per_iteration(asv).parameters.iloc[-1] if len(table) else {}
    size = ", ".join(f"{inert(k)} {inert(v)}" for k, v in timed.items() if k not in ("objective", "code", "iterations"))
    if table.empty:
        return ["asv has timed no objective yet; make bench does."]
    said = [f"ms: of one iteration, a step of each player, per replica; the median of asv's samples ({size})."]
    if table.w1.notna().any():
        budget = f"{table.iterations.dropna().iloc[0]:,.0f}"
        said.append(
            f"w1 after {budget}: by asv, on ring8 after {budget} iterations, interquartile mean over seeds, in data"
            " units. quality/s: the w1 of the untrained generators less that one, over the seconds of these iterations"
            " at the quicker ms, in data units per second."
        )
    if any(str(name).startswith(TO_TARGET) for name in table):
        said.append(
            f"{TO_TARGET}…: the median iteration at which the stored replicas of the objective reached the suite's"
            " quality target, times the quicker ms; ∞ where half of them never did, — where none are stored or one of"
            " their iterations is another than asv times."
        )
    return said


def numbers(table: pd.DataFrame) -> list[tuple[str, pd.Series, int]]:
    """Heading, values and importance of each column of numbers that has any."""
    budget = table.iterations.dropna()
    after = f"w1 after {budget.iloc[0]:,.0f}" if len(budget) else "w1"
    found = [("ms compiled", table.ms_compiled, 2), ("ms eager", table.ms_eager, 4), (after, table.w1, 6)]
    found += [("quality/s", table.quality_per_s, 5)]
    found += [(inert(str(name)), table[name], 3) for name in table if str(name).startswith(TO_TARGET)]
    return [each for each in found if each[1].notna().any()]


def columns(table: pd.DataFrame) -> list[Column]:
    """All columns in the order in which they are read, machine and objective first, then the commit."""
    commits = [f"{commit[:8]} {date:%Y-%m-%d}" for commit, date in zip(table.commit, table.date, strict=True)]
    return [
        *(Column(name, [inert(str(v)) for v in table[name]], ALWAYS) for name in ("machine", "objective")),
        Column("commit", commits, 7),
        *(Column(name, [number(v, decimals(vs)) for v in vs], importance) for name, vs, importance in numbers(table)),
    ]


def print_speeds(asv: pd.DataFrame, results: pd.DataFrame, console: Console) -> None:
    """Prints the table, as many columns as fit, and what it means."""
    table = speeds(asv, results)
    console.print()
    console.print(Text(TITLE, style="bold"))
    if len(table):
        drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
        shown = fitting(columns(table), console.width)
        for column in shown:
            words = column.importance == ALWAYS
            drawn.add_column(Text("\n".join(column.lines)), justify="left" if words else "right", overflow="fold")
        for row in zip(*(column.cells for column in shown), strict=True):
            drawn.add_row(*map(Text, row))
        console.print()
        console.print(drawn)
    for sentence in sentences(asv, table):
        console.print(Text(sentence, style="dim"))


def speeds_markdown(asv: pd.DataFrame, results: pd.DataFrame) -> str:
    """The table and what it means in GitHub's Markdown."""
    table = speeds(asv, results)
    parts = [f"\n## {TITLE}\n"]
    if len(table):
        found = columns(table)
        lines: list[Sequence[str]] = [[column.heading for column in found], ["---"] * len(found)]
        lines += zip(*(column.cells for column in found), strict=True)
        parts.append("\n".join(f"| {' | '.join(map(inert_markdown, line))} |" for line in lines) + "\n")
    return "\n".join([*parts, *(f"- {inert_markdown(sentence)}" for sentence in sentences(asv, table)), ""])
