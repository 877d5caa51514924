"""What a search tells: the place of each trial, the best to expect after k of them, how much each field matters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ganbench.fields import describe
from ganbench.report.wording import decimals, inert, number

NEAR = 0.1
"""A trial is near the best one where its score differs by at most this share of the best score."""


def scored(values: pd.DataFrame, direction: str) -> pd.DataFrame:
    """Scores and places of trials, from rows of label, target, trial, value (mean over seeds) and lost (seeds without).

    A trial that lost a seed to divergence or failure scores as the worst trial of its target that lost none, of any
    objective. `place` counts from 1 per label and target: fewer lost seeds first, then the better value.
    """
    sign = 1 if direction == "lower" else -1
    costs = (sign * values.value).fillna(math.inf)
    whole = values.lost == 0
    worst = costs[whole].groupby(values.target[whole]).max()
    scores = sign * costs.where(whole, values.target.map(worst).fillna(math.inf))
    keys = pd.Series(list(zip(values.lost, costs, strict=True)), index=values.index)
    groups = keys.groupby([values.label, values.target], sort=False)
    places = pd.concat([pd.Series([1 + sum(o < k for o in g) for k in g], index=g.index) for _, g in groups])
    return values.assign(score=scores, place=places.sort_index())


def winners(scores: pd.DataFrame) -> dict[str, int]:
    """Label -> the trial with the least sum of places over all targets; of equals the first."""
    sums = scores.groupby(["label", "trial"], sort=False).place.sum()
    return {str(label): int(sums[label].idxmin()) for label in scores.label.drop_duplicates()}


def expected_best(scores: Float[np.ndarray, " n"], k: int, direction: str = "lower") -> float:
    """The mean of the best score among k trials, drawn from these n with replacement.

    The best of k is the i-th best of n with probability ((n - i + 1) / n)^k - ((n - i) / n)^k. Drawn with replacement
    it is a little worse than what k new trials would give (Tang et al. 2020, arXiv:2004.13705). Infinite where any
    score is. Source: Dodge et al. 2019, arXiv:1909.03004.
    """
    best_first = np.sort(scores) if direction == "lower" else np.sort(scores)[::-1]
    if not np.isfinite(best_first).all():
        return float(best_first[-1])
    n = len(best_first)
    reaches = (np.arange(n, -1, -1) / n) ** k
    return float(best_first @ (reaches[:-1] - reaches[1:]))


def doublings(trials: int) -> list[int]:
    """1, 2, 4, ... and the number of trials itself."""
    return sorted({2**i for i in range(trials.bit_length())} | {trials})


def near_best(scores: Float[np.ndarray, " n"], direction: str = "lower") -> float:
    """Share of the trials whose score is within a tenth of the best one's, the best included."""
    best = scores.min() if direction == "lower" else scores.max()
    return float(np.mean(np.abs(scores - best) <= NEAR * abs(best))) if np.isfinite(best) else 0.0


def sensitivity(trials: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """One row per label, target and searched field, from rows of label, trial, field, space, value.

    `correlation` is Spearman's between the field's value and the trial's place: negative where larger is better, NaN
    for texts and constants. A best value inside the interval leaves it near 0, so `best` lists the values of the best
    quarter of the trials, ascending.
    """
    rows = []
    for (label, target), group in scores.groupby(["label", "target"], sort=False):
        places = group.set_index("trial").place
        best = places.nsmallest(max(1, len(places) // 4)).index
        for field, drawn in trials[trials.label == label].groupby("field", sort=False):
            values = drawn.set_index("trial").value
            chosen = values.loc[best].drop_duplicates().tolist()
            correlation = math.nan
            if all(isinstance(v, int | float) for v in values) and values.nunique() > 1 and places.nunique() > 1:
                correlation = float(values.astype(float).rank().corr(places.rank()))
            rows.append(
                {
                    "label": label,
                    "target": target,
                    "field": field,
                    "space": drawn.space.iloc[0],
                    "correlation": correlation,
                    "best": sorted(chosen, key=lambda v: (str(type(v)), v)),
                }
            )
    return pd.DataFrame(rows, columns=["label", "target", "field", "space", "correlation", "best"])


def to_markdown(
    sentences: Sequence[str],
    configurations: Mapping[str, Mapping[str, Any]],
    scores: pd.DataFrame,
    trials: pd.DataFrame,
    metric: str,
    direction: str,
) -> str:
    """The search as text: sentences, each objective's winner, the best to expect, the sensitivity to each field."""
    won = winners(scores)
    parts = ["\n".join(sentences)]
    cells = [
        [label, ", ".join(f"{k}={describe(v)}" for k, v in fields.items())] for label, fields in configurations.items()
    ]
    parts.append(_table(["objective", "winner"], cells))
    ks = doublings(scores.trial.nunique())
    places = decimals(scores.score)
    rows = []
    for (label, target), group in scores.groupby(["label", "target"], sort=False):
        values = group.score.to_numpy(dtype=float)
        best = group.set_index("trial").value[won[str(label)]]
        expected = [number(expected_best(values, k, direction), places) for k in ks]
        lost = f"{int((group.lost > 0).sum())}/{len(group)}"
        near = f"{near_best(values, direction):.0%}"
        rows.append([str(target), str(label), number(float(best), places), *expected, near, lost])
    heading = ["target", "objective", f"winner's {metric}", *(f"best of {k}" for k in ks), "within 10%", "lost a seed"]
    parts.append(_table(heading, sorted(rows, key=lambda row: row[0])))
    lines = [
        [row["target"], row["label"], row["field"], row["space"], _signed(row["correlation"]), _span(row["best"])]
        for row in sensitivity(trials, scores).to_dict("records")
    ]
    parts.append(_table(["target", "objective", "field", "searched", "rank correlation", "best quarter"], lines))
    return "\n\n".join(parts) + "\n"


def _signed(correlation: float) -> str:
    return "—" if math.isnan(correlation) else f"{correlation:+.2f}"


def _span(values: list[Any]) -> str:
    if len(values) > 1 and all(isinstance(v, float) for v in values):
        return f"{describe(values[0])} to {describe(values[-1])}"
    return ", ".join(describe(v) for v in values)


def _table(heading: list[str], rows: list[list[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(inert(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
