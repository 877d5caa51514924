"""Over 200 hostile suite files and files of results: each ends in exit code 2 and one line that names the file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from stored import result

from ganbench import store
from ganbench.cli import main
from hostile.results import ARRAYS, PAYLOADS, TABLES, rewritten
from hostile.suites import GOOD, SUITES


def ganbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def refused(found: Result, *names: object) -> None:
    """Fails unless a command refused its input in one clear line, which names what is wrong."""
    assert found.exit_code == 2, found.output[-2000:]
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.isprintable()
    assert len(line) < 6000  # a path is shown whole
    assert all(str(name) in line for name in names)


def test_there_are_more_than_two_hundred_hostile_files():
    assert len(SUITES) + len(PAYLOADS) + len(TABLES) + len(ARRAYS) > 200


def test_the_suite_that_is_made_hostile_is_good(tmp_path: Path):
    (tmp_path / "good.toml").write_text(GOOD)
    found = ganbench("run", "--suite", tmp_path / "good.toml", "--results", tmp_path / "results", "--dry-run")
    assert found.exit_code == 0


@pytest.mark.parametrize("content", SUITES.values(), ids=SUITES)
def test_a_hostile_suite_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "x.toml").write_bytes(content)
    found = ganbench("run", "--suite", tmp_path / "x.toml", "--results", tmp_path / "results", "--dry-run")
    refused(found, "x.toml:")
    assert [path.name for path in tmp_path.iterdir()] == ["x.toml"]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """The file of a result that is good until a test changes it."""
    return store.write(tmp_path / "in" / "tiny", result())


def test_the_result_that_is_made_hostile_is_good(good: Path):
    assert ganbench("report", "--format", "text", good.parent).exit_code == 0
    assert rewritten(good, None) == good
    assert ganbench("report", "--format", "text", good.parent).exit_code == 0


def check_refused(good: Path, name: object, arrays: bool = False) -> None:
    """The commands that read results refuse the folder, and none writes anything."""
    folder, out = good.parent, good.parents[2] / "out"
    refused(ganbench("merge", folder, "-o", out), name)
    if not arrays:
        refused(ganbench("report", "--format", "text", folder), name)
        refused(ganbench("compare", folder, folder), name)
    refused(ganbench("evaluate", folder, "--metric", "sliced_w1"), name)
    found = ganbench("verify", folder, "--retrain", "1")
    assert found.exit_code == 1, found.output[-2000:]
    wrong = [line for line in found.stdout.splitlines() if line.startswith("WRONG: ")]
    assert wrong
    assert all(good.stem in line and line.isprintable() for line in wrong)
    assert sorted(path.name for path in good.parents[2].iterdir()) == ["in"]


@pytest.mark.parametrize("change", PAYLOADS.values(), ids=PAYLOADS)
def test_a_hostile_result_is_refused(good: Path, change: Callable[[dict[str, Any]], None]):
    rewritten(good, change)
    check_refused(good, good.name)


@pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES)
def test_hostile_rows_are_refused(good: Path, rows: Callable[[pa.Table], pa.Table]):
    rewritten(good, None, rows)
    check_refused(good, good.name)


@pytest.mark.parametrize("packed", ARRAYS.values(), ids=ARRAYS)
def test_hostile_arrays_are_refused(good: Path, packed: Callable[[], bytes]):
    content = packed()
    good.with_suffix(".safetensors").write_bytes(content)
    rewritten(good, lambda payload: payload.update(arrays_sha256=hashlib.sha256(content).hexdigest()))
    check_refused(good, good.with_suffix(".safetensors").name, arrays=True)


def test_a_key_that_stands_twice_is_refused(good: Path, monkeypatch: pytest.MonkeyPatch):
    import ganbench.store.container as container

    class Twice:
        @staticmethod
        def dumps(payload: Any, **options: Any) -> str:
            return json_dumps(payload, **options)[:-1] + ', "status": "diverged"}'

    json_dumps = container.json.dumps
    with monkeypatch.context() as patch:
        patch.setattr(container, "json", Twice)
        patch.setattr("hostile.results.json.dumps", json_dumps)
        rewritten(good, None)
    check_refused(good, "a key stands twice in one object")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_a_result_is_refused_and_not_waited_for(good: Path):
    good.unlink()
    os.mkfifo(good)
    check_refused(good, "no plain file")
