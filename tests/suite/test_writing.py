"""A suite's content as TOML text."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganbench.suite import Choices, Interval, load_suite, parse_suite, shipped_suites
from ganbench.suite.writing import to_toml

SCALARS = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.text())
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
TABLES = st.recursive(
    st.dictionaries(st.text(), VALUES, max_size=4),
    lambda inner: st.dictionaries(st.text(), inner | VALUES, max_size=3),
    max_leaves=4,
)


@given(TABLES)
def test_what_is_written_is_read_back_the_same(content: dict[str, Any]) -> None:
    # a lone surrogate is no text that a file can hold
    if "\\ud" not in repr(content):
        assert tomllib.loads(to_toml(content)) == content


@pytest.mark.parametrize("name", shipped_suites())
def test_a_shipped_suite_is_the_same_suite_after_writing(name: str) -> None:
    suite = load_suite(name)
    assert dict(parse_suite(to_toml(suite.document.content))) == dict(suite)


def test_search_spaces_from_a_command_line_are_written_as_a_file_has_them() -> None:
    content = {"search": {"*": {"lr_d": Interval("loguniform", 1e-5, 0.01), "d_steps": Choices((1, 5))}}}
    assert to_toml(content) == '[search."*"]\nlr_d = "loguniform(1e-05,0.01)"\nd_steps = [1, 5]\n'
