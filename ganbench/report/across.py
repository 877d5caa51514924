"""What all targets say together: normalised scores with their profile, mean ranks with their critical difference."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from ganbench.report.figures import LEGEND, Figure, Look, Trace, axis, inert, line_through
from ganbench.report.ranking import latest
from ganbench.report.verdicts import seed_costs
from ganbench.statistics import FEWEST_TARGETS, critical_difference, mean_ranks, performance_profile


def normalised_scores(results: pd.DataFrame, ranked: pd.DataFrame) -> dict[str, Float[np.ndarray, " n"]]:
    """Label -> scores of its replicas over all targets that have a `trivial` baseline and a floor.

    0 is trivial's value, 1 the floor; a diverged replica scores -inf.
    """
    found: dict[str, list[float]] = {}
    for (suite, target), rows in ranked.groupby(["suite", "target"], sort=True):
        trivial = rows[rows.objective == "trivial"].value
        floor = rows.floor.median()
        if trivial.empty or not np.isfinite([trivial.iloc[0], floor]).all() or trivial.iloc[0] == floor:
            continue
        own = results[(results.suite == suite) & (results.target == target)]
        costs = seed_costs(latest(own), str(rows.rank_by.iloc[0]))
        # costs turn the metric where more is better, and so does the scale
        sign = 1.0 if trivial.iloc[0] > floor else -1.0
        zero, one = sign * float(trivial.iloc[0]), sign * float(floor)
        for cell, label in zip(rows.cell_id, rows.label, strict=True):
            if not rows.baseline[rows.cell_id == cell].iloc[0]:
                found.setdefault(label, []).extend((zero - cost) / (zero - one) for cost in costs[cell].values())
    return {label: np.array(scores) for label, scores in found.items()}


def profile(scores: Mapping[str, Float[np.ndarray, " n"]], by: Mapping[str, Look]) -> Figure | None:
    """The share of replicas over all targets above each normalised score: 0 is `trivial`, 1 the floor."""
    scores = {label: values for label, values in scores.items() if len(values) and label in by}
    if not scores:
        return None
    levels = np.round(np.linspace(-0.5, 1.1, 81), 3)
    data = [
        line_through(
            inert(label), levels.tolist(), performance_profile(values, levels).round(4).tolist(), by[label].line(2)
        )
        for label, values in scores.items()
    ]
    return Figure(
        "profile",
        "Performance profile over all targets",
        "Share of replicas whose score is above a level. A score of 0 is that of `trivial`, 1 that of true samples.",
        data,
        {"xaxis": axis("normalised score"), "yaxis": {**axis("share of replicas"), "range": [-0.03, 1.03]}, **LEGEND},
    )


def means_of_ranks(ranked: pd.DataFrame) -> tuple[int, dict[str, float], list[str]]:
    """Targets, label -> mean of its ranks over them, the best first, and the labels that some target does not rank."""
    own = ranked[~ranked.baseline]
    ranks = own.pivot_table(index=["suite", "target"], columns="label", values="rank", aggfunc="first", dropna=False)
    ranks = ranks.dropna(how="all").reindex(columns=own.label.unique()).astype(float)
    everywhere = ranks.dropna(axis=1)
    if not everywhere.size:
        return len(ranks), {}, []
    means = dict(sorted(zip(everywhere.columns, mean_ranks(everywhere.to_numpy()), strict=True), key=lambda m: m[1]))
    return len(ranks), means, sorted(set(ranks.columns) - set(everywhere.columns))


def ranks_sentence(ranked: pd.DataFrame) -> str:
    """Mean ranks over targets with their critical difference, or why there is none."""
    targets, means, absent = means_of_ranks(ranked)
    if targets < 2 or len(means) < 2:
        return ""
    told = f"Mean ranks over {targets} targets: {', '.join(f'{label} {mean:.1f}' for label, mean in means.items())}."
    if absent:
        told += f" Without those that some target does not rank: {', '.join(absent)}."
    limit = critical_difference(len(means), targets)
    if math.isnan(limit):
        return f"{told} Too few targets to compare them: {FEWEST_TARGETS} are needed."
    return f"{told} Two that differ by {limit:.2f} or more differ at the 5% level (Nemenyi)."


def critical_differences(ranked: pd.DataFrame, by: Mapping[str, Look]) -> Figure | None:
    """Mean ranks with whiskers of half the critical difference; None where targets are too few to compare them."""
    targets, means, _ = means_of_ranks(ranked)
    limit = critical_difference(len(means), targets)
    if math.isnan(limit):
        return None
    data: list[Trace] = []
    for label, mean in means.items():
        look, name = by[label], inert(label)
        ends: list[float] = [round(mean - limit / 2, 3), round(mean + limit / 2, 3)]
        whisker = line_through(name, ends, [name, name], {"color": look.colour, "width": 3})
        point: Trace = {"type": "scatter", "mode": "markers", "name": name, "x": [round(mean, 3)], "y": [name]}
        point["marker"] = {"symbol": look.symbol, "size": 11, "color": look.colour}
        data += [whisker | {"showlegend": False, "hoverinfo": "skip"}, point | {"showlegend": False}]
    return Figure(
        "ranks",
        "Mean ranks over all targets",
        f"Two whose whiskers do not overlap differ at the 5% level: each has half of the critical difference of"
        f" {limit:.2f} on either side (Nemenyi).",
        data,
        {
            **{"xaxis": axis("mean rank, 1 is the best"), "height": 130 + 34 * len(means)},
            "yaxis": {"autorange": "reversed", "automargin": True},
        },
    )
