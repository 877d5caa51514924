"""How numbers are written for people, and the sentences that say what a table means."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Any

import pandas as pd

ARROWS = {"lower": "↓", "higher": "↑"}

FLAGGED = "†"
"""Stands after a value that is shown and not ranked."""

CURRENCIES = {
    "gradient_steps": "gradient steps of both players together; each of the k discriminator steps is charged as one",
    "generator_steps": "generator steps; discriminator steps are not charged, however many k there are",
    "real_samples": "real samples; each step that sees them is charged its batch: each of the k discriminator steps,"
    " and the generator steps of cramer and vae",
    "seconds": "seconds, made iterations by a measured cost table; k discriminator steps are charged what they last",
    "iterations": "iterations; an iteration is charged as one, however many k discriminator steps it has",
}


def decimals(values: Iterable[float]) -> int:
    """Decimals that show two digits of a column's smallest value and three of its largest, five of that at most."""
    sizes = [abs(v) for v in values if math.isfinite(v) and v != 0]
    if all(float(v).is_integer() for v in sizes):
        return 0
    if all((2 * v).is_integer() for v in map(float, sizes)):
        return 1  # medians of counts
    smallest, largest = (math.floor(math.log10(size)) for size in (min(sizes), max(sizes)))
    # beside a value in the thousands no reader needs the digits of a small one
    return max(0, min(4 - largest, max(1 - smallest, 2 - largest)))


def number(value: float, places: int) -> str:
    """A number with thousands marks; ∞ where it is infinite, — where there is none."""
    if value is None or math.isnan(value):
        return "—"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:z,.{places}f}"  # z: an unbiased estimate just under zero is no "-0.00"


def inert(text: str) -> str:
    """A name on one line and without control characters, which could steer a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def inert_markdown(text: str) -> str:
    """Text that Markdown shows as it is: no column, no element and no emphasis can begin in it."""
    return "".join(f"\\{c}" if c in "\\|<>`*_[]&" else c for c in text)


def charging(currency: object) -> str:
    """A budget's currency, with how discriminator steps are charged in it."""
    return CURRENCIES.get(str(currency), inert(str(currency)))


def spends(results: pd.DataFrame) -> pd.Series[bool]:
    """Which rows are of replicas that train, and so spend a budget."""
    return ~results.baseline | (results.objective == "vae")


def budget_sentence(results: pd.DataFrame) -> str:
    """Which currency was held equal; how discriminator steps, the E-step of em and extrapolation were charged."""
    trained = results[spends(results)]
    budgets = trained[["budget_currency", "budget_amount"]].dropna().drop_duplicates()
    said = [f"{float(a):,.10g} {charging(currency)}" for currency, a in budgets.itertuples(index=False, name=None)]
    if not said:
        return "The files name no budget."
    # seconds are the clock's, which runs in an E-step too
    weighs = (trained.objective == "em").any() and (budgets.budget_currency != "seconds").any()
    free = " em: the forward passes of its E-steps take no gradient step and are not charged." if weighs else ""
    if (trained.optimiser == "extra-adam").any() and (budgets.budget_currency == "gradient_steps").any():
        free += " extra-adam: a step takes two gradients of its player and is charged as two."
    if len(said) > 1:
        return f"NOT held equal; the rows have different budgets: {'. '.join(said)}.{free}"
    return f"Held equal for every objective: {said[0]}.{free}"


def counted_notes(replicas: pd.DataFrame) -> str:
    """What the replicas of one cell note, the most frequent first, each with its number of seeds; "" for nothing."""
    counts = replicas.notes.dropna().value_counts()
    seeds = ["all seeds" if count == len(replicas) else f"{count} seed{'' if count == 1 else 's'}" for count in counts]
    return ". ".join(f"{inert(str(note))} ({n})" for note, n in zip(counts.index, seeds, strict=True))


def notes_sentences(ranked: pd.DataFrame) -> list[str]:
    """For each target what its replicas note: the components of a fitted mixture, a width that memory did not allow."""
    noted = ranked[ranked.notes != ""]
    return [
        f"{inert(str(target))}: {' '.join(f'{inert(str(row.label))}: {row.notes}.' for row in rows.itertuples())}"
        for target, rows in noted.groupby("target", sort=True)
    ]


def partition_sentence(final: pd.DataFrame) -> str:
    """What jsd_binned can see, where it was measured."""
    sizes = sorted(final[final.metric.str.startswith("jsd_binned", na=False)].n.unique())
    if not sizes:
        return ""
    cells = " or ".join(f"{n:,} / 5 = {n // 5:,}" for n in sizes)
    return (
        f"jsd_binned: a lower bound, on a partition of about n / 5 cells (here {cells}), at most 64 for each mode:"
        " it sees only part of a difference within a mode."
    )


def rule_sentences(ranked: pd.DataFrame) -> list[str]:
    """How rows are ranked, and what the other columns are."""
    narrow = " (*: too narrow, under 10 seeds)" if ranked.too_narrow.any() else ""
    rank_by = inert(str(ranked.rank_by.iloc[0]))
    return [
        f"Ranked by {rank_by}: interquartile mean over seeds ± half its 95% bootstrap interval{narrow}.",
        "A diverged replica counts as the worse of `trivial` and the worst completed one."
        " Other metrics: medians of completed replicas.",
        "floor: the metric on two true samples of the same size. Rows without a rank are baselines, for scale.",
    ]


def speed_sentence(results: pd.DataFrame) -> str:
    """Where the speeds were measured: device, precision, ensemble width and lift, threads, compiled or eager."""
    timed = results[results.iteration_s.notna()]
    settings = (
        timed[["device", "precision", "width", "lift", "threads", "compiled"]].drop_duplicates().to_dict("records")
    )
    # each once: older files do not say their lift, which was "vmap"
    places = "; ".join(filter(None, dict.fromkeys(map(_place, settings))))
    if not places:
        return ""
    return f"ms: per iteration and replica. Speeds leave out compilation, warm-up and evaluation ({places})."


def _place(setting: dict[Hashable, Any]) -> str:
    known = {key: value for key, value in setting.items() if pd.notna(value)}
    parts = [inert(str(known[key])) for key in ("device", "precision") if key in known]
    if "width" in known:
        together = "replicas, one after another" if known.get("lift") == "loop" else "replicas at once"
        parts.append(f"{known['width']:.0f} {together}")
    if "threads" in known:
        parts.append(f"{known['threads']:.0f} thread{'' if known['threads'] == 1 else 's'}")
    if "compiled" in known:
        parts.append("compiled" if known["compiled"] else "eager")
    return ", ".join(parts)


def incomplete_sentence(ranked: pd.DataFrame) -> str:
    """What is not there, or nothing."""
    parts = [f"{int(ranked[name].sum())} {name}" for name in ("failed", "missing") if ranked[name].sum()]
    if ranked.superseded.sum():
        parts.append(f"{int(ranked.superseded.sum())} set aside because a newer replica has the same cell and seed")
    return f"INCOMPLETE: {', '.join(parts)}." if parts else ""
