"""Comparisons of two objectives: worked numbers, agreement with scipy, and the words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ganbench.statistics import Comparison, compare, families, improvement, paired_difference, seeds_to_decide
from ganbench.statistics.comparison import MANY, _studentised, _wins, holm, limit_p, permutation_p

INF = math.inf


def seeded(*costs: float) -> dict[int, float]:
    return dict(enumerate(costs))


def compared(a: dict[int, float], b: dict[int, float]) -> Comparison:
    return compare(a, b)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 2], [3, 4], 1.0),
        ([3, 4], [1, 2], 0.0),
        ([1, 4], [2, 3], 0.5),
        ([1, 2], [2, 3], 3.5 / 4),
        ([1, INF], [2, INF], (1 + 1 + 0 + 0.5) / 4),
        ([INF, INF], [INF, INF], 0.5),
    ],
)
def test_the_probability_of_improvement_counts_pairs_and_ties_for_half(a: list, b: list, expected: float):
    assert improvement(np.array(a, float), np.array(b, float)) == expected


def test_separated_groups_have_the_smallest_p_value_of_their_size():
    assert permutation_p(np.arange(4.0), np.arange(4.0) + 9) == pytest.approx(2 / math.comb(8, 4))


def test_equal_costs_have_a_p_value_of_one():
    assert permutation_p(np.ones(5), np.ones(6)) == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_statistic_is_that_of_brunner_and_munzel_with_ties(seed: int):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, 9).astype(float), rng.integers(1, 8, 7).astype(float)
    pooled = np.concatenate([a, b])
    (own,) = _studentised(_wins(pooled, pooled), np.arange(16)[None] < 9)
    n, m = len(a), len(b)
    # scipy scales by nm / (n + m) and by ranks; the studentised quantity is the same
    assert own == pytest.approx(stats.brunnermunzel(a, b).statistic, rel=1e-9), (n, m)


def test_the_permutation_p_value_is_near_the_asymptotic_one_at_many_seeds():
    rng = np.random.default_rng(5)
    a, b = rng.normal(0, 1, 60), rng.normal(0.4, 2, 60)
    assert permutation_p(a, b) == pytest.approx(stats.brunnermunzel(a, b).pvalue, abs=0.01)


def test_swapping_two_objectives_turns_the_probability_and_keeps_the_p_value():
    a, b = seeded(1, 2, 3, 7, 9, 11), seeded(2, 4, 6, 8, 10, INF)
    assert compared(a, b).probability == pytest.approx(1 - compared(b, a).probability)
    assert compared(a, b).p == pytest.approx(compared(b, a).p)


@pytest.mark.parametrize(("probability", "seeds"), [(0.75, 21), (0.7, 33), (0.65, 59), (0.6, 131), (0.4, 131)])
def test_the_seeds_that_decide_are_noether_s(probability: float, seeds: int):
    assert seeds_to_decide(probability) == seeds


def test_no_number_of_seeds_decides_between_equals():
    assert seeds_to_decide(0.5) == INF


def test_holm_steps_down_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_a_comparison_without_a_test_is_no_member_of_the_family():
    assert holm([0.04, math.nan])[0] == pytest.approx(0.04)


@pytest.mark.parametrize("n", [6, 9])
def test_the_paired_p_value_is_that_of_the_exact_signed_rank_test(n: int):
    rng = np.random.default_rng(n)
    a, b = rng.normal(0, 1, n), rng.normal(0.5, 1, n)
    pairs, median, p = paired_difference(seeded(*a), seeded(*b))
    assert pairs == n
    assert median == pytest.approx(np.median(a - b))
    assert p == pytest.approx(stats.wilcoxon(a - b, method="exact").pvalue)


def test_pairs_are_those_of_shared_seeds():
    assert paired_difference({1: 2.0, 2: 5.0, 4: 1.0}, {2: 3.0, 3: 9.0, 4: 0.0})[:2] == (2, 1.5)


def test_a_replica_that_diverged_alone_is_the_largest_difference():
    a, b = seeded(1, 2, 3, 4, 5, INF), seeded(2, 3, 4, 5, 6, 7)
    worst = seeded(1, 2, 3, 4, 5, 1e9)
    assert paired_difference(a, b)[2] == paired_difference(worst, b)[2]


def test_two_replicas_that_both_diverged_are_a_difference_of_nothing():
    assert paired_difference(seeded(INF), seeded(INF))[1] == 0


def test_five_pairs_are_not_tested():
    assert math.isnan(paired_difference(seeded(*range(5)), seeded(*range(10, 15)))[2])


def test_below_five_seeds_nothing_is_inferred():
    found = compared(seeded(1, 2, 3, 4), seeded(11, 12, 13, 14))
    assert found.word == "too few seeds"
    assert math.isnan(found.low)


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        (range(8), range(20, 28), "much better"),
        (range(20, 28), range(8), "much worse"),
        ([1, 5, 3, 7, 2, 8, 4, 6], [2, 6, 4, 8, 1, 7, 3, 5], "undecided"),
        ([INF] * 8, [INF] * 8, "equivalent"),
        ([INF] * 8, range(8), "much worse"),
    ],
)
def test_words_of_clear_cases(a, b, word: str):
    assert compared(seeded(*a), seeded(*b)).word == word


def test_a_small_sure_difference_is_better_and_not_much_better():
    rng = np.random.default_rng(1)
    found = compared(seeded(*rng.normal(-0.5, 1, 150)), seeded(*rng.normal(0, 1, 150)))
    assert 0.6 < found.probability < 0.75
    assert found.word == "better"


def test_many_seeds_of_one_law_are_equivalent():
    rng = np.random.default_rng(2)
    assert compared(seeded(*rng.normal(0, 1, 400)), seeded(*rng.normal(0, 1, 400))).word == "equivalent"


def test_a_family_can_take_back_what_one_comparison_says():
    one = compared(seeded(1, 2, 3, 4, 5, 7), seeded(6, 8, 9, 10, 11, 12))
    assert one.word == "much better"
    assert families([one] * 20)[0].word == "undecided"


def test_pairing_decides_otherwise_where_seeds_move_both_alike():
    rng = np.random.default_rng(3)
    common = rng.normal(0, 10, 12)
    found = compared(seeded(*common), seeded(*(common + 0.1)))
    assert found.word == "undecided"
    assert found.pairing_differs


@pytest.mark.parametrize(("n", "m", "ties"), [(100, 100, False), (100, 137, True), (250, 240, False)])
def test_the_limit_of_the_permutation_test_is_that_of_scipy(n: int, m: int, ties: bool):
    rng = np.random.default_rng(n)
    a, b = rng.standard_normal(n), rng.standard_normal(m) + 0.2
    if ties:
        a, b = a.round(1), b.round(1)
        a[:9], b[:4] = math.inf, math.inf
    expected = stats.brunnermunzel(np.nan_to_num(a, posinf=99), np.nan_to_num(b, posinf=99)).pvalue
    assert limit_p(_wins(a, b)) == pytest.approx(expected, rel=1e-9)


def test_many_seeds_have_the_p_value_of_the_permutation_test_to_its_own_error():
    rng = np.random.default_rng(1)
    for shift in (0.0, 0.2, 0.3, 0.5):
        a, b = np.exp(rng.standard_normal(MANY)), np.exp(rng.standard_normal(MANY) + shift)
        b[rng.random(MANY) < 0.1] = math.inf
        p, many = permutation_p(a, b), limit_p(_wins(a, b))
        # 10,000 permutations: four standard errors, and .002 for what the limit is off
        assert abs(p - many) < 4 * math.sqrt(many * (1 - many) / 10_000) + 0.002


def test_many_seeds_that_do_not_overlap_differ_and_equal_ones_do_not():
    below, above, equal = np.arange(100.0), np.arange(100.0) + 100, np.full(100, math.inf)
    assert limit_p(_wins(below, above)) == 0
    assert limit_p(_wins(equal, equal)) == 1


def test_equal_laws_of_many_seeds_are_told_apart_in_five_percent_of_the_studies():
    rng = np.random.default_rng(2)
    found = []
    for _ in range(2_000):
        a, b = (np.where(rng.random(MANY) < 0.2, math.inf, rng.standard_normal(MANY)) for _ in range(2))
        found.append(limit_p(_wins(a, b)) < 0.05)
    assert 0.036 < np.mean(found) < 0.064  # three standard errors of 2,000 studies: one false alarm of 370
