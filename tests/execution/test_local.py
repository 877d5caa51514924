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
from ganbench.execution.local import ATTEMPTS, Finished, Progress, Team
from ganbench.suite import apply_overrides, parse_suite

CHILDREN = Path("/proc/self/task").exists()


def team(folder: Path) -> Team:
    """One worker for one ensemble."""
    suite = apply_overrides(parse_suite(tiny.SUITE), objectives=["minimax"], targets=["gaussian1d"])
    suite = apply_overrides(suite, settings={"baselines": "[]"})
    tasks = pipeline._tasks(pipeline.plan(suite, results=folder))
    assert len(tasks) == 1
    return Team(tasks, workers=1, threads=1)


def statuses(event: Progress | Finished) -> list[str]:
    assert isinstance(event, Finished)
    return [outcome.status for outcome in event.outcomes]


def test_a_task_whose_worker_is_killed_is_given_out_again(tmp_path: Path):
    workers = team(tmp_path)
    try:
        events = workers.run()
        assert isinstance(next(events), Progress)
        workers.workers[0].process.kill()
        assert statuses(list(events)[-1]) == ["completed", "completed"]
        assert list(workers.attempts.values()) == [2]
    finally:
        workers.stop()


def test_replicas_fail_with_the_signal_when_their_worker_is_killed_every_time(tmp_path: Path):
    workers, deaths = team(tmp_path), 0
    try:
        for event in workers.run():
            if isinstance(event, Finished):
                break
            workers.workers[0].process.kill()
            workers.workers[0].process.wait()
            while workers.workers[0].pipe.poll():  # what it said before it died
                try:
                    workers.workers[0].pipe.recv()
                except EOFError:
                    break
            deaths += 1
        assert deaths == ATTEMPTS
        assert statuses(event) == ["failed", "failed"]
        assert isinstance(event, Finished)
        assert "signal 9" in event.outcomes[0].info["error"]
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
