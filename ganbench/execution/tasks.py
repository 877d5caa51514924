"""What an executor is given and what it tells, and the one rule for an ensemble whose worker is lost."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from ganbench.execution.worker import Job, Outcome

REQUEUED = 3
"""How often an ensemble is queued again when its worker is lost; after that its replicas are `failed`."""


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
class Requeued:
    """A task lost its worker, for a reason, and is queued again."""

    number: int
    reason: str


@dataclass(frozen=True)
class Finished:
    """A task's outcomes, one per replica."""

    number: int
    outcomes: list[Outcome]


Event = Progress | Requeued | Finished


class Executor(Protocol):
    """Gives tasks to worker processes, wherever these are; nothing but the caller writes to the store."""

    @property
    def workers(self) -> int:
        """Ensembles that train at the same time, as far as is known now."""

    def run(self, tasks: list[Task]) -> Generator[Event, None, None]:
        """What happens until every task is finished. Closing the iterator stops the workers at once."""


class Queue:
    """The tasks that no worker has, and how often each lost one."""

    def __init__(self, tasks: list[Task]):
        self.pending = list(tasks)
        self.losses = dict.fromkeys((task.number for task in tasks), 0)

    def lost(self, task: Task, reason: str) -> Iterator[Requeued | Finished]:
        """Queues a task again, before all others, or gives it up where that was done REQUEUED times."""
        self.losses[task.number] += 1
        if self.losses[task.number] <= REQUEUED:
            self.pending.insert(0, task)
            yield Requeued(task.number, reason)
        else:
            error = f"its worker was lost {self.losses[task.number]} times; the last one {reason}"
            yield Finished(
                task.number,
                [Outcome(definition, "failed", info={"error": error}) for definition in task.job.definitions],
            )
