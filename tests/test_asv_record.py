"""What `make bench` keeps: asv's files under names that hold on every machine, without the place of a checkout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "suites" / "asv_tools"


def test_a_result_tells_the_version_of_python_and_not_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    from record import PLACED, PLAIN, VERSION, rename  # type: ignore[import-not-found]  # found by its folder

    about = {"env_name": PLACED, "python": sys.executable, "params": {"machine": "m", "python": sys.executable}}
    placed = tmp_path / f"0123abcd-{PLACED}.json"
    placed.write_text(json.dumps({**about, "results": {"a": [1]}}))
    rename(tmp_path, PLACED, PLAIN, VERSION)
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"0123abcd-existing-py{VERSION}.json"
    assert json.loads(kept.read_text())["results"] == {"a": [1]}
    assert sys.executable not in kept.read_text()
    rename(tmp_path, PLAIN, PLACED, sys.executable)  # as asv wrote it, so that it adds to it
    assert json.loads(placed.read_text()) == {**about, "results": {"a": [1]}}
