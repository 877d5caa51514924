"""The local executor: one process per core, each with its own threads, fed with one ensemble at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ganbench.execution.worker import Job, Outcome

ATTEMPTS = 3
"""How often a job is given out when its worker dies; then its replicas are `failed`."""


@dataclass(frozen=True)
class Task:
    """A job in a queue; tasks of equal affinity share compiled code and go to one worker where possible."""

    number: int
    job: Job
    affinity: str


@dataclass(frozen=True)
class Progress:
    """Iterations newly finished by every replica of a task."""

    number: int
    iterations: int


@dataclass(frozen=True)
class Finished:
    """A task's outcomes, one per replica."""

    number: int
    outcomes: list[Outcome]


class Worker:
    """One process and our end of its pipe."""

    def __init__(self, threads: int):
        ours, theirs = Pipe()
        self.pipe: Connection = ours
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        package = str(Path(__file__).parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH")) if p)
        command = [sys.executable, "-m", "ganbench.execution.process", str(theirs.fileno()), str(threads)]
        # a session of its own: Ctrl-C reaches the driver alone, which stops its workers
        self.process = subprocess.Popen(
            command, pass_fds=(theirs.fileno(),), env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        self.task: Task | None = None
        self.affinity = ""

    def give(self, task: Task) -> None:
        """Sends a task. Raises OSError where the process has died."""
        self.pipe.send(task.job)
        self.task, self.affinity = task, task.affinity

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.pipe.close()


def run_local(tasks: list[Task], workers: int, threads: int) -> Generator[Progress | Finished, None, None]:
    """Runs every task and yields what happens. Closing the iterator stops the workers at once.

    A task whose worker dies is given out again, at most three times in all; it goes on from its checkpoint.
    """
    team = Team(tasks, workers, threads)
    try:
        yield from team.run()
    finally:
        team.stop()


class Team:
    """The workers of one run and the tasks that none of them has yet."""

    def __init__(self, tasks: list[Task], workers: int, threads: int):
        self.pending = list(tasks)
        self.attempts = dict.fromkeys((task.number for task in tasks), 0)
        self.threads = threads
        self.workers = [Worker(threads) for _ in range(min(workers, len(tasks)))]

    def run(self) -> Iterator[Progress | Finished]:
        """What happens until every task is finished."""
        while True:
            for place in range(len(self.workers)):
                self._employ(place)
            busy = {worker.pipe: place for place, worker in enumerate(self.workers) if worker.task}
            if not busy:
                return
            for pipe in wait(list(busy)):
                yield from self._hear(busy[pipe])  # type: ignore[index]  # wait gives back what it was given

    def stop(self) -> None:
        """Ends every worker."""
        for worker in self.workers:
            worker.stop()

    def _employ(self, place: int) -> None:
        """Gives the worker at a place a task, where it has none and there is one; a dead worker is replaced first."""
        while self.pending and self.workers[place].task is None:
            worker = self.workers[place]
            task = _next(self.pending, worker, self.workers)
            try:
                worker.give(task)
            except OSError:  # it died while it had nothing to do
                self._replace(place)
                continue
            self.pending.remove(task)
            self.attempts[task.number] += 1

    def _hear(self, place: int) -> Iterator[Progress | Finished]:
        """What the worker at a place has to say; its death included."""
        worker, task = self.workers[place], self.workers[place].task
        assert task is not None, "only busy workers are heard"
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            self._replace(place)
            if self.attempts[task.number] < ATTEMPTS:
                self.pending.insert(0, task)
            else:
                yield Finished(task.number, _lost(task.job, worker.process.returncode))
            return
        if kind == "progress":
            yield Progress(task.number, content)
        else:
            worker.task = None
            yield Finished(task.number, content)

    def _replace(self, place: int) -> None:
        self.workers[place].stop()
        self.workers[place] = Worker(self.threads)


def _next(pending: list[Task], worker: Worker, team: list[Worker]) -> Task:
    """A task whose code this worker has compiled, else one that no other worker compiles, else the first."""
    elsewhere = {other.affinity for other in team if other is not worker and other.task}
    same = (task for task in pending if task.affinity == worker.affinity)
    new = (task for task in pending if task.affinity not in elsewhere)
    return next(same, None) or next(new, pending[0])


def _lost(job: Job, code: int) -> list[Outcome]:
    reason = f"signal {-code}" if code < 0 else f"exit code {code}"
    error = f"its worker process ended {ATTEMPTS} times, last with {reason}"
    return [Outcome(definition, "failed", info={"error": error}) for definition in job.definitions]
