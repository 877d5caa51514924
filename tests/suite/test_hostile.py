"""Whatever a suite file holds, a mistake in it is a SuiteError with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_loading import TEXT

from ganbench.suite import SuiteError, load_suite, parse_suite


def test_a_byte_outside_utf_8_is_told_its_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b'name = "x"\nsummary = "\xff"')
    with pytest.raises(SuiteError, match=r"x\.toml:2:12: found bytes that are not UTF-8"):
        load_suite(tmp_path / "x.toml")


def test_a_file_over_1_mib_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(SuiteError, match=r"x\.toml:1:1: found more than 1 MiB"):
        load_suite(tmp_path / "x.toml")


def check_only_suite_errors(text: str) -> None:
    found = None
    try:
        parse_suite(text, "my.toml")
    except SuiteError as error:
        found = str(error)
    assert found is None or (re.match(r"my\.toml:\d+:\d+: ", found) and found.isprintable())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300))
def test_random_bytes_raise_only_suite_errors(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "random.toml"
    file.write_bytes(data)
    with pytest.raises(SuiteError):
        load_suite(file)


MARKS = ["[", "]", "{", "}", '"', "'", "=", ",", ".", "#", "[[", "]]", '"""', '"*"']
PIECES = ["1", "-1", "nan", "1e999", "true", "{a=1}", "em", "x.y", "1979-05-27", "[1,[2]]"]
HOSTILE = ["", "\n", "\r\n", "\x00", "\x1b", "\u2028", "é", "9" * 5000, "a" * 300]
pieces = st.sampled_from(MARKS + PIECES + HOSTILE)
cuts = st.tuples(st.integers(0, len(TEXT)), st.integers(0, 12), pieces)


@settings(max_examples=300)
@given(st.lists(cuts, min_size=1, max_size=3))
def test_mutated_suites_raise_only_suite_errors(mutations: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for start, length, piece in mutations:
        text = text[:start] + piece + text[start + length :]
    check_only_suite_errors(text)


swaps = st.tuples(
    st.sampled_from(re.findall(r"= (.+)", TEXT)), st.sampled_from(["1", "-1", "0.5", "true", '"x"', "[]"])
)
deep = st.sampled_from(["{ a = { b = 1 } }", "[[1], [[2]]]", "{}", "[{}]", "1979-05-27", "9" * 400, '"\\u001b"', "nan"])


@given(st.lists(swaps | st.tuples(st.sampled_from(re.findall(r"= (.+)", TEXT)), deep), min_size=1, max_size=2))
def test_values_of_another_type_raise_only_suite_errors(replacements: list[tuple[str, str]]) -> None:
    text = TEXT
    for old, new in replacements:
        text = text.replace(f"= {old}", f"= {new}", 1)
    check_only_suite_errors(text)
