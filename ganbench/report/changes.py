"""What changed between two folders of results, in words: a page of Markdown."""

from __future__ import annotations

import math

from ganbench.report.comparing import Change, Changes
from ganbench.report.wording import decimals, inert, inert_markdown, number


def changes_to_markdown(found: Changes) -> str:
    """What changed, what has no partner and what was not made alike, as a page of GitHub's Markdown."""
    lines = [f"## {inert_markdown(str(found.before))} → {inert_markdown(str(found.after))}", ""]
    lines += [f"**{inert_markdown(sentence)}**\n" for sentence in found.incomplete]
    headings = "target | objective | metric | before | after | difference (95%) | shared seeds: median | diverged"
    if found.changes:
        lines += [f"| {headings} | after is |", f"|{' --- |' * 9}"]
        lines += [f"| {' | '.join(inert_markdown(cell) for cell in _cells(change))} |" for change in found.changes]
        lines += ["", *_legend(found)]
    else:
        lines += ["No cell of one folder is in the other, so nothing was compared."]
    for heading, items in (("Without a partner", found.unmatched), ("Not made alike", found.environments)):
        if items:
            lines += ["", f"### {heading}", "", *(f"- {inert_markdown(item)}" for item in items)]
    return "\n".join(lines) + "\n"


def _cells(change: Change) -> list[str]:
    compared = change.comparison
    places = decimals([change.before, change.after])
    fine = min(places + 1, 6)
    interval = f" ({number(change.low, fine)} to {number(change.high, fine)})" if math.isfinite(change.low) else ""
    pairs = f"{compared.pairs}: {number(change.paired, fine)}" if compared.pairs else "0"
    if compared.pairs and change.same == compared.pairs:
        pairs = f"{compared.pairs}: all equal"
    elif compared.pairing_differs:
        pairs += " ‡"
    return [
        *(inert(text) for text in (change.target, change.label, change.metric)),
        f"{number(change.before, places)} (n = {compared.other_n})",
        f"{number(change.after, places)} (n = {compared.n})",
        f"{number(change.difference, fine)}{interval}",
        pairs,
        f"{change.diverged[0]} → {change.diverged[1]}",
        change.word,
    ]


def _legend(found: Changes) -> list[str]:
    said = [
        "- before, after: interquartile means over seeds; a diverged replica counts as the worst completed one of"
        " either folder on its target. The interval is a bootstrap's, stratified by folder.",
        "- after is: better or worse where the probability of improvement differs from one half at p < .05, adjusted"
        " after Holm over one metric on one target (baselines apart); much, where it is .75 or more; equivalent, where"
        " its 90% interval lies in \\[.4, .6\\]; else undecided.",
    ]
    if any(change.comparison.pairing_differs for change in found.changes):
        said.append("- ‡: a test on the shared seeds' differences would have decided otherwise.")
    return said
