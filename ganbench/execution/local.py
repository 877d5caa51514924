"""Worker processes on this machine, and the local executor: one per core or GPU, fed with one ensemble at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ganbench.execution.tasks import Event, Finished, Progress, Queue, Task

START_S = 600.0
"""Seconds for a process to import its libraries, which a cold network disk can draw out."""
LOOK_S = 60.0
"""Seconds between two looks at whether a worker is silent, at most."""
UNUSED = {f"POT_BACKEND_DISABLE_{library}": "1" for library in ("JAX", "CUPY", "TENSORFLOW", "PYTORCH")}
"""Keeps POT, which is given numpy's arrays alone, from importing every other array library: a second each and more."""


class Lost(Exception):
    """A worker that will say no more, and why: a phrase after "the worker"."""


class Worker:
    """One process and our end of its pipe."""

    def __init__(
        self,
        threads: int,
        silence_s: float,
        variables: Mapping[str, str] = MappingProxyType({}),
        elsewhere: bool = False,
        folder: str | None = None,
    ):
        """`elsewhere` has it check that this machine gives the bits that the job's definitions promise."""
        ours, theirs = Pipe()
        self.pipe: Connection = ours
        environment = {
            **os.environ,
            **UNUSED,
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            **variables,
        }
        package = str(Path(__file__).parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH")) if p)
        command = [sys.executable, "-m", "ganbench.execution.process", str(theirs.fileno()), str(threads)]
        # a session of its own: Ctrl-C reaches the driver alone, which stops its workers
        self.process = subprocess.Popen(
            [*command, *["elsewhere"] * elsewhere],
            pass_fds=(theirs.fileno(),),
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self.silence_s, self.heard, self.ready = silence_s, time.monotonic(), False
        self.task: Task | None = None
        self.affinity = ""

    def give(self, task: Task) -> None:
        """Sends a task. Raises OSError where the process has died, or is silent for too long while it is sent."""
        with self._ended_if_silent():
            self.pipe.send(task.job)
        self.task, self.affinity, self.heard = task, task.affinity, time.monotonic()

    def hear(self) -> tuple[str, Any]:
        """What it says next; waits for it. Raises Lost where it has died, or stops in the middle of what it says."""
        try:
            with self._ended_if_silent() as silent:
                said = self.pipe.recv()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            self.stop()
            raise Lost(self._silence() if silent.is_set() else _ended(self.process.returncode)) from None
        self.heard, self.ready = time.monotonic(), True
        return said

    @contextmanager
    def _ended_if_silent(self) -> Iterator[threading.Event]:
        """Ends the process where a message takes longer than it may be silent, which ends the wait for it, and says so.

        A pipe waits for a whole message, and for a reader of one that it cannot hold, for as long as both ends live.
        """
        silent = threading.Event()

        def end() -> None:
            silent.set()
            self.process.kill()

        timer = threading.Timer(self._allowed_s(), end)
        timer.daemon = True
        timer.start()
        try:
            yield silent
        finally:
            timer.cancel()

    def _allowed_s(self) -> float:
        return self.silence_s if self.ready else max(self.silence_s, START_S)

    def _silence(self) -> str:
        return f"said nothing for {self.silence_s:g} s, the suite's limits.silence_s"

    def patience_s(self) -> float:
        """Seconds until it has been silent for too long."""
        return self.heard + self._allowed_s() - time.monotonic()

    def check(self) -> None:
        """Raises Lost where it has been silent for too long, and ends it: it may be stopped, or in an endless loop."""
        if self.patience_s() <= 0 and not self.pipe.poll():
            self.stop()
            raise Lost(self._silence())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.pipe.close()


@dataclass(frozen=True)
class Local:
    """The executor of one machine. `gpus` are the names that CUDA knows them by; workers take turns on them."""

    workers: int
    threads: int
    silence_s: float
    gpus: tuple[str, ...] = ()

    def run(self, tasks: list[Task]) -> Generator[Event, None, None]:
        return run_local(tasks, self.workers, self.threads, self.silence_s, self.gpus)


def run_local(
    tasks: list[Task], workers: int, threads: int, silence_s: float, gpus: Sequence[str] = ()
) -> Generator[Event, None, None]:
    """Runs every task and yields what happens. Closing the iterator stops the workers at once.

    A task whose worker dies or is silent for `silence_s` is given out again, see `Queue`; it goes on from its
    checkpoint.
    """
    team = Team(tasks, workers, threads, silence_s, gpus)
    try:
        yield from team.run()
    finally:
        team.stop()


class Team:
    """The workers of one run and the tasks that none of them has yet."""

    def __init__(self, tasks: list[Task], workers: int, threads: int, silence_s: float, gpus: Sequence[str] = ()):
        self.queue = Queue(tasks)
        self.threads, self.silence_s, self.gpus = threads, silence_s, gpus
        self.workers = [self._worker(place) for place in range(min(workers, len(tasks)))]

    def run(self) -> Iterator[Event]:
        """What happens until every task is finished."""
        while True:
            for place in range(len(self.workers)):
                self._employ(place)
            busy = {worker.pipe: place for place, worker in enumerate(self.workers) if worker.task}
            if not busy:
                return
            patience_s = min(self.workers[place].patience_s() for place in busy.values())
            spoke = wait(list(busy), min(max(0.0, patience_s), LOOK_S))
            for pipe, place in busy.items():
                yield from self._attend(place, pipe in spoke)

    def stop(self) -> None:
        """Ends every worker."""
        for worker in self.workers:
            worker.stop()

    def _worker(self, place: int) -> Worker:
        gpu = {"CUDA_VISIBLE_DEVICES": self.gpus[place % len(self.gpus)]} if self.gpus else {}
        return Worker(self.threads, self.silence_s, gpu)

    def _employ(self, place: int) -> None:
        """Gives the worker at a place a task, where it has none and there is one; a dead worker is replaced first."""
        while self.queue.pending and self.workers[place].task is None:
            worker = self.workers[place]
            task = _next(self.queue.pending, worker, self.workers)
            try:
                worker.give(task)
            except OSError:  # it died while it had nothing to do
                self._replace(place)
                continue
            self.queue.pending.remove(task)

    def _attend(self, place: int, spoke: bool) -> Iterator[Event]:
        """What the worker at a place has to say; its death or its silence included."""
        worker, task = self.workers[place], self.workers[place].task
        assert task is not None, "only busy workers are heard"
        try:
            if not spoke:
                worker.check()
                return
            kind, content = worker.hear()
        except Lost as loss:
            self._replace(place)
            yield from self.queue.lost(task, str(loss))
            return
        if kind == "progress":
            yield Progress(task.number, content)
        elif kind == "outcomes":
            worker.task = None
            yield Finished(task.number, content)

    def _replace(self, place: int) -> None:
        self.workers[place].stop()
        self.workers[place] = self._worker(place)


def _next(pending: list[Task], worker: Worker, team: list[Worker]) -> Task:
    """A task whose code this worker has compiled, else one that no other worker compiles, else the first."""
    elsewhere = {other.affinity for other in team if other is not worker and other.task}
    same = (task for task in pending if task.affinity == worker.affinity)
    new = (task for task in pending if task.affinity not in elsewhere)
    return next(same, None) or next(new, pending[0])


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    named = {number.value: number.name for number in signal.Signals}
    return f"ended with signal {-code} ({named.get(-code, 'of no name')})"
