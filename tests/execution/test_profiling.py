"""A trace opens in a trace viewer, names what an ensemble does, and changes nothing of what it came to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_worker import Outcome, job, outcomes, same
from tiny import run

from ganbench.execution import profiling

NAMES = {
    "minimax": {"iteration", "draws", "step D", "step G", "evaluation"},
    "em": {"iteration", "draws", "E-step", "step D", "step G", "evaluation"},
    "non-saturating[updates=simultaneous]": {"iteration", "draws", "step DG", "evaluation"},
}


def traced(folder: Path, name: str = "minimax") -> tuple[dict[str, Any], list[Outcome]]:
    """The content of a trace and the outcomes of the job that left it."""
    file = folder / "profile" / "trace.json"
    found = outcomes(replace(job(folder, name), trace=str(file)))
    return json.loads(file.read_text()), found


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return traced(tmp_path_factory.mktemp("minimax"))[0]


def ranges(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in content["traceEvents"] if event.get("cat") == "user_annotation"]


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_names_draws_steps_and_evaluation(tmp_path: Path, name: str):
    content, found = traced(tmp_path, name)
    named = [event["name"] for event in ranges(content)]
    assert set(named) == NAMES[name]
    assert named.count("iteration") == content["ganbench"]["iterations"]
    assert [o.status for o in found] == ["completed"] * 3


def test_a_trace_has_what_its_viewers_need(content: dict[str, Any]):
    spans = [event for event in content["traceEvents"] if event["ph"] == "X"]
    assert all({"name", "ts", "dur", "pid", "tid"} <= event.keys() for event in spans)
    assert any(event["name"].startswith("aten::") for event in spans)


def test_steps_lie_within_iterations(content: dict[str, Any]):
    found = ranges(content)
    iterations = [(e["ts"], e["ts"] + e["dur"]) for e in found if e["name"] == "iteration"]
    steps = [e for e in found if e["name"].startswith("step")]
    assert len(steps) == 2 * len(iterations)
    assert all(any(a <= e["ts"] and e["ts"] + e["dur"] <= b for a, b in iterations) for e in steps)


def test_a_new_block_of_draws_begins_within_the_trace(content: dict[str, Any]):
    draws = [event["dur"] for event in ranges(content) if event["name"] == "draws"]
    assert max(draws) > 2 * np.median(draws)  # 32 steps' draws against none: tens of times


@pytest.mark.parametrize("name", ["em", "wasserstein-clip"])
def test_results_do_not_change_by_a_bit_with_a_trace(tmp_path: Path, name: str):
    plain = outcomes(job(tmp_path / "plain", name))
    _, found = traced(tmp_path, name)
    assert all(same(a, b) for a, b in zip(plain, found, strict=True))
    assert [o.definition["replica_id"] for o in plain] == [o.definition["replica_id"] for o in found]


def test_the_clock_of_a_replica_sees_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def spoil(training: Any, *_: Any) -> None:
        training._clock.seconds += 1e6
        training.compile_s += 1e6
        training.state = {**training.state, "alive": torch.zeros_like(training.state["alive"])}

    monkeypatch.setattr(profiling, "write_trace", spoil)
    found = outcomes(replace(job(tmp_path), trace="trace.json"))
    assert all(max(o.info["training_s"], o.info["compile_s"], *o.spent.values()) < 1e5 for o in found)
    assert [o.status for o in found] == ["completed"] * 3


def test_large_iterations_make_a_short_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(profiling, "MOST_BYTES", 1)
    assert traced(tmp_path)[0]["ganbench"]["iterations"] == 1


def test_a_disk_that_refuses_costs_no_replica(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "profile").write_text("a file in the way")
    found = outcomes(replace(job(tmp_path), trace=str(tmp_path / "profile" / "trace.json")))
    assert [o.status for o in found] == ["completed"] * 3
    assert "no trace" in capsys.readouterr().err


def test_a_run_says_where_its_traces_are_and_what_opens_them_and_later_that_nothing_was_left_to_train(tmp_path: Path):
    changes = ("-o", "minimax", "-t", "ring8", "--set", "baselines=[]", "--seeds", "1", "--profile")
    first, second = run(tmp_path, *changes), run(tmp_path, *changes)
    folder = tmp_path / "results" / "tiny" / "profile"
    assert [file.name.rpartition("-")[0] for file in folder.iterdir()] == ["ring8-minimax"]
    assert f"profile: {folder} (1 trace; open one in https://ui.perfetto.dev or chrome://tracing)" in first.stdout
    assert "tracing" in first.stderr
    assert "profile: nothing was left to train, so there is no trace" in second.stdout
    assert first.exit_code == second.exit_code == 0
