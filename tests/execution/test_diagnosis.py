"""What keeps a run from working is found and told with its remedy, and what does not is no alarm."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ganbench.cli import main
from ganbench.execution import diagnosis, limits

GOOD: dict[str, Any] = {
    "machine": {
        "processor": "A Processor",
        "system": "Linux",
        "cores": 4,
        "usable_cores": 2,
        "memory_gb": 16.0,
        "free_memory_gb": 8.0,
        "instructions": "AVX512",
        "bf16": "tiles (amx_bf16)",
    },
    "load": 0.1,
    "devices": {"gpus": [], "torch_cuda": None, "driver": None},
    "threads": {"OMP_NUM_THREADS": None, "torch": 2},
    "compiler": {"command": "g++", "path": "/usr/bin/g++", "version": "g++ 12", "seconds": 9.0},
    "cache": {"folder": "/cache", "writable": True, "others_write": False, "free_gb": 50.0, "mb": 12.0},
    "results": {"folder": "results", "writable": True, "others_write": False, "free_gb": 50.0},
    "clock": {"utc": "2026-11-28T12:00:00+00:00", "behind_s": 0.0, "files_off_s": 0.1},
    "versions": [{"name": "torch", "version": "2.13.0", "supported": ">=2.8", "needed": True, "fits": True}],
    "gflop_per_s": {"one thread": {"H=64 B=256": 61.4, "one product": 80.0}},
}
SPOILED: dict[str, tuple[dict[str, Any], str, bool]] = {
    "no compiler": ({"compiler": {"path": None}}, "install g++", False),
    "a broken compiler": ({"compiler": {"error": "cannot link"}}, "--set execution.compiled=false", True),
    "a cache that refuses": ({"cache": {"writable": False}}, "export GANBENCH_CACHE=", True),
    "results that refuse": ({"results": {"writable": False}}, "--results /some/folder", True),
    "a full disk": ({"results": {"free_gb": 0.5}}, "make room", False),
    "a cache that all can write": ({"cache": {"others_write": True}}, "chmod o-w /cache", False),
    "a clock of long ago": ({"clock": {"behind_s": 1e6}}, "set the clock", False),
    "a file server's other clock": ({"clock": {"files_off_s": -400.0}}, "set the clocks of this machine", False),
    "a busy machine": ({"load": 1.5}, "wait until other programs have ended", False),
    "a torch without the GPU": ({"devices": {"driver": "550.1"}}, "install a CUDA build of torch", False),
    "a hidden GPU": ({"devices": {"driver": "550.1", "torch_cuda": "12.8"}}, "CUDA_VISIBLE_DEVICES", False),
    "little memory": ({"machine": {"free_memory_gb": 1.2}}, "--workers 1", False),
    "no bf16": ({"machine": {"bf16": None}}, "leave --precision at fp32", False),
}


def spoiled(changes: dict[str, Any]) -> dict[str, Any]:
    facts = copy.deepcopy(GOOD)
    for section, values in changes.items():
        facts[section] = {**facts[section], **values} if isinstance(values, dict) else values
    return facts


def torch_is(version: str | None) -> dict[str, Any]:
    torch = {"name": "torch", "version": version, "supported": "<2.14,>=2.8", "needed": True, "fits": False}
    return {**copy.deepcopy(GOOD), "versions": [torch]}


def doctor(monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], *options: str) -> Any:
    monkeypatch.setattr(diagnosis, "examine", lambda results: facts)
    return CliRunner().invoke(main, ["doctor", *options], catch_exceptions=False)


def test_a_good_machine_needs_no_advice():
    assert diagnosis.advice(GOOD) == []
    assert diagnosis.works(GOOD)


@pytest.mark.parametrize(("changes", "remedy", "stops"), SPOILED.values(), ids=SPOILED)
def test_what_is_wrong_has_a_remedy_and_stops_runs_only_where_none_would_work(
    changes: dict[str, Any], remedy: str, stops: bool
):
    (one,) = diagnosis.advice(spoiled(changes))
    assert remedy in one.do
    assert one.stops is stops


@pytest.mark.parametrize(("version", "stops"), [("2.7.0", False), (None, True)])
def test_a_library_outside_its_range_is_told_and_a_missing_one_stops_runs(version: str | None, stops: bool):
    (one,) = diagnosis.advice(torch_is(version))
    assert one.do == "pip install 'torch<2.14,>=2.8'"
    assert one.stops is stops


def test_what_stops_runs_is_told_first():
    said = diagnosis.advice(spoiled({"load": 1.5, "results": {"writable": False}}))
    assert [one.stops for one in said] == [True, False]


@pytest.mark.parametrize(("changes", "code"), [({}, 0), ({"load": 1.5}, 0), ({"results": {"writable": False}}, 1)])
def test_the_exit_code_says_whether_a_run_would_work(
    changes: dict[str, Any], code: int, monkeypatch: pytest.MonkeyPatch
):
    assert doctor(monkeypatch, spoiled(changes)).exit_code == code


def test_the_command_shows_every_fact_and_every_remedy(monkeypatch: pytest.MonkeyPatch):
    shown = doctor(monkeypatch, spoiled({"load": 1.5})).stdout
    told = (
        "A Processor",
        "2 of 4 cores",
        "tiles (amx_bf16)",
        "OMP_NUM_THREADS is not set",
        "in 9.0 s",
        "12 MB",
        "61.4",
    )
    assert [text for text in (*told, "torch 2.13.0 (supported: >=2.8)", "wait until") if text not in shown] == []


def test_the_error_of_a_broken_compiler_is_shown(monkeypatch: pytest.MonkeyPatch):
    found = doctor(monkeypatch, spoiled({"compiler": {"error": "cannot link"}}))
    assert "cannot link" in found.stdout
    assert "STOPS RUNS" in found.stdout


def test_a_machine_reads_the_same_as_json(monkeypatch: pytest.MonkeyPatch):
    found = json.loads(doctor(monkeypatch, spoiled({"load": 1.5}), "--json").stdout)
    assert found["works"] is True
    assert [one["stops"] for one in found.pop("advice")] == [False]
    assert {key: found[key] for key in GOOD} == spoiled({"load": 1.5})


def test_a_compiler_that_is_there_and_fails_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = tmp_path / "broken-g++"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    assert "broken-g++" in diagnosis.compiler("cpu")["error"]


def test_a_compiler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert diagnosis.compiler("cpu") == {"command": "no-such-compiler", "path": None, "version": None}


def test_the_versions_in_use_are_within_their_ranges():
    found = {one["name"]: one for one in diagnosis.versions()}
    assert found["torch"]["supported"] == "<2.14,>=2.8"
    assert found["python"]["version"]
    assert all(one["fits"] for one in found.values())


def test_a_folder_that_is_not_there_yet_is_judged_by_what_would_hold_it(tmp_path: Path):
    found = diagnosis.folder(tmp_path / "not" / "there")
    assert found["writable"]
    assert found["free_gb"] > 0
    (tmp_path / "file").write_bytes(bytes(2**20))
    assert not diagnosis.folder(tmp_path / "file" / "below")["writable"]
    assert diagnosis.size_mb(tmp_path) == 1.0


def test_a_folder_that_every_user_can_write_is_found_unless_its_files_are_their_owners_alone(tmp_path: Path):
    found = {}
    for mode in (0o755, 0o777, 0o1777):
        tmp_path.chmod(mode)
        found[mode] = diagnosis.folder(tmp_path)["others_write"]
    assert found == {0o755: False, 0o777: True, 0o1777: False}


def test_the_judgement_of_a_folder_leaves_nothing_in_it(tmp_path: Path):
    assert diagnosis.folder(tmp_path)["writable"]
    assert abs(diagnosis.clock(tmp_path)["files_off_s"]) < 5
    assert list(tmp_path.iterdir()) == []


def test_a_clock_behind_the_sources_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(diagnosis.time, "time", lambda: 1e9)
    found = diagnosis.clock(tmp_path)
    assert found["utc"].startswith("2001-09-09")
    assert found["behind_s"] > 1e8
    assert found["files_off_s"] > 1e8


def test_products_are_measured_alone_and_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MEASURED_S", 0.01)
    found = diagnosis.products(2)
    assert [set(rates) for rates in found.values()] == [set(limits.SHAPES)] * len(found)
    assert set(found) >= {"one thread", "2 processes"}
    assert all(rate > 0 for rates in found.values() for rate in rates.values())


def test_a_rate_counts_two_operations_for_a_product_and_sum(monkeypatch: pytest.MonkeyPatch):
    # a clock that ticks a second at each look: CALLS products last one
    ticks = iter(range(1000))
    monkeypatch.setattr(limits.time, "perf_counter", lambda: next(ticks))
    assert limits.gflop_per_s((2, 3, 5, 7)) == pytest.approx(2 * 2 * 3 * 5 * 7 * limits.CALLS / 1e9)
