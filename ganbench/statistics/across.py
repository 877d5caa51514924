"""Many targets, and curves over time: mean ranks, performance profiles, cumulative incidence."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

FEWEST_TARGETS = 6
"""Targets under which mean ranks say too little to be compared."""


def mean_ranks(costs: Float[np.ndarray, "targets objectives"]) -> Float[np.ndarray, " objectives"]:
    """The mean over targets of each objective's rank, 1 the best; ties share their mean rank."""
    ahead = (costs[:, :, None] > costs[:, None, :]).sum(2) + (costs[:, :, None] >= costs[:, None, :]).sum(2)
    return ((ahead + 1) / 2).mean(axis=0)


def critical_difference(objectives: int, targets: int, level: float = 0.05) -> float:
    """The difference of mean ranks from which two objectives differ; NaN below `FEWEST_TARGETS` targets.

    Source: Demšar 2006, section 3.2.2, after Nemenyi 1963.
    """
    if targets < FEWEST_TARGETS or objectives < 2:
        return math.nan
    from scipy.stats import studentized_range  # it takes a second, which most reports need not wait

    q = studentized_range.ppf(1 - level, objectives, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(objectives * (objectives + 1) / (6 * targets)))


def performance_profile(scores: Float[np.ndarray, " n"], levels: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """The share of replicas, over all targets, whose normalised score is above each level; -inf is a diverged one.

    Source: Agarwal et al. 2021, arXiv 2108.13264, section 4.2.
    """
    return (np.asarray(scores)[:, None] > levels).mean(axis=0)


def cumulative_incidence(times: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """When shares of the replicas have reached their quality target: times and the share from each on.

    An infinite time is a replica that never does, diverged or not; it counts in the share all the same.
    """
    moments, counts = np.unique(times[np.isfinite(times)], return_counts=True)
    return moments, counts.cumsum() / max(1, len(times))
