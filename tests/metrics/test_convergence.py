"""The rule of convergence: the first of three evaluations in a row at or under a level."""

from __future__ import annotations

import math

import pytest

from ganbench.metrics.convergence import first_reached


def test_a_curve_converges_where_three_in_a_row_begin():
    assert first_reached([0, 10, 20, 30, 40], [9, 1, 1, 1, 9], level=1) == 1


def test_two_in_a_row_are_not_convergence():
    assert first_reached([0, 10, 20, 30, 40], [1, 1, 9, 1, 1], level=1) is None


def test_a_value_that_is_not_a_number_ends_a_run():
    assert first_reached([0, 10, 20, 30, 40, 50], [1, 1, math.nan, 1, 1, 1], level=1) == 3


def test_a_curve_that_starts_under_the_level_converges_at_its_first_evaluation():
    assert first_reached([0, 10, 20], [0.5, 0.4, 0.3], level=1) == 0


def test_a_curve_shorter_than_the_run_does_not_converge():
    assert first_reached([0, 10], [0, 0], level=1) is None


def test_one_in_a_row_is_the_first_value_under_the_level():
    assert first_reached([0, 10, 20], [9, 1, 9], level=1, in_a_row=1) == 1


@pytest.mark.parametrize(
    ("iterations", "values", "message"),
    [
        ([0, 1], [1.0], "found 2 iterations and 1 values"),
        ([0, 2, 1], [1.0, 1.0, 1.0], "iterations out of order"),
        ([0, 1, 1], [1.0, 1.0, 1.0], "iterations out of order"),
    ],
)
def test_a_broken_curve_is_an_error(iterations: list[int], values: list[float], message: str):
    with pytest.raises(ValueError, match=message):
        first_reached(iterations, values, level=1)
