"""The local executor survives the death of its workers, and they do not survive the death of their driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

from ganbench import pipeline
from ganbench.execution import local
from ganbench.execution.local import Lost, Team, Worker
from ganbench.execution.tasks import REQUEUED, Event, Finished, Progress, Queue, Requeued, Task
from ganbench.execution.worker import Job
from ganbench.suite import apply_overrides, parse_suite

CHILDREN = Path("/proc/self/task").exists()


def tasks(folder: Path) -> list[Task]:
    """Those of one ensemble: one."""
    suite = apply_overrides(parse_suite(tiny.SUITE), objectives=["minimax"], targets=["gaussian1d"])
    suite = apply_overrides(suite, settings={"baselines": "[]"})
    found = pipeline._tasks(pipeline.plan(suite, results=folder))
    assert len(found) == 1
    return found


def team(folder: Path) -> Team:
    """One worker for one ensemble."""
    return Team(tasks(folder), workers=1, threads=1, silence_s=60)


def statuses(event: Event) -> list[str]:
    assert isinstance(event, Finished)
    return [outcome.status for outcome in event.outcomes]


def test_a_task_whose_worker_is_killed_is_given_out_again(tmp_path: Path):
    workers = team(tmp_path)
    try:
        events = workers.run()
        assert isinstance(next(events), Progress)
        workers.workers[0].process.kill()
        *before, last = events
        assert Requeued(0, "ended with signal 9 (SIGKILL)") in before
        assert statuses(last) == ["completed", "completed"]
    finally:
        workers.stop()


def test_a_worker_that_is_stopped_is_ended_at_the_limit_and_its_task_given_out_again(tmp_path: Path):
    workers = team(tmp_path)
    try:
        events = workers.run()
        assert isinstance(next(events), Progress)
        workers.workers[0].silence_s = 0.5
        frozen = workers.workers[0].process
        frozen.send_signal(signal.SIGSTOP)
        *before, last = events
        assert Requeued(0, "said nothing for 0.5 s, the suite's limits.silence_s") in before
        assert statuses(last) == ["completed", "completed"]
        assert frozen.returncode == -signal.SIGKILL
    finally:
        workers.stop()


def test_a_worker_that_still_imports_its_libraries_is_not_taken_for_silent():
    worker = Worker(threads=1, silence_s=0.01)  # far less than torch takes to import
    try:
        assert worker.patience_s() > 60
        assert worker.hear() == ("ready", None)
        assert worker.patience_s() <= 0.01
    finally:
        worker.stop()


def half_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker that says a message's length and half of the message, and hears nothing."""
    program = folder / "half-way"
    program.write_text(
        f"#!{sys.executable}\nimport os, sys, time\n"
        "os.write(int(sys.argv[3]), (1000).to_bytes(4, 'big') + bytes(500))\ntime.sleep(60)\n"
    )
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(local, "START_S", 0.5)
    return Worker(threads=1, silence_s=0.5)


def test_a_worker_that_stops_in_the_middle_of_a_message_is_ended_at_the_limit(tmp_path: Path, monkeypatch):
    worker = half_way(tmp_path, monkeypatch)
    with pytest.raises(Lost, match=r"^said nothing for 0\.5 s, the suite's limits\.silence_s$"):
        worker.hear()
    assert worker.process.returncode == -signal.SIGKILL


def test_a_worker_that_does_not_take_a_task_is_ended_at_the_limit(tmp_path: Path, monkeypatch):
    worker = half_way(tmp_path, monkeypatch)
    large = Job(({"label": "more than a pipe holds" * 10**6},), "cpu", "checkpoint")
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        worker.give(Task(0, large, ""))
    worker.stop()
    assert worker.process.returncode == -signal.SIGKILL


CRASH = """
import ctypes
from ganbench.objectives.minimax import Minimax
class Mine(Minimax):
    def d_loss(self, G, D, b, /): return ctypes.string_at(0)
"""


@pytest.mark.usefixtures("processes")
def test_a_null_pointer_in_an_objective_fails_its_own_replicas_alone_and_with_the_reason(tmp_path: Path):
    (tmp_path / "crash.py").write_text(CRASH)
    suite = apply_overrides(
        parse_suite(tiny.SUITE), objectives=[f"{tmp_path / 'crash.py'}:Mine", "minimax"], targets=["gaussian1d"]
    )
    ran = pipeline.run(suite, results=tmp_path, device="cpu", workers=1)
    results = ran.results().drop_duplicates("replica_id")
    ended = results.groupby("label").status.agg(set).to_dict()
    assert ended == {
        "crash.py:Mine": {"failed"},
        **{label: {"completed"} for label in ("minimax", "oracle", "trivial")},
    }
    (error,) = results[results.status == "failed"].error.unique()
    assert error == f"its worker was lost {1 + REQUEUED} times; the last one ended with signal 11 (SIGSEGV)"


def test_a_task_is_queued_again_three_times_and_then_its_replicas_have_failed(tmp_path: Path):
    queue, events = Queue(tasks(tmp_path)), list[Event]()
    (task,) = queue.pending
    queue.pending.clear()
    while not events or isinstance(events[-1], Requeued):
        events += queue.lost(task, "fell asleep")
    assert [type(event) for event in events] == [Requeued] * 3 + [Finished]
    assert statuses(events[-1]) == ["failed", "failed"]
    assert queue.pending == [task] * 3


def test_workers_take_turns_on_the_gpus():
    many = pipeline._tasks(pipeline.plan(parse_suite(tiny.SUITE), device="cpu"))
    workers = Team(many, workers=3, threads=1, silence_s=60, gpus=("0", "GPU-b"))
    try:
        found = [Path(f"/proc/{w.process.pid}/environ").read_bytes().split(b"\0") for w in workers.workers]
        seen = [[v for v in variables if v.startswith(b"CUDA_VISIBLE")] for variables in found]
        assert seen == [[b"CUDA_VISIBLE_DEVICES=" + name] for name in (b"0", b"GPU-b", b"0")]
    finally:
        workers.stop()


def test_a_worker_that_died_while_idle_is_replaced(tmp_path: Path):
    workers = team(tmp_path)
    try:
        workers.workers[0].process.kill()
        workers.workers[0].process.wait()
        assert statuses(list(workers.run())[-1]) == ["completed", "completed"]
    finally:
        workers.stop()


@pytest.mark.skipif(not CHILDREN, reason="finds the worker through /proc, which only Linux has")
def test_a_worker_ends_when_its_driver_is_killed(tmp_path: Path):
    (tmp_path / "long.toml").write_text(tiny.SUITE.replace("amount = 4", "amount = 100000000"))
    options = ["run", "--suite", str(tmp_path / "long.toml"), "--results", str(tmp_path), "--workers", "1"]
    driver = subprocess.Popen([sys.executable, "-m", "ganbench", *options], stderr=subprocess.DEVNULL)
    try:
        worker = _first(lambda: _children(driver.pid))
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    assert _first(lambda: not _lives(worker))


def test_a_process_whose_driver_is_gone_ends_without_waiting_for_a_report():
    code = "from ganbench.execution.process import die_with; die_with(-1)"  # no process has this number
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 1


def _children(pid: int) -> int | None:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(found[0]) if found else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # one that waits to be reaped by a container's first process has ended too
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def _first(question, seconds: float = 30.0):
    """The first true answer; fails after some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := question():
            return answer
        time.sleep(0.1)
    raise AssertionError("no answer in time")
