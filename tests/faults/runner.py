"""`ganbench run` in a process that has imported all of it; its workers are forks as well, and checkpoints are many."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from faults.disk import Counted, Instead, Killed, Noted, Refused, every_call
from ganbench.cli import main
from ganbench.execution import local, process, worker
from ganbench.execution.tasks import Finished, Task
from ganbench.report import tables

SUITE = """\
name = "tiny"
seeds = 2
targets = ["gaussian1d"]
objectives = ["minimax"]
baselines = ["oracle"]
network = "mlp[width=8,depth=1]"
[budget]
currency = "iterations"
amount = 4
[training]
batch = 32
[execution]
compiled = false
width = 2
[evaluation]
times = 2
samples = 32
final_samples = 32
metrics = ["w1"]
rank_by = "w1"
"""


WIDE = SUITE.replace("seeds = 2", "seeds = 8").replace("width = 2", "width = 8").replace("batch = 32", "batch = 65536")

worker.CHECKPOINT_S = 0.0
worker.FIRST_STRETCH, worker.STRETCH_S = 4, 0.001


class Fork:
    """A worker as `subprocess.Popen` gives it, forked from its driver, in whose process group it stays."""

    faults: Instead = Counted()
    """What befalls the files that the next worker reaches."""
    memory = 0
    """Bytes that each worker may take beyond those that it begins with; 0 is no limit."""

    def __init__(self, command: Sequence[str], pass_fds: tuple[int, ...], env: dict[str, str], **_: Any):
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            _be_worker(command, pass_fds[0], env)
        Fork.faults = Counted()  # they befall one worker

    def kill(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode


def _be_worker(command: Sequence[str], pipe: int, environment: dict[str, str]) -> None:
    code = 98
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.closerange(3, pipe)
        os.closerange(pipe + 1, 256)
        os.environ.update(environment)
        sys.argv = list(command[2:])
        if Fork.memory:
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + Fork.memory, taken + Fork.memory))
        befalling.instead = Fork.faults
        process.main()
        code = 0
    finally:
        os._exit(code)


local.subprocess = SimpleNamespace(Popen=Fork, DEVNULL=None)  # type: ignore[assignment]
befalling = SimpleNamespace(instead=Counted())
"""What befalls the files that this process reaches."""


def run(folder: str, reports: bool = True, text: str = SUITE) -> None:
    """`ganbench run` with results in a folder; a report takes as long as the rest."""
    if not reports:
        tables.write_report = lambda place, *_: (place / "tables.md", place / "tables.csv", place / "report.html")
        tables.print_tables = lambda *_: None
    every_call(f"{folder}/results", lambda name, path, call: befalling.instead(name, path, call))
    (Path(folder) / "tiny.toml").write_text(text)
    options = ["--suite", f"{folder}/tiny.toml", "--results", f"{folder}/results", "--workers", "1"]
    main(["run", *options], prog_name="ganbench")


def _befall(who: str, what: Counted) -> None:
    """In the driver or in the first of its workers."""
    if who == "driver":
        befalling.instead = what
    else:
        Fork.faults = what


def run_in_memory(folder: str, size: int) -> None:
    """Runs an ensemble of 8 replicas, each of large batches, in so many bytes."""
    Fork.memory = size
    run(folder, False, WIDE)


def count(folder: str, into: str) -> None:
    """Runs, and notes the calls of the driver and of its worker into two files."""
    Fork.faults = Noted(Path(f"{into}.worker"))
    befalling.instead = Noted(Path(f"{into}.driver"))
    run(folder)


def run_and_be_killed(folder: str, who: str, number: int, when: str) -> None:
    _befall(who, Killed(number, when))
    run(folder, reports=False)


def run_and_be_interrupted(folder: str, number: int, when: str, by: int) -> None:
    befalling.instead = Killed(number, when, by)
    run(folder)


def run_and_be_refused(folder: str, into: str, who: str, number: int, code: int) -> None:
    """Runs while one call is refused; notes which into a file."""
    _befall(who, Refused(number, code, Path(into)))
    run(folder)


def _warm() -> None:
    """One run in this very process, after which nothing is left to import or to begin for the first time."""

    def here(tasks: list[Task], *_: Any) -> Iterator[Finished]:
        for task in tasks:
            yield Finished(task.number, worker.run_job(task.job, lambda iterations: None))

    run_local, local.run_local = local.run_local, here  # type: ignore[assignment]  # no limits, no GPUs
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        Path(folder, "tiny.toml").write_text(SUITE)
        options = ["--suite", f"{folder}/tiny.toml", "--results", f"{folder}/results"]
        assert main(["run", *options], standalone_mode=False) is None
    local.run_local = run_local


_warm()
