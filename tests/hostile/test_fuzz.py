"""Whatever a suite file or a stored file holds, reading it ends in a result or in one clear error: nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import result

from ganbench import store
from ganbench.report.tables import to_csv, to_markdown
from ganbench.store.container import open_result
from ganbench.store.kept import read_table
from ganbench.suite import SuiteError, parse_suite
from hostile.results import rewritten
from hostile.suites import GOOD

SHORT, LONG = 200, 10_000

MARKS = ["[", "]", "{", "}", '"', "'", "=", ",", ".", "#", "[[", '"""', "\\"]
HOSTILE = [
    "\n",
    "\r",
    "\x00",
    "\x1b[31m",
    "é",
    "\u2028",
    "1e999",
    "-1",
    "nan",
    "9" * 5000,
    "true",
    "../../x",
    "a" * 300,
]
FOREIGN = ["1979-05-27", "{a={b=1}}", "minimax[", "=cmd()"]
pieces = st.sampled_from(MARKS + HOSTILE + FOREIGN) | st.text(max_size=8)
edits = st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 30), pieces))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def clear(error: Exception, start: str = "") -> None:
    assert str(error).startswith(start)
    assert str(error).isprintable()


def read_suite(changes: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for start, length, piece in changes[:4]:
        text = text[:start] + piece + text[start + length :]
    try:
        parse_suite(text, "my.toml")
    except SuiteError as error:
        clear(error, "my.toml:")


def read_folder(folder: Path) -> None:
    """The results of a folder and their tables."""
    results = store.load_results(folder)
    to_markdown(results)
    to_csv(results)


def places(value: Any, keys: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else []
    return [keys, *(place for key, v in inner for place in places(v, (*keys, key)))]


def read_result(folder: Path, data: st.DataObject) -> None:
    """A result under a right digest, one of whose values is any JSON."""
    # written once: a disk takes ten times as long to keep a file as a reader takes to refuse it
    path = store.result_path(folder, result().definition["replica_id"])
    if not path.exists():
        store.write(folder, result())
    whole = path.read_bytes()
    at = data.draw(st.sampled_from(places(open_result(path).payload)[1:]))
    value = data.draw(json_values)

    def change(payload: dict[str, Any]) -> None:
        for key in at[:-1]:
            payload = payload[key]
        payload[at[-1]] = value

    try:
        rewritten(path, change)
        read_folder(folder)
    except store.StoreError as error:
        clear(error)
    finally:
        path.write_bytes(whole)


def read_bytes(folder: Path, content: bytes, name: str, reader: Callable[[Path], Any]) -> None:
    (folder / name).write_bytes(content)
    try:
        reader(folder)
    except store.StoreError as error:
        clear(error)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def examples(count: int) -> Any:
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@examples(SHORT)
@given(edits)
def test_a_changed_suite_is_read_or_refused(changes: list[tuple[int, int, str]]):
    read_suite(changes)


@pytest.mark.torture
@examples(LONG)
@given(edits)
def test_ten_thousand_changed_suites_are_read_or_refused(changes: list[tuple[int, int, str]]):
    read_suite(changes)


@examples(SHORT)
@given(st.data())
def test_a_changed_result_is_read_or_refused(place: Path, data: st.DataObject):
    read_result(place, data)


@pytest.mark.torture
@examples(LONG)
@given(st.data())
def test_ten_thousand_changed_results_are_read_or_refused(place: Path, data: st.DataObject):
    read_result(place, data)


SMALL: dict[str, Callable[[Path], Any]] = {
    "costs.json": lambda folder: read_table(folder / "costs.json"),
    "widths.json": lambda folder: read_table(folder / "widths.json"),
    f"{'0' * 16}.parquet": store.stored,
    "bundle.parquet": store.load_results,
}


@pytest.mark.parametrize(("name", "reader"), SMALL.items(), ids=SMALL)
@examples(SHORT)
@given(content=st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_in_the_place_of_a_file_are_read_or_refused(
    place: Path, name: str, reader: Callable[[Path], Any], content: bytes
):
    folder = place / name
    folder.mkdir(exist_ok=True)
    read_bytes(folder, content, name, reader)
