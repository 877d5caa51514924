"""The floor of a metric: what a perfect generator would score with as many samples."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ganbench import streams
from ganbench.metrics.contract import Metric
from ganbench.targets.contract import Target

PAIRS, PAIRS_OF_MANY = 16, 4
MANY = 2000
"""Samples from which on fewer pairs tell as much: a metric's noise falls with their number."""


@lru_cache(maxsize=4096)
def floor(metric: Metric, target: Target, n: int, pairs: int | None = None) -> float:
    """Mean of a metric over pairs of independent sets of n true samples, or its known floor; the same on every machine.

    A finite set gives its players' half against its held-out half, without repetition. Cached per process. Raises
    ValueError where the metric is inapplicable or n too large.
    """
    if metric.known_floor is not None and metric.inapplicable(target) is None:
        return metric.known_floor
    count = pairs_of(target, n) if pairs is None else pairs
    return float(np.mean([metric.measure(*true_pair(target, n, pair), target) for pair in range(count)]))


def pairs_of(target: Target, n: int) -> int:
    """Pairs of sets that a floor is a mean over."""
    if n == target.reference_limit:
        return 1  # the two halves as a whole: every further pair would be the same one
    return PAIRS if n < MANY else PAIRS_OF_MANY


def true_pair(target: Target, n: int, pair: int) -> tuple[np.ndarray, np.ndarray]:
    """n samples of the oracle and n of the reference, independent of each other, float64."""
    oracle = target.oracle(streams.generator(pair, "floor.oracle"), n)
    return oracle, target.reference(streams.generator(pair, "floor.reference"), n)
