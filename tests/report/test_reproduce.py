"""What the page says of the runs: every command with its suite, and where their environments differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from studies import Study

from ganbench.report.page.write import differences, distinct, page_of
from ganbench.store.records import Record, record, write_record


def made(began: str, command: str, **environment: object) -> Record:
    found = record("tiny", "w1", command, "[suite]\nname = 'tiny'", environment, {"commit": "c0ffee"}, [])
    return replace(found, began=f"2026-01-{began}T10:00:00.000000+00:00")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    study = Study(tmp_path / "tiny")
    for seed in range(5):
        study.add("em", seed, {"w1": 0.1 + seed / 100})
    return study.folder


def test_the_page_has_each_command_and_what_two_machines_have_unequal(folder: Path):
    write_record(folder, made("01", "ganbench run --seeds 0:3", machine="one", versions={"torch": "2.12"}))
    write_record(folder, made("02", "ganbench run --seeds 3:5", machine="two", versions={"torch": "2.13"}))
    page = page_of(folder).read_text(encoding="utf-8")
    assert "<pre>ganbench run --seeds 0:3</pre>" in page
    assert "<pre>ganbench run --seeds 3:5</pre>" in page
    assert "versions.torch differs: tiny begun 2026-01-01T10:00: 2.12; tiny begun 2026-01-02T10:00: 2.13." in page
    assert "name = &#39;tiny&#39;" in page
    assert "c0ffee" in page


def test_one_command_given_twice_on_one_machine_is_one_run():
    again = made("02", "ganbench run", machine="one")
    assert distinct([made("01", "ganbench run", machine="one"), again]) == [again]


def test_equal_environments_have_no_differences():
    assert differences([{"a": {"b": 1}}, {"a": {"b": 1}}], ["x", "y"]) == []


def test_what_one_environment_alone_says_is_unknown_of_the_other():
    assert differences([{"a": "1"}, {}], ["x", "y"]) == ["a differs: x: 1; y: unknown."]
