"""Declared fields: types, ranges, and the messages of wrong values."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganbench.fields import (
    FieldError,
    Swept,
    build,
    check,
    defaults,
    describe,
    local_fields,
    printable,
    ranged,
    swept_fields,
)


@dataclass(frozen=True)
class Example:
    steps: int = ranged(1, at_least=1, at_most=9)
    rate: Swept = ranged(0.5, above=0, below=1)
    order: str = ranged("DG", choices=("DG", "GD"))
    weights: tuple[float, ...] = ranged((), above=0)
    normalised: bool = False
    path: str = ranged("", local=True)
    _cache: int = dataclasses.field(default=0, init=False)


def test_built_values_have_their_declared_types() -> None:
    built = build(Example, {"steps": 2, "rate": 0.25, "weights": [1, 2.5], "normalised": True})
    assert built == Example(steps=2, rate=0.25, weights=(1.0, 2.5), normalised=True)


def test_an_integer_becomes_a_float_where_a_float_is_declared() -> None:
    assert type(check(Example, "weights", [1])[0]) is float


def test_only_fields_declared_swept_may_differ_between_replicas() -> None:
    assert swept_fields(Example) == ("rate",)


def test_only_fields_declared_local_say_where_something_lies() -> None:
    assert local_fields(Example) == ("path",)


def test_a_text_without_choices_may_be_any() -> None:
    assert check(Example, "path", 'my "own" images/é.npz') == 'my "own" images/é.npz'


def test_a_number_is_no_text() -> None:
    with pytest.raises(FieldError, match=r"path: found 3 \(int\), expected a string"):
        check(Example, "path", 3)


def test_fields_that_a_class_keeps_for_itself_cannot_be_set() -> None:
    assert "_cache" not in defaults(Example)


def test_a_class_without_fields_has_no_defaults() -> None:
    assert defaults(object) == {}


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("steps", True, "found true"),
        ("steps", 1.0, "found 1.0 (float), expected an integer"),
        ("steps", 0, "at least 1"),
        ("steps", 10, "at most 9"),
        ("rate", 0, "above 0"),
        ("rate", 1, "below 1"),
        ("rate", math.nan, "finite"),
        ("rate", math.inf, "finite"),
        ("rate", "fast", "found fast (str), expected a number"),
        ("rate", 10**400, "beyond the range of a float"),
        ("order", "DD", 'did you mean "GD"?'),
        ("weights", 0.5, "expected a list"),
        ("weights", [0.5, -1], "found -1"),
        ("normalised", 1, "true or false"),
        ("stepz", 1, 'did you mean "steps"?'),
        ("_cache", 1, "unknown field"),
    ],
)
def test_a_wrong_value_is_told_what_was_found_and_expected(field: str, value: object, found: str) -> None:
    with pytest.raises(FieldError) as caught:
        build(Example, {field: value})
    assert (caught.value.field, found in str(caught.value)) == (field, True)


@given(st.floats(allow_nan=False))
def test_a_described_float_is_exact(value: float) -> None:
    assert float(describe(value)) == value


nested = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text("a\x1b\n\u2028é", max_size=99),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=20,
)


@given(nested)
def test_a_found_value_fits_a_line_and_commands_no_terminal(value: object) -> None:
    text = printable(value)
    assert (len(text) <= 60, text.isprintable()) == (True, True)
