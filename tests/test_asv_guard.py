"""The guard of speed, with the real asv on a project of its own: what is slower is named, what is not is let go.

The clock counts the lines of Python that run, so that no other process can raise an alarm: the rate of false ones is 0
here, and that of a real clock is the machine's. `make check-guard` does the same by the processor's clock, for which a
machine must be quiet: it fails where the quickest of hundreds of samples of equal code are 10% apart, twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GUARD = Path(__file__).parents[1] / "suites" / "asv_tools" / "guard.py"

PACKAGE = """\
def work(n):
    total = 0
    for i in range(n):
        total += i * i % 7
    return total


def one():
    return work({one})


def other():
    return work({other})
"""

BENCHMARKS = """\
import sys
import time

import tiny

LINES = 0


def counted(frame, event, argument):
    global LINES
    LINES += event == "line"
    return counted


def lines_executed():
    return LINES / 1e6


class Loops:
    timer, number, repeat, warmup_time = staticmethod({clock}), 1, {repeat}, 0.0

    def setup(self):
        if {clock} is lines_executed:
            sys.settrace(counted)

    def time_one(self):
        tiny.one()

    def time_other(self):
        tiny.other()
"""

QUIET = os.environ.get("GANBENCH_QUIET_MACHINE")  # its clock can be trusted
CLOCK, REPEAT, LOOPS, ROUNDS = ("time.process_time", 100, 50_000, 2) if QUIET else ("lines_executed", 3, 1_000, 1)

CONFIGURATION = {
    "version": 1,
    "project": "tiny",
    "repo": ".",
    "branches": ["main"],
    "benchmark_dir": "benchmarks",
    "results_dir": "results",
    "environment_type": "virtualenv",
    "launch_method": "forkserver",
}


def git(project: Path, *arguments: str) -> None:
    named = ("-c", "user.name=nobody", "-c", "user.email=nobody@nowhere", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *named, *arguments], cwd=project, check=True, capture_output=True)


def commit(project: Path, one: int | str = LOOPS, other: int = LOOPS) -> None:
    """One more commit of the package, with so much work in its two functions."""
    (project / "tiny" / "__init__.py").write_text(PACKAGE.format(one=one, other=other))
    git(project, "add", "--all")
    git(project, "commit", "--allow-empty", "--message", f"{one} and {other}")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository with a package of two functions, a benchmark of each, and one commit."""
    for name, text in {
        "asv.conf.json": json.dumps(CONFIGURATION),
        "benchmarks/__init__.py": "",
        "benchmarks/loops.py": BENCHMARKS.format(clock=CLOCK, repeat=REPEAT),
        "tiny/__init__.py": "",
    }.items():
        (path := tmp_path / name).parent.mkdir(exist_ok=True)
        path.write_text(text)
    git(tmp_path, "init")
    commit(tmp_path)
    return tmp_path


def guarded(project: Path, base: str, head: str) -> subprocess.CompletedProcess[str]:
    # asv keeps a machine's name in the home of whoever runs it
    environment = {**os.environ, "HOME": str(project)}
    command = [sys.executable, str(GUARD), base, head, "--rounds", str(ROUNDS)]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


def test_a_commit_that_is_30_percent_slower_is_flagged_and_the_benchmark_named(project: Path):
    commit(project, one=13 * LOOPS // 10)
    done = guarded(project, "HEAD~1", "HEAD")
    assert done.returncode == 1, done.stdout + done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("SLOWER")] == [
        "loops.Loops.time_one"
    ]


@pytest.mark.skipif(bool(QUIET), reason="a matter of counted lines")
def test_the_factor_is_1_10(project: Path):
    commit(project, one=115 * LOOPS // 100, other=105 * LOOPS // 100)
    done = guarded(project, "HEAD~1", "HEAD")
    assert done.returncode == 1, done.stdout + done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("suspected")] == [
        "loops.Loops.time_one"
    ]


def test_a_commit_whose_benchmark_fails_is_not_let_go(project: Path):
    commit(project, one="1 / 0")
    done = guarded(project, "HEAD~1", "HEAD")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "FAILED: loops.Loops.time_one at the second commit" in done.stdout


def test_a_commit_that_changes_no_work_is_let_go(project: Path):
    commit(project)
    done = guarded(project, "HEAD~1", "HEAD")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 compared" in done.stdout


@pytest.mark.parametrize(
    ("base", "said"), [("HEAD", '"HEAD" and "HEAD" are one commit'), ("nothing", 'git knows no commit "nothing"')]
)
def test_what_cannot_be_compared_is_said_before_anything_is_measured(project: Path, base: str, said: str):
    done = guarded(project, base, "HEAD")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"could not measure: {said}")
