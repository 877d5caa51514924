"""THE file: suite -> plan -> train and measure -> store -> tables.

Everything that the command line does is a call in this file or in `tune.py`; torch is imported inside the calls.
"""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import store
from ganbench.plan import Ensemble, Replica, code_version, plan_ensembles, plan_replicas
from ganbench.suite import Suite, load_suite, resolve

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.execution.worker import Outcome

FINISHED = ("completed", "diverged")


@dataclass(frozen=True)
class Plan:
    """What a suite asks for and what of it is still to do."""

    suite: Suite
    folder: Path
    device: str
    replicas: tuple[Replica, ...]
    statuses: Mapping[str, str]  # replica_id -> status, of those of this plan that are stored
    ensembles: tuple[Ensemble, ...]  # of the replicas that are not finished

    @property
    def steps(self) -> int:
        """Gradient steps still to take, over all replicas."""
        return sum(_steps(replica) for ensemble in self.ensembles for replica in ensemble.replicas)


@dataclass
class Run:
    """What a run came to: its plan and the status of every planned replica."""

    plan: Plan
    statuses: dict[str, str] = field(default_factory=dict)
    wall_s: float = 0.0

    @property
    def folder(self) -> Path:
        return self.plan.folder

    def counts(self) -> dict[str, int]:
        """Status -> number of planned replicas; "missing" for those that never finished."""
        return dict(Counter(self.statuses.get(replica.replica_id, "missing") for replica in self.plan.replicas))

    def results(self) -> pd.DataFrame:
        """The tidy results of this run's replicas."""
        results = store.load_results(self.folder)
        return results[results["replica_id"].isin([replica.replica_id for replica in self.plan.replicas])]


class Watcher:
    """Hears of a run's progress; the command line draws a bar with it."""

    def begin(self, plan: Plan) -> None:
        """Called once, with all that will be done."""

    def advance(self, steps: int, label: str) -> None:
        """Called when replicas have taken gradient steps together."""

    def stored(self, replica: Replica, status: str) -> None:
        """Called when a replica is in the store."""


def plan(suite: Suite | str | Path, *, results: str | Path = "results", device: str = "auto") -> Plan:
    """What `run` would do; writes nothing.

    Raises SuiteError, StoreError, or ValueError for a device that is not there.
    """
    from ganbench.training.device import execution_identity, resolve_device

    suite = suite if isinstance(suite, Suite) else load_suite(suite)
    device = resolve_device(device)
    execution = {**execution_identity(device), **suite.execution.model_dump(), "code": code_version()}
    folder = Path(results) / suite.name
    replicas = plan_replicas(suite, resolve(suite), execution)
    found = store.stored(folder)
    statuses = {r.replica_id: found[r.replica_id] for r in replicas if r.replica_id in found}
    todo = [r for r in replicas if statuses.get(r.replica_id) not in FINISHED]
    ensembles = plan_ensembles(todo, suite.execution.width)
    return Plan(suite, folder, device, tuple(replicas), statuses, tuple(ensembles))


def run(
    suite: Suite | str | Path,
    *,
    results: str | Path = "results",
    device: str = "auto",
    workers: int | None = None,
    watcher: Watcher | None = None,
) -> Run:
    """Trains and measures every replica of a suite that is not stored yet, and stores each as it finishes.

    `workers` is the number of processes, one per core by default; it changes no result. An interrupt stops within
    seconds and loses no finished replica: the same call goes on where it stopped.
    Raises SuiteError, StoreError, or ValueError for a device that is not there, before anything is written.
    """
    from ganbench.execution.local import Finished, run_local

    began = time.perf_counter()
    planned = plan(suite, results=results, device=device)
    store.check_writable(planned.folder)
    watcher = watcher or Watcher()
    watcher.begin(planned)
    finished = Run(planned, dict(planned.statuses))
    tasks = _tasks(planned)
    with closing(run_local(tasks, workers or _cores(), planned.suite.execution.threads)) as events:
        for event in events:
            ensemble = planned.ensembles[event.number]
            if not isinstance(event, Finished):
                replica = ensemble.replicas[0]
                share = replica.cell.cost().gradient_steps * len(ensemble.replicas)
                watcher.advance(event.iterations * share, replica.cell.label)
                continue
            for replica, outcome in zip(ensemble.replicas, event.outcomes, strict=True):
                store.write(planned.folder, _result(outcome))
                finished.statuses[replica.replica_id] = outcome.status
                watcher.stored(replica, outcome.status)
            Path(tasks[event.number].job.checkpoint).unlink(missing_ok=True)
    finished.wall_s = time.perf_counter() - began
    return finished


def _tasks(planned: Plan) -> list[Any]:
    from ganbench.execution.local import Task
    from ganbench.execution.worker import Job

    return [
        Task(
            number,
            Job(
                tuple(replica.definition for replica in ensemble.replicas),
                planned.device,
                str(planned.folder / "checkpoints" / f"{ensemble.ensemble_id}.safetensors"),
            ),
            ensemble.affinity,
        )
        for number, ensemble in enumerate(planned.ensembles)
    ]


def _result(outcome: Outcome) -> store.ReplicaResult:
    rows = [store.Row(**row) for row in outcome.rows]
    info = {**_machine(), **outcome.info}
    return store.ReplicaResult(outcome.definition, outcome.status, rows, info, outcome.arrays)  # type: ignore[arg-type]


def _machine() -> dict[str, Any]:
    return {
        "machine": platform.node(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _steps(replica: Replica) -> int:
    return replica.cell.cost().gradient_steps * (replica.cell.iterations or 0)
