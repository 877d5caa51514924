"""Places of keys and elements in TOML text."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ganbench.suite.positions import DEEPEST, Path, positions

TEXT = """name = "a # b" # c
seeds = 8

[budget]
  currency = "x"
[evaluation.reached]
ring8 = .3
"odd.key" = 1
[defaults]
em.lr_d = 1
wasserstein = { lr_d = 1, "lr_g" = [2, 3] }
""".replace(".3", "0.3")


def test_a_key_is_found_where_it_starts() -> None:
    assert positions(TEXT)["budget", "currency"] == (5, 3)


def test_a_table_is_found_at_its_header() -> None:
    assert positions(TEXT)["evaluation",] == (6, 1)


def test_a_quoted_key_keeps_its_dots() -> None:
    assert positions(TEXT)["evaluation", "reached", "odd.key"] == (8, 1)


def test_a_dotted_key_leads_through_its_tables() -> None:
    assert positions(TEXT)["defaults", "em", "lr_d"] == (10, 1)


def test_a_key_of_an_inline_table_is_found_inside_it() -> None:
    assert positions(TEXT)["defaults", "wasserstein", "lr_d"] == (11, 17)


def test_elements_of_a_list_over_lines_have_their_own_lines() -> None:
    found = positions("a = [ # comment, with ]\n  'x]', # y\n\n  'z',\n]\nb = 1")
    assert (found["a", 0], found["a", 1], found["b",]) == ((2, 3), (4, 3), (6, 1))


def test_strings_over_lines_hide_what_they_hold() -> None:
    found = positions('a = """\nb = 1\n\\""" ["""\nc = \'\'\'[x]\n"""\'\'\'\nd = 1')
    assert (set(found), found["d",]) == ({("a",), ("c",), ("d",)}, (6, 1))


def paths(value: Any, path: Path = ()) -> set[Path]:
    """Every path of plain values, cut as the scanner cuts them."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = {p for key, v in inner for p in paths(v, (*path, key))}
    return below | ({path[:DEEPEST]} if path else set())


lines = st.sampled_from(
    [
        "{} = 1",
        "{} = 'a]'",
        "{} = [1, [2, '['], {{ x = 1, y.z = [3] }}]",
        '{} = """\n"x" = ]\n"""""',
        "[{}]",
        "[{}.{}]",
        "{}.{} = 1979-05-27 07:32:00",
        "'{}'.\"\\u0061{}\" = {{}}",
        "# {} = 1",
        "{} = [ # ]\n 'a' , \n\n # b\n 2.5,\n]",
        "{} = '''\n'a' ''''",
    ]
)
statements = st.builds(lambda text, a, b: text.format(a, b), lines, st.sampled_from("abcdef"), st.sampled_from("ghij"))


@given(st.lists(statements, max_size=8).map("\n".join))
def test_every_path_that_tomllib_reads_is_found(text: str) -> None:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert paths(content) == set(positions(text))
