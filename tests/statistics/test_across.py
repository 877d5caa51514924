"""Mean ranks, critical differences, profiles and cumulative incidence against worked numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ganbench.statistics import critical_difference, cumulative_incidence, mean_ranks, performance_profile

INF = math.inf


def test_mean_ranks_share_ties():
    assert mean_ranks(np.array([[1, 2, 2], [3, 1, INF]])).tolist() == [1.5, 1.75, 2.75]


@pytest.mark.parametrize(
    ("k", "n", "expected"), [(4, 14, 2.569 * math.sqrt(20 / 84)), (2, 30, 1.96 * math.sqrt(1 / 30))]
)
def test_the_critical_difference_is_the_published_one(k: int, n: int, expected: float):
    assert critical_difference(k, n) == pytest.approx(expected, rel=1e-3)  # the table has four digits


def test_five_targets_are_too_few_for_a_critical_difference():
    assert math.isnan(critical_difference(4, 5))


def test_objectives_that_are_equal_differ_by_the_critical_difference_in_few_studies():
    """200 studies of 5 equal objectives on 12 targets: more than 10% false alarms has a probability under .3%."""
    rng = np.random.default_rng(0)
    limit = critical_difference(5, 12)
    ranks = [mean_ranks(rng.random((12, 5))) for _ in range(200)]
    assert np.mean([r.max() - r.min() > limit for r in ranks]) <= 0.1


def test_a_profile_is_the_share_above_each_level_and_a_diverged_replica_is_above_none():
    found = performance_profile(np.array([0.2, 0.5, 1.0, -INF]), np.array([-1.0, 0.2, 0.9]))
    assert found.tolist() == [0.75, 0.5, 0.25]


def test_cumulative_incidence_counts_those_that_never_reach_the_target():
    moments, shares = cumulative_incidence(np.array([30.0, 10.0, INF, 10.0]))
    assert moments.tolist() == [10, 30]
    assert shares.tolist() == [0.5, 0.75]


def test_where_nobody_reaches_the_target_the_incidence_has_no_steps():
    moments, shares = cumulative_incidence(np.array([INF, INF]))
    assert len(moments) == len(shares) == 0


def test_the_incidence_is_the_empirical_distribution_where_all_reach_it():
    times = np.random.default_rng(0).integers(1, 9, 20).astype(float)
    moments, shares = cumulative_incidence(times)
    assert shares == pytest.approx(stats.ecdf(times).cdf.evaluate(moments))
