"""What a suite asks for, what is stored of it, and what a run came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench import store
from ganbench.planning import Ensemble, Replica
from ganbench.suite import Suite

if TYPE_CHECKING:
    import pandas as pd

FINISHED = ("completed", "diverged")
WORDS = {"label": "label", "target": "target_label", "baseline": "baseline", "rank_by": "rank_by"}
"""Columns of the results that a suite chooses without changing what is trained -> their keys in a definition."""


@dataclass(frozen=True)
class Plan:
    """What a suite asks for and what of it is still to do."""

    suite: Suite
    folder: Path
    device: str
    replicas: tuple[Replica, ...]
    statuses: Mapping[str, str]  # replica_id -> status, of those of this plan that are stored
    ensembles: tuple[Ensemble, ...]  # of the replicas that are not finished
    costs: Mapping[str, float] = field(default_factory=dict)  # what a budget in seconds was counted by
    notes: tuple[str, ...] = ()  # where the plan departs from its suite, and what of its folder is damaged
    damaged: tuple[store.DamagedError, ...] = ()  # stored files that count as not stored, and that a run sets aside

    @property
    def steps(self) -> int:
        """Gradient steps still to take, over all replicas."""
        return sum(_steps(replica) for ensemble in self.ensembles for replica in ensemble.replicas)


@dataclass
class Spent:
    """Where the seconds of a run went."""

    doings: dict[str, float] = field(default_factory=dict)  # "training", "compiling", ...: summed over the processes
    processes: int = 0
    working_s: float = 0.0  # from the first process's start to the last one's end
    store_s: float = 0.0  # these two in the process that gave out the work, beside the others
    progress_s: float = 0.0

    @property
    def waiting_s(self) -> float:
        """Of all processes together: what they did not tell of, such as starting, and having nothing to do."""
        return max(0.0, self.processes * self.working_s - sum(self.doings.values()))

    def beside_s(self) -> float:
        """Seconds of evaluating, storing and drawing progress, as far as they can have prolonged a run."""
        return self.doings.get("evaluating", 0.0) / max(1, self.processes) + self.store_s + self.progress_s

    def add(self, doings: Mapping[str, float]) -> None:
        """Counts what a process told of."""
        for doing, seconds in doings.items():
            self.doings[doing] = self.doings.get(doing, 0.0) + seconds

    def __iadd__(self, other: Spent) -> Spent:
        self.add(other.doings)
        self.processes = max(self.processes, other.processes)
        self.working_s += other.working_s
        self.store_s += other.store_s
        self.progress_s += other.progress_s
        return self


@dataclass
class Run:
    """What a run came to: its plan and the status of every planned replica."""

    plan: Plan
    statuses: dict[str, str] = field(default_factory=dict)
    wall_s: float = 0.0
    spent: Spent = field(default_factory=Spent)
    traces: tuple[Path, ...] = ()  # those that were asked for and could be written
    damaged: tuple[store.DamagedError, ...] = ()  # files that were set aside before anything was trained
    restarted: tuple[str, ...] = ()  # checkpoints that could not be used, and why

    @property
    def folder(self) -> Path:
        return self.plan.folder

    def counts(self) -> dict[str, int]:
        """Status -> number of planned replicas; "missing" for those that never finished."""
        return dict(Counter(self.statuses.get(replica.replica_id, "missing") for replica in self.plan.replicas))

    def results(self) -> pd.DataFrame:
        """The tidy results of this run's replicas, in the words of this run's suite.

        A stored file keeps the words of the suite that first wrote it: its labels, what is a baseline, what ranks.
        """
        results = store.load_results(self.folder)
        planned = {replica.replica_id: replica.definition for replica in self.plan.replicas}
        found = results[results.replica_id.isin(planned)]
        return found.assign(**{column: [planned[i][key] for i in found.replica_id] for column, key in WORDS.items()})


class Watcher:
    """Hears of a run's progress; the command line draws a bar with it."""

    def begin(self, plan: Plan) -> None:
        """Called with all that will be done, and again where memory ran out and cells were planned anew."""

    def advance(self, steps: int, label: str) -> None:
        """Called when replicas have taken gradient steps together."""

    def requeued(self, replica: Replica, reason: str) -> None:
        """Called when the worker of an ensemble is lost, with one of its replicas; the ensemble is queued again."""

    def stored(self, replica: Replica, status: str) -> None:
        """Called when a replica is in the store."""


def _steps(replica: Replica) -> int:
    return replica.cell.cost().gradient_steps * (replica.cell.iterations or 0)
