"""What the statistics promise, over thousands of simulated studies of 20 seeds: error rates, coverage, power.

Costs are log-normal, and a fifth of the replicas diverge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import norm

from ganbench import statistics
from ganbench.statistics import Comparison, bootstrap_interval, compare, comparison, families, interquartile_mean

SEEDS, STUDIES, DIVERGED = 20, 10_000, 0.2
RESAMPLES = 1_000
DECIDED = ("better", "much better", "worse", "much worse")


def study(rng: np.random.Generator, n: int, shift: float = 0.0, diverged: float = DIVERGED) -> dict[int, float]:
    """Seed -> cost of one objective; a shift of its logarithm makes it better than one without."""
    costs = np.exp(rng.standard_normal(n) - shift)
    return dict(enumerate(np.where(rng.random(n) < diverged, math.inf, costs)))


@pytest.fixture(scope="module", autouse=True)
def few_permutations() -> Iterator[None]:
    """As many as resamples, for time."""
    caches = (comparison._divisions, comparison._signs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "PERMUTATIONS", RESAMPLES)
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture(scope="module")
def equals() -> list[list[Comparison]]:
    """Families of two objectives against a third, all three of one law."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(STUDIES):
        base = study(rng, SEEDS)
        found.append(families([compare(study(rng, SEEDS), base, RESAMPLES) for _ in range(2)]))
    return found


@pytest.mark.torture
def test_equal_objectives_are_told_apart_in_at_most_5_7_percent_of_the_families(equals: list[list[Comparison]]):
    assert np.mean([any(c.word in DECIDED for c in family) for family in equals]) <= 0.057


@pytest.mark.torture
def test_the_test_is_no_idle_one(equals: list[list[Comparison]]):
    """A test that never decides would pass the one above: single comparisons err near their level of 5%."""
    single = [c.p < 0.05 for family in equals for c in family]
    assert 0.04 <= np.mean(single) <= 0.06


@pytest.mark.torture
def test_the_interval_of_the_probability_of_improvement_covers_one_half(equals: list[list[Comparison]]):
    assert 0.93 <= np.mean([c.low <= 0.5 <= c.high for family in equals for c in family]) <= 0.97


@pytest.mark.torture
def test_the_paired_test_keeps_its_level(equals: list[list[Comparison]]):
    assert np.mean([c.paired_p < 0.05 for family in equals for c in family]) <= 0.053


def test_the_interval_of_the_interquartile_mean_covers_with_diverged_replicas_at_a_penalty():
    """5,000 studies: a coverage of .95 leaves .93-.97 with a probability under 1e-9. Truth: 100,000 studies."""
    rng = np.random.default_rng(1)

    def costs(n: int) -> np.ndarray:
        values = np.exp(0.5 * rng.standard_normal(n))
        return np.where(rng.random(n) < DIVERGED, 4.0, values)

    truth = float(np.mean([interquartile_mean(costs(SEEDS)) for _ in range(100_000)]))
    intervals = [bootstrap_interval(costs(SEEDS), interquartile_mean, rng, resamples=RESAMPLES) for _ in range(5_000)]
    assert 0.93 <= np.mean([low <= truth <= high for low, high in intervals]) <= 0.97


@pytest.mark.parametrize("probability", [0.75, 0.7])
def test_a_true_effect_is_found_with_the_planned_power(probability: float):
    """1,000 studies: the share that finds it has a standard error of 1.3 points."""
    rng = np.random.default_rng(2)
    n = int(statistics.seeds_to_decide(probability))
    shift = math.sqrt(2) * float(norm.ppf(probability))
    found = [compare(study(rng, n, shift, 0), study(rng, n, 0, 0), RESAMPLES).p < 0.05 for _ in range(1_000)]
    assert 0.75 <= np.mean(found) <= 0.85


@pytest.mark.parametrize("n", [5, 8, 20])
def test_one_objective_on_disjoint_seeds_is_undecided_or_equivalent(n: int):
    """Over 100 studies the word may be wrong in 5 of 100; more than 12 have a probability under .3%."""
    rng = np.random.default_rng(n)
    words = [
        compare(study(rng, n), {seed + n: cost for seed, cost in study(rng, n).items()}, RESAMPLES).word
        for _ in range(100)
    ]
    assert set(words) <= {"undecided", "equivalent", *DECIDED}
    assert sum(word in DECIDED for word in words) <= 12
