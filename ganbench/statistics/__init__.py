"""Honest statistics over seeds, without torch: estimates with intervals, comparisons with fixed words, many targets."""

from ganbench.statistics.across import (
    FEWEST_TARGETS,
    critical_difference,
    cumulative_incidence,
    mean_ranks,
    performance_profile,
)
from ganbench.statistics.comparison import (
    MANY,
    Comparison,
    compare,
    families,
    improvement,
    paired_difference,
    seeds_to_decide,
)
from ganbench.statistics.estimates import (
    FEWEST_FOR_INFERENCE,
    NARROW_BELOW,
    bootstrap_interval,
    clopper_pearson,
    interquartile_mean,
)

__all__ = [
    "FEWEST_FOR_INFERENCE",
    "FEWEST_TARGETS",
    "MANY",
    "NARROW_BELOW",
    "Comparison",
    "bootstrap_interval",
    "clopper_pearson",
    "compare",
    "critical_difference",
    "cumulative_incidence",
    "families",
    "improvement",
    "interquartile_mean",
    "mean_ranks",
    "paired_difference",
    "performance_profile",
    "seeds_to_decide",
]
