"""What a comparison and a verdict say."""

from __future__ import annotations

import math

import pytest

from ganbench.theory.law import Comparison, Law, Relation, Verdict

LAW = Law("name", "statement", "source", lambda subject: ())


@pytest.mark.parametrize(
    ("relation", "measured", "holds"),
    [
        ("=", 1.1, True),
        ("=", 0.9, True),
        ("=", 1.3, False),
        ("=", 0.7, False),
        ("<=", -9.0, True),
        ("<=", 1.1, True),
        ("<=", 1.3, False),
        (">=", 9.0, True),
        (">=", 0.9, True),
        (">=", 0.7, False),
    ],
)
def test_a_number_may_overstep_what_is_expected_by_the_tolerance(relation: Relation, measured: float, holds: bool):
    assert Comparison(1.0, measured, 0.2, relation).holds is holds


@pytest.mark.parametrize("relation", ["=", "<=", ">="])
def test_nan_keeps_no_law(relation: Relation):
    assert not Comparison(1.0, math.nan, 9.0, relation).holds
    assert not Comparison(math.nan, 1.0, 9.0, relation).holds


def test_equal_infinities_are_equal():
    assert Comparison(math.inf, math.inf).holds
    assert not Comparison(math.inf, -math.inf).holds


def test_a_verdict_without_a_comparison_does_not_hold():
    assert not Verdict(LAW, (), 0.0).holds


def test_a_verdict_with_an_error_does_not_hold():
    assert not Verdict(LAW, (Comparison(1, 1),), 0.0, "ValueError").holds


def test_one_comparison_that_fails_is_enough():
    assert Verdict(LAW, (Comparison(1, 1),), 0.0).holds
    assert not Verdict(LAW, (Comparison(1, 1), Comparison(1, 2)), 0.0).holds


def test_the_worst_comparison_is_one_that_fails_though_another_uses_more_of_its_tolerance():
    failing, strained = Comparison(0, 1e-9), Comparison(0, 0.9, 1.0)
    assert Verdict(LAW, (strained, failing), 0.0).worst is failing


def test_where_all_hold_the_worst_comparison_uses_most_of_its_tolerance():
    wide, narrow = Comparison(0, 5.0, 100.0), Comparison(0, 0.9, 1.0)
    assert Verdict(LAW, (wide, narrow), 0.0).worst is narrow
