"""The mini-grammar of specs and values."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganbench.suite import Choices, Grid, Interval, Spec, SpecError, parse_spec, parse_value


def test_an_empty_list_is_a_value_and_no_grid() -> None:
    assert parse_value("[ ]") == []


def test_a_bare_name_has_no_fields() -> None:
    assert parse_spec("em") == Spec("em")


def test_every_kind_of_value_is_read_as_written() -> None:
    text = "x[a=1,b=.5,c=1e-3,d=true,e=false,f=word,g='two words',h=-2,i=\"1\"]"
    values = {"a": 1, "b": 0.5, "c": 1e-3, "d": True, "e": False, "f": "word", "g": "two words", "h": -2, "i": "1"}
    assert parse_spec(text).fields == values


def test_an_integer_stays_an_integer() -> None:
    assert type(parse_spec("x[a=1]").fields["a"]) is int


def test_spaces_between_tokens_mean_nothing() -> None:
    assert parse_spec(" em [ m_steps = 2 , order = GD ] ") == parse_spec("em[m_steps=2,order=GD]")


def test_lists_make_the_product_with_the_last_field_running_fastest() -> None:
    points = parse_spec("x[a=[1,2],b=3,c=[4,5]]").grid()
    assert [tuple(p.fields.values()) for p in points] == [(1, 3, 4), (1, 3, 5), (2, 3, 4), (2, 3, 5)]


def test_a_list_in_a_list_is_one_value() -> None:
    assert parse_spec("x[weights=[[.5,.5],[1,0]]]").fields["weights"] == Grid(((0.5, 0.5), (1, 0)))


def test_a_spec_without_lists_is_its_own_grid() -> None:
    assert parse_spec("x[a=1]").grid() == [parse_spec("x[a=1]")]


def test_columns_count_from_1_to_the_field() -> None:
    assert parse_spec("em[m_steps=2, order=GD]").columns == {"m_steps": 4, "order": 15}


def test_a_search_space_knows_its_ends() -> None:
    assert parse_spec("x[lr=loguniform(1e-5,1e-2)]").fields["lr"] == Interval("loguniform", 1e-5, 1e-2)


def test_the_middle_of_a_loguniform_space_is_the_geometric_mean() -> None:
    assert Interval("loguniform", 1e-4, 1e-2).draw(0.5) == pytest.approx(1e-3)


def test_the_middle_of_a_uniform_space_is_the_mean() -> None:
    assert Interval("uniform", -1, 3).draw(0.5) == 1


@given(st.floats(0, 1, exclude_max=True))
def test_draws_stay_between_the_ends(u: float) -> None:
    # a rounding of exp(log(high)) may exceed high by one part in 1e15
    assert 1e-5 * (1 - 1e-12) <= Interval("loguniform", 1e-5, 1e-2).draw(u) <= 1e-2 * (1 + 1e-12)


def test_choices_are_equally_likely() -> None:
    drawn = [Choices(("a", "b")).draw(u / 10) for u in range(10)]
    assert drawn == ["a"] * 5 + ["b"] * 5


@pytest.mark.parametrize(
    ("text", "column", "found"),
    [
        ("", 1, "the end"),
        ("em[", 4, "the end"),
        ("em[]", 4, "]"),
        ("em]", 3, "]"),
        ("em[a]", 5, "]"),
        ("em[a=]", 6, "]"),
        ("em[a=1", 7, "the end"),
        ("em[a=1]]", 8, "]"),
        ("em[a=1,a=2]", 8, "twice"),
        ("em[1=2]", 4, "1"),
        ("em[a='x]", 6, "not closed"),
        ("em[a=[[[1]]]]", 8, "["),
        ("em[a=nan]", 6, "finite"),
        ("em[a=-inf]", 6, "finite"),
        ("em[a=1e999]", 6, "range of a float"),
        ("em[a=" + "9" * 41 + "]", 6, "41 characters"),
        ("em[a=normal(0,1)]", 6, "normal"),
        ("em[a=uniform(2,1)]", 6, "lower end first"),
        ("em[a=loguniform(0,1)]", 6, "above 0"),
        ("em[a=uniform(x,1)]", 14, "x"),
        ("em[a=[" + ",".join("1" * 101) + "],b=[" + ",".join("1" * 101) + "]]", 1, "10,000 points"),
    ],
)
def test_an_error_names_its_column_and_what_was_found(text: str, column: int, found: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(text)
    assert (caught.value.column, found in str(caught.value)) == (column, True)


def test_an_unknown_space_is_told_the_nearest_one() -> None:
    with pytest.raises(SpecError, match="loguniform"):
        parse_spec("x[a=loguni(1,2)]")


def test_a_value_keeps_its_list_plain() -> None:
    assert parse_value("[w1,sliced_w1]") == ["w1", "sliced_w1"]


def test_a_range_of_seeds_is_a_word() -> None:
    assert parse_value("0:8") == "0:8"


plain_text = st.text("abz 019.:+-_é[](){}=,#\n\\\x1b\u2028", max_size=8)
scalars = st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | plain_text
values = scalars | st.lists(scalars, min_size=1, max_size=3).map(tuple)


@given(st.dictionaries(st.sampled_from(["a", "b", "lr_d"]), values))
def test_a_printed_spec_reads_back_as_itself(fields: dict[str, object]) -> None:
    spec = Spec("em", fields)
    assert parse_spec(str(spec)).grid() == [spec]


@given(st.text("em[]=,.'\"()19-+\n x\x00\x1bé²٣\u2028\U0001f600", max_size=30))
def test_random_text_raises_only_spec_errors(text: str) -> None:
    with contextlib.suppress(SpecError):
        spec = parse_spec(text)
        assert math.prod(len(v.values) for v in spec.fields.values() if isinstance(v, Grid)) == len(spec.grid())
