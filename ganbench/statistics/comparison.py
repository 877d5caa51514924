"""Two objectives compared over their seeds: probability of improvement, its test, and the words for what it says.

Everything is in costs: smaller is better, and a diverged replica costs infinitely much, so that it stands below every
completed one and ties with every other diverged one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri, stdtr

from ganbench.statistics.estimates import FEWEST_FOR_INFERENCE, pieces

LEVEL = 0.05
POWER = 0.8
MUCH = 0.75
"""Probability of improvement from which "better" becomes "much better"."""
EQUIVALENT = (0.4, 0.6)
"""The 90% interval of a probability of improvement lies inside for "equivalent"."""
PERMUTATIONS = 10_000
MANY = 100
"""Seeds of each from which the permutation test is its limit to two digits of p, and 2,000 resamples suffice."""
FEWEST_PAIRS = 6
"""Pairs under which no arrangement of signs has a two-sided p-value below .05."""


@dataclass(frozen=True)
class Comparison:
    """What the seeds of an objective say against those of another; smaller costs are better.

    `probability` is P(cost < other) + P(cost = other) / 2, with its 95% interval and, for equivalence, its 90% one.
    `p` is two-sided by permutation, `adjusted` by Holm within its family; `paired_p` and `paired_adjusted` are those
    of the sign-flip test on the costs of shared seeds, `paired` their median difference. NaN where too few seeds
    allow no inference.
    """

    n: int
    other_n: int
    probability: float
    low: float
    high: float
    low90: float
    high90: float
    p: float
    adjusted: float
    pairs: int
    paired: float
    paired_p: float
    paired_adjusted: float

    @property
    def word(self) -> str:
        """ "better", "much better", "worse", "much worse", "equivalent", "undecided", or "too few seeds"."""
        if math.isnan(self.p):
            return "too few seeds"
        if self.adjusted < LEVEL and self.low > 0.5:
            return "much better" if self.probability >= MUCH else "better"
        if self.adjusted < LEVEL and self.high < 0.5:
            return "much worse" if self.probability <= 1 - MUCH else "worse"
        if EQUIVALENT[0] <= self.low90 and self.high90 <= EQUIVALENT[1]:
            return "equivalent"
        return "undecided"

    @property
    def seeds_to_decide(self) -> float:
        """Seeds of each that would show a difference of the estimated size four times of five; infinite for none."""
        return seeds_to_decide(self.probability)

    @property
    def pairing_differs(self) -> bool:
        """Whether the test on shared seeds would have decided otherwise."""
        if math.isnan(self.paired_adjusted) or math.isnan(self.adjusted):
            return False
        return (self.paired_adjusted < LEVEL) != (self.adjusted < LEVEL)


def compare(costs: Mapping[int, float], other: Mapping[int, float], resamples: int = 10_000) -> Comparison:
    """An objective against another: seed -> cost of each, infinite where diverged; both have a seed at least.

    A family of one: `families` adjusts several. Intervals are percentiles of a bootstrap stratified by objective; where
    each has `MANY` seeds, of a fifth of the resamples, and the permutation test is taken in its limit.
    """
    a, b = (np.array([costs_of[seed] for seed in sorted(costs_of)]) for costs_of in (costs, other))
    fewest = min(len(a), len(b))
    enough, many = fewest >= FEWEST_FOR_INFERENCE, fewest >= MANY
    drawn = _resampled(a, b, resamples // 5 if many else resamples) if enough else np.full(1, math.nan)
    low, low90, high90, high = np.quantile(drawn, [0.025, 0.05, 0.95, 0.975])
    p = (limit_p(_wins(a, b)) if many else permutation_p(a, b)) if enough else math.nan
    pairs, median, paired_p = paired_difference(costs, other)
    return Comparison(
        len(a), len(b), improvement(a, b), low, high, low90, high90, p, p, pairs, median, paired_p, paired_p
    )


def improvement(costs: Float[np.ndarray, " n"], other: Float[np.ndarray, " m"]) -> float:
    """P(cost < other) + P(cost = other) / 2 over all pairs of seeds; ties, two diverged replicas say, count half."""
    return float(_wins(costs, other).mean())


def _wins(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]) -> Float[np.ndarray, "n m"]:
    return (a[:, None] < b) + 0.5 * (a[:, None] == b)


def _resampled(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"], resamples: int) -> Float[np.ndarray, " k"]:
    """The improvement of each pair of resamples, by running sums over the sorted costs; sums of halves, so exact."""
    n, m = len(a), len(b)
    order = np.argsort(a)
    less, at_most = (np.searchsorted(a, b, side, sorter=order) for side in ("left", "right"))
    found = []
    for counts, places in _draws(n, m, resamples):
        drawn = np.zeros((len(counts), n + 1), dtype=np.int64)
        np.cumsum(counts.take(order, axis=1), axis=1, out=drawn[:, 1:])
        # for each seed of b, how many of the drawn ones of a cost less and how many at most as much
        twice = drawn.take(less, axis=1) + drawn.take(at_most, axis=1)
        found.append(twice.ravel().take(places).sum(1))
    return np.concatenate(found) / (2 * n * m)


@lru_cache(maxsize=2)
def _draws(n: int, m: int, resamples: int) -> list[tuple[Int[np.ndarray, "k n"], Int[np.ndarray, "k m"]]]:
    """Resamples of n and of m seeds, in pieces: how often each of n is drawn, and places in rows of m.

    The same for all pairs of groups of these sizes, as divisions of a permutation test are.
    """
    rng = np.random.default_rng([n, m, resamples])
    found = []
    for some in pieces(resamples, max(n, m)):
        rows = np.arange(some)[:, None]
        drawn, places = (rng.integers(0, size, (some, size)) + size * rows for size in (n, m))
        found.append((np.bincount(drawn.ravel(), minlength=some * n).reshape(some, n), places))
    return found


def permutation_p(costs: Float[np.ndarray, " n"], other: Float[np.ndarray, " m"]) -> float:
    """Two-sided p-value of the studentised permutation test on the probability of improvement; ties are kept.

    Over all divisions of the pooled seeds where there are at most `PERMUTATIONS` of them, else over as many keyed ones
    and the one observed. Source: Brunner and Munzel 2000; Neubert and Brunner 2007, section 3.
    """
    pooled = np.concatenate([costs, other])
    divisions = _divisions(len(costs), len(other))
    wins, ends = _wins(pooled, pooled), np.cumsum(pieces(*divisions.shape))[:-1]
    statistic = np.concatenate([_studentised(wins, some) for some in np.split(divisions, ends)])
    extreme = np.abs(statistic) >= abs(statistic[0]) * (1 - 1e-9)
    return float(extreme.mean())


def limit_p(wins: Float[np.ndarray, "n m"]) -> float:
    """What `permutation_p` comes to for many seeds: the two-sided p-value by Student's t, from each pair's win.

    Source: Brunner and Munzel 2000, with their degrees of freedom after Satterthwaite.
    """
    n, m = wins.shape
    of_rows, of_columns = wins.mean(1).var(ddof=1) / n, wins.mean(0).var(ddof=1) / m
    shift, variance = float(wins.mean()) - 0.5, of_rows + of_columns
    if variance < 1e-24:  # the groups do not overlap, or all is equal
        return 0.0 if abs(shift) > 1e-12 else 1.0
    freedom = variance**2 / (of_rows**2 / (n - 1) + of_columns**2 / (m - 1))
    return float(2 * stdtr(freedom, -abs(shift) / math.sqrt(variance)))


@lru_cache(maxsize=16)
def _divisions(n: int, m: int) -> Bool[np.ndarray, "k n+m"]:
    """Which of the pooled seeds belong to the first group, division by division; the observed one first."""
    count = math.comb(n + m, n)
    if count <= PERMUTATIONS:
        found = np.zeros((count, n + m), dtype=bool)
        for division, members in zip(found, combinations(range(n + m), n), strict=True):
            division[list(members)] = True
        return found
    rng = np.random.default_rng([n, m])
    order = np.argsort(rng.random((PERMUTATIONS, n + m)), axis=1)
    found = order < n
    found[0] = np.arange(n + m) < n
    return found


def _studentised(wins: Float[np.ndarray, "N N"], first: Bool[np.ndarray, "k N"]) -> Float[np.ndarray, " k"]:
    """Brunner and Munzel's statistic of each division; infinite where the groups do not overlap."""
    a = first.astype(np.float64)
    n, m = a[0].sum(), len(wins) - a[0].sum()
    # placements: how many of the first group each seed costs less than, and how many of the second. Their sums over a
    # group are sums of halves and quarters, so exact in any order. A seed of the first group ties with itself
    of_all = wins.sum(1)
    among_first = a @ wins.T
    own = a * among_first  # those of the first group alone
    own_sum, own_cross = (own @ np.stack([np.ones(len(wins)), of_all], 1)).T
    own_squares, squares = (np.einsum("kN,kN->k", one, among_first) for one in (own, among_first))
    all_a, all_squares_a, all_first = (a @ np.stack([of_all, of_all**2, wins.sum(0)], 1)).T
    total_a, total_b = all_a - own_sum, all_first - own_sum
    spread_a = (all_squares_a - 2 * own_cross + own_squares - total_a**2 / n) / (m**2 * (n - 1))
    spread_b = (squares - own_squares - total_b**2 / m) / (n**2 * (m - 1))
    p, error = total_a / (n * m), np.sqrt(np.maximum(spread_a / n + spread_b / m, 0))
    shift = np.where(np.abs(p - 0.5) < 1e-12, 0.0, p - 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(shift == 0, 0.0, shift / np.where(error < 1e-12, 0.0, error))


def paired_difference(costs: Mapping[int, float], other: Mapping[int, float]) -> tuple[int, float, float]:
    """Shared seeds, the median of their differences, and the two-sided p-value of flipping their signs' ranks.

    A replica that diverged beside one that did not is the largest difference; two that did are a difference of 0. The
    p-value is NaN below `FEWEST_PAIRS` pairs, which could not decide. Source: Wilcoxon 1945; zeros as Pratt 1959.
    """
    shared = sorted(costs.keys() & other.keys())
    if not shared:
        return 0, math.nan, math.nan
    a, b = (np.array([costs_of[seed] for seed in shared]) for costs_of in (costs, other))
    with np.errstate(invalid="ignore"):
        differences = np.where(a == b, 0.0, a - b)
    if len(shared) < FEWEST_PAIRS:
        return len(shared), _median(differences), math.nan
    sizes = np.abs(differences)
    ranks = ((sizes[:, None] > sizes).sum(1) + (sizes[:, None] >= sizes).sum(1) + 1) / 2 * (differences != 0)
    sums = _signs(len(shared)) @ ranks
    observed = float(np.sign(differences) @ ranks)
    return len(shared), _median(differences), float((np.abs(sums) >= abs(observed) - 1e-9).mean())


def _median(differences: Float[np.ndarray, " n"]) -> float:
    with np.errstate(invalid="ignore"):  # between -inf and inf there is no middle
        return float(np.median(differences))


@lru_cache(maxsize=16)
def _signs(n: int) -> Float[np.ndarray, "k n"]:
    """All assignments of signs to n differences, or as many keyed ones, that of no flip among them."""
    if 2**n <= PERMUTATIONS:
        return 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1
    signs = np.random.default_rng(n).choice([-1.0, 1.0], (PERMUTATIONS, n))
    signs[0] = 1
    return signs


def families(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of one family, one metric on one target, with p-values adjusted after Holm 1979."""
    adjusted = holm([c.p for c in comparisons])
    paired = holm([c.paired_p for c in comparisons])
    return [replace(c, adjusted=a, paired_adjusted=b) for c, a, b in zip(comparisons, adjusted, paired, strict=True)]


def holm(values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given; a NaN is no member of the family and stays."""
    members = sorted((p, i) for i, p in enumerate(values) if not math.isnan(p))
    adjusted, most = list(values), 0.0
    for rank, (p, i) in enumerate(members):
        most = max(most, min(1.0, (len(members) - rank) * p))
        adjusted[i] = most
    return adjusted


def seeds_to_decide(probability: float, level: float = LEVEL, power: float = POWER) -> float:
    """Seeds of each of two objectives that show a probability of improvement with a power; infinite at one half.

    Source: Noether 1987, equation 2.3.
    """
    if probability == 0.5 or math.isnan(probability):
        return math.inf
    z = ndtri(1 - level / 2) + ndtri(power)
    return math.ceil(z**2 / (6 * (probability - 0.5) ** 2))
