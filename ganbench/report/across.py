"""What all targets of a suite say together: normalised scores, mean ranks and their critical difference."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from jaxtyping import Float

from ganbench.report.ranking import latest
from ganbench.report.verdicts import seed_costs
from ganbench.statistics import FEWEST_TARGETS, critical_difference, mean_ranks


def normalised_scores(results: pd.DataFrame, ranked: pd.DataFrame) -> dict[str, Float[np.ndarray, " n"]]:
    """Label -> scores of its replicas over all targets that have a `trivial` baseline and a floor.

    0 is trivial's value, 1 the floor; a diverged replica scores -inf.
    """
    found: dict[str, list[float]] = {}
    for target, rows in ranked.groupby("target", sort=True):
        trivial = rows[rows.objective == "trivial"].value
        floor = rows.floor.median()
        if trivial.empty or not np.isfinite([trivial.iloc[0], floor]).all() or trivial.iloc[0] == floor:
            continue
        costs = seed_costs(latest(results[results.target == target]), str(rows.rank_by.iloc[0]))
        # costs turn the metric where more is better, and so does the scale
        sign = 1.0 if trivial.iloc[0] > floor else -1.0
        zero, one = sign * float(trivial.iloc[0]), sign * float(floor)
        for cell, label in zip(rows.cell_id, rows.label, strict=True):
            if not rows.baseline[rows.cell_id == cell].iloc[0]:
                found.setdefault(label, []).extend((zero - cost) / (zero - one) for cost in costs[cell].values())
    return {label: np.array(scores) for label, scores in found.items()}


def ranks_sentence(ranked: pd.DataFrame) -> str:
    """Mean ranks over targets with their critical difference, or why there is none."""
    own = ranked[~ranked.baseline]
    costs = own.pivot_table(index="target", columns="label", values="rank", aggfunc="first").dropna(axis=1)
    if len(costs) < 2 or costs.shape[1] < 2:
        return ""
    means = sorted(zip(mean_ranks(costs.to_numpy(float)), costs.columns, strict=True))
    told = f"Mean ranks over {len(costs)} targets: {', '.join(f'{label} {mean:.1f}' for mean, label in means)}."
    limit = critical_difference(len(means), len(costs))
    if math.isnan(limit):
        return f"{told} Too few targets to compare them: {FEWEST_TARGETS} are needed."
    return f"{told} Two that differ by {limit:.2f} or more differ at the 5% level (Nemenyi)."
