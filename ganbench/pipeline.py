"""THE file: suite -> plan -> train and measure -> store -> tables.

Everything that the command line does is a call here, in `measuring.py` or in `tuning.py`; torch is imported inside.

Over 250 lines: the whole way of a run is read in one place.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import store
from ganbench.execution.environment import environment, git_state
from ganbench.execution.machine import cores, machine
from ganbench.limiting import key, only, within
from ganbench.planning import Ensemble, narrowed, narrowed_note, plan_ensembles, plan_replicas
from ganbench.registry import did_you_mean
from ganbench.store.container import open_result
from ganbench.store.records import Planned, known, record
from ganbench.study import FINISHED, Plan, Run, Watcher
from ganbench.suite import Suite, apply_overrides, resolve
from ganbench.suite.writing import to_toml

if TYPE_CHECKING:
    from ganbench.execution.costs import Estimate
    from ganbench.execution.tasks import Executor
    from ganbench.execution.worker import Outcome

EXECUTORS = ("local", "ray")
INTERRUPT_S = 3.0
"""Seconds for which an interrupt waits for replicas that finished together: to write hundreds takes longer."""
NO_COMPILER = "no C++ compiler found (g++, or the one in CXX): planned eager, not compiled, as replicas of their own"


def plan(
    suite: Suite | str | Path,
    *,
    objectives: Sequence[str] = (),
    targets: Sequence[str] = (),
    network: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: str | int | None = None,
    iterations: int | None = None,
    results: str | Path = "results",
    device: str = "auto",
) -> Plan:
    """What `run` would do with the same suite and changes; writes no results. Data that are missing are fetched.

    A budget in seconds is counted by the cost table of the suite's folder; what that lacks is measured, in seconds to a
    minute, and kept by `run`. Where no compiler is found the replicas are eager, under an identity of their own; the
    plan's notes say so. Raises SuiteError, StoreError, or ValueError for a device that is not there.
    """
    suite = apply_overrides(
        suite,
        objectives=objectives,
        targets=targets,
        network=network,
        settings=settings,
        seeds=seeds,
        iterations=iterations,
    )
    cells = resolve(suite)  # before torch is loaded: a missing data set is told at once
    from ganbench.execution.costs import counted
    from ganbench.training.device import (
        WITHOUT_COMPILER,
        check_precision,
        execution_identity,
        has_compiler,
        resolve_device,
    )

    device = resolve_device(device)
    check_precision(suite.execution.precision, device)
    execution = {**execution_identity(device), **suite.execution.on(device)}
    notes: tuple[str, ...] = ()
    if execution["compiled"] and not has_compiler():
        execution, notes = {**execution, **WITHOUT_COMPILER}, (NO_COMPILER,)
    folder = Path(results) / suite.name
    cells, costs = counted(cells, store.read_costs(folder), execution, device)
    replicas = plan_replicas(suite, cells, execution, store.read_widths(folder))
    notes += narrowed(replicas, suite.execution.width)
    store.remove_leftovers(folder)
    found, damaged = store.sound(folder)
    notes += tuple(f"{error.path}: {error.found}; it counts as not stored" for error in damaged)
    statuses = {r.replica_id: found[r.replica_id] for r in replicas if r.replica_id in found}
    todo = [r for r in replicas if statuses.get(r.replica_id) not in FINISHED]
    ensembles = plan_ensembles(todo)
    return Plan(suite, folder, device, tuple(replicas), statuses, tuple(ensembles), costs, notes, tuple(damaged))


def estimate(
    planned: Plan, workers: int | None = None, *, executor: str = "local", address: str | None = None
) -> Estimate:
    """Time and memory of a plan from a short probe in a process of its own, here; writes no results.

    A classifier that metrics need is trained and kept in the cache. Raises ValueError for a cell that cannot be trained
    or measured at all, or not at its full width, and as `run` for an executor.
    """
    from ganbench.execution.costs import estimate as estimate_ensembles

    counts = {"cells": len({r.definition["cell_id"] for r in planned.replicas}), "replicas": len(planned.replicas)}
    stored = sum(status in FINISHED for status in planned.statuses.values())
    with opened(planned, executor, workers, address) as team:
        workers = team.workers
    return estimate_ensembles(planned.ensembles, planned.device, workers, **counts, stored=stored)


def run(
    suite: Suite | str | Path,
    *,
    objectives: Sequence[str] = (),
    targets: Sequence[str] = (),
    network: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: str | int | None = None,
    iterations: int | None = None,
    results: str | Path = "results",
    device: str = "auto",
    workers: int | None = None,
    watcher: Watcher | None = None,
    command: str | None = None,
    profile: str | Path | None = None,
    executor: str = "local",
    address: str | None = None,
    limit_time_s: float | None = None,
) -> Run:
    """Trains and measures every replica of a suite that is not stored yet, and stores each as it finishes.

    A suite is an instance, a name or a path; what is changed in it is said as to `apply_overrides`:
    run("toy2d", targets=["ring8"], settings={"training.batch": 256}, seeds="0:4").
    `workers` is the number of processes, by default one per core, divided by the suite's threads, or one per GPU; it
    changes no result. Nor does `executor`: "local" is this machine, "ray" the cluster at `address`, or the one that Ray
    finds, or one that it starts here; a run that one began the other can finish.
    Where memory runs out, a cell is planned anew at half its width. An interrupt stops within seconds and loses no
    finished replica: the same call goes on where it stopped.
    `profile` is a folder for traces, one of each cell that this run trains: a few iterations beyond the last, which
    count for nothing, so that results and their seconds are those of a run without it.
    An ensemble whose worker dies, or is silent for the suite's `limits.silence_s`, is queued again three times; after
    that its replicas are `failed`.
    `limit_time_s` plans only what is likely to end within so many seconds, as `limiting.within` says.
    What was asked for is kept in `<results>/<suite>/runs/` first, with `command`, the line that asked, if one did.
    Raises SuiteError, StoreError, or ValueError for a device that is not there or a cluster that has not what an
    ensemble needs, before anything is trained.
    """
    began = time.perf_counter()
    suite = apply_overrides(
        suite,
        objectives=objectives,
        targets=targets,
        network=network,
        settings=settings,
        seeds=seeds,
        iterations=iterations,
    )
    planned = limited(plan(suite, results=results, device=device), limit_time_s, workers, executor, address)
    for folder in (planned.folder, *([profile] if profile else [])):
        store.check_writable(folder)
    damaged = store.set_aside(planned.folder, planned.damaged)
    kept = store.keep_costs(planned.folder, planned.costs)
    if any(kept[shape] != cost for shape, cost in planned.costs.items()):
        # another run counted first: its counts hold
        planned = limited(plan(suite, results=results, device=device), limit_time_s, workers, executor, address)
    watcher = watcher or Watcher()
    with opened(planned, executor, workers, address) as team:
        watcher.begin(planned)
        _prepare(planned)
        _record(planned, command)
        finished, too_wide = _train(planned, team, watcher, profile)
        spent = finished.spent
        while too_wide:
            traces, restarted = finished.traces, finished.restarted
            store.keep_widths(planned.folder, too_wide)
            again = plan(planned.suite, results=results, device=device)
            planned = again if limit_time_s is None else only(again, map(key, planned.replicas), "left out, as before")
            watcher.begin(planned)
            _record(planned, command)
            finished, too_wide = _train(_only(planned, too_wide), team, watcher, profile)
            spent += finished.spent
            finished.traces, finished.restarted = finished.traces + traces, restarted + finished.restarted
    _forget(planned.folder, finished)
    finished.spent, finished.damaged = spent, damaged
    finished.wall_s = time.perf_counter() - began
    return finished


def _forget(folder: Path, finished: Run) -> None:
    """Removes the checkpoints that nothing can need any more, of earlier runs that were killed as well."""
    from ganbench.execution.worker import remove_checkpoints

    done = {replica_id for replica_id, status in finished.statuses.items() if status in FINISHED}
    remove_checkpoints(folder / "checkpoints", done)


def limited(
    planned: Plan,
    limit_s: float | None,
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
) -> Plan:
    """The plan, or where a limit is given what of it fits into so many seconds on what will run it.

    Raises ValueError where nothing fits, and as `run` for an executor.
    """
    if limit_s is None:
        return planned
    with opened(planned, executor, workers, address) as team:
        return within(planned, limit_s, team.workers)


def _record(planned: Plan, command: str | None) -> None:
    """Keeps what a run was asked, by what and where, unless it has nothing to do and the same is on record."""
    suite = planned.suite
    replicas = [
        Planned(
            r.replica_id,
            r.definition["cell_id"],
            r.cell.target_label,
            r.cell.label,
            r.cell.objective.name,
            r.cell.baseline,
            r.seed,
        )
        for r in planned.replicas
    ]
    about = environment(planned.replicas[0].definition["execution"] if planned.replicas else {})
    rank_by, text = suite.evaluation.rank_by, to_toml(suite.document.content)
    made = record(suite.name, rank_by, command, text, about, git_state(), replicas)
    if planned.ensembles or not known(planned.folder, made):
        store.write_record(planned.folder, made)


def _only(planned: Plan, width_keys: Mapping[str, int]) -> Plan:
    """The plan with the ensembles of some cells alone: what an error ended in this run is not tried again in it."""
    left = [e for e in planned.ensembles if any(replica.width_key in width_keys for replica in e.replicas)]
    return replace(planned, ensembles=tuple(left))


def _prepare(planned: Plan) -> None:
    """Makes ready what measuring needs and may be missing or take long, before anything is trained."""
    cells = {ensemble.replicas[0].definition["cell_id"]: ensemble.replicas[0].cell for ensemble in planned.ensembles}
    # in the order of the plan, so that of several mistakes each run tells the same one
    wanted = dict.fromkeys(
        (cell.target, cell.evaluation.metric(name)) for cell in cells.values() for name in cell.evaluation.metrics
    )
    for target, metric in wanted:
        metric.prepare(target.instance)


def opened(planned: Plan, executor: str, workers: int | None, address: str | None) -> AbstractContextManager[Executor]:
    """What will run a plan's ensembles, while the context lasts; a cluster is not asked where none is left to run.

    Raises ValueError for an executor that is not known, and as `on_ray`.
    """
    if executor not in EXECUTORS:
        raise ValueError(f'unknown executor "{executor}"; {did_you_mean(executor, EXECUTORS)}')
    if address is not None and executor != "ray":
        raise ValueError(f'address {address}: found the executor "{executor}"; only "ray" has an address')
    from ganbench.execution.cluster import on_ray
    from ganbench.execution.local import Local

    threads, silence_s = planned.suite.execution.threads, planned.suite.limits.silence_s
    if executor == "ray" and planned.ensembles:
        return on_ray(address, threads, planned.device, silence_s, workers)
    gpus = _gpus() if planned.device == "cuda" else ()
    # ensembles on one GPU would only take turns on it
    most = max(1, len(gpus) if gpus else cores() // threads)
    return nullcontext(Local(workers or most, threads, silence_s, gpus if len(gpus) > 1 else ()))


def _gpus() -> tuple[str, ...]:
    """What CUDA calls the GPUs of this process."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    count = torch.cuda.device_count()
    return tuple(named) if len(named) == count and all(named) else tuple(map(str, range(count)))


def _train(planned: Plan, team: Executor, watcher: Watcher, profile: str | Path | None) -> tuple[Run, dict[str, int]]:
    """The finished run, and by key the narrower width of each cell that did not fit into memory."""
    from ganbench.execution.interrupts import held_back
    from ganbench.execution.tasks import Progress, Requeued
    from ganbench.execution.worker import OUT_OF_MEMORY

    finished, too_wide = Run(planned, dict(planned.statuses)), dict[str, int]()
    tasks, spent, began = _tasks(planned, profile), finished.spent, time.perf_counter()
    spent.processes, derived = min(team.workers, len(tasks)), store.Compaction(planned.folder)
    with closing(team.run(tasks)) as events:
        for event in events:
            ensemble = planned.ensembles[event.number]
            if isinstance(event, Progress):
                cell, heard = ensemble.replicas[0].cell, time.perf_counter()
                watcher.advance(event.iterations * cell.cost().gradient_steps * len(ensemble.replicas), cell.label)
                spent.progress_s += time.perf_counter() - heard
            elif isinstance(event, Requeued):
                watcher.requeued(ensemble.replicas[0], event.reason)
            elif event.outcomes[0].status == OUT_OF_MEMORY:
                too_wide |= {r.width_key: r.width // 2 for r in ensemble.replicas}
            else:
                with held_back() as waited_s:  # an interrupt between two writes would lose replicas that are finished
                    _keep(finished, ensemble, event.outcomes, watcher, waited_s)
                    # one that failed, or is not stored, may go on from it
                    if all(finished.statuses.get(replica.replica_id) in FINISHED for replica in ensemble.replicas):
                        Path(tasks[event.number].job.checkpoint).unlink(missing_ok=True)
                asked = time.perf_counter()
                derived.stored(len(ensemble.replicas))
                spent.store_s += time.perf_counter() - asked
    spent.working_s = time.perf_counter() - began
    finished.traces = tuple(path for task in tasks if task.job.trace and (path := Path(task.job.trace)).exists())
    return finished, too_wide


def _tasks(planned: Plan, profile: str | Path | None = None) -> list[Any]:
    from ganbench.execution.tasks import Task
    from ganbench.execution.worker import Job

    traces = _traces(planned, Path(profile)) if profile else {}
    return [
        Task(
            number,
            Job(
                tuple(replica.definition for replica in ensemble.replicas),
                planned.device,
                str(planned.folder / "checkpoints" / f"{ensemble.ensemble_id}.safetensors"),
                str(traces.get(number, "")),
            ),
            ensemble.affinity,
        )
        for number, ensemble in enumerate(planned.ensembles)
    ]


def _traces(planned: Plan, folder: Path) -> dict[int, Path]:
    """Number of an ensemble -> file of its trace, for the first ensemble of each cell that is trained."""
    first: dict[str, int] = {}
    for number, ensemble in enumerate(planned.ensembles):
        if ensemble.replicas[0].cell.trained:
            first.setdefault(ensemble.replicas[0].definition["cell_id"], number)
    files = {}
    for cell_id, number in first.items():
        cell = planned.ensembles[number].replicas[0].cell
        words = re.sub(r"[^A-Za-z0-9.]+", "-", f"{cell.target_label} {cell.label}")[:80].strip("-.")
        files[number] = folder / f"{words}-{cell_id[:8]}.json"
        files[number].unlink(missing_ok=True)  # an earlier run's must not pass for this one's
    return files


def _keep(
    finished: Run, ensemble: Ensemble, outcomes: list[Outcome], watcher: Watcher, waited_s: Callable[[], float]
) -> None:
    """Stores an ensemble's outcomes; where an interrupt waits for too long, the rest is left to be trained again."""
    for replica, outcome in zip(ensemble.replicas, outcomes, strict=True):
        if waited_s() > INTERRUPT_S:
            return
        if replica.width < finished.plan.suite.execution.width:
            outcome.info["notes"] = narrowed_note(replica, finished.plan.suite.execution.width)
        began = time.perf_counter()
        path = store.write(finished.folder, to_store(outcome))
        # what failed here may have been finished by another run meanwhile, which then is what is stored
        status = open_result(path).status if outcome.status not in FINISHED else outcome.status
        written = time.perf_counter()
        finished.statuses[replica.replica_id] = status
        if (why := outcome.info.get("restarted")) and why not in finished.restarted:
            finished.restarted += (why,)
        watcher.stored(replica, status)
        finished.spent.add(outcome.spent)
        finished.spent.store_s += written - began
        finished.spent.progress_s += time.perf_counter() - written


def to_store(outcome: Outcome) -> store.ReplicaResult:
    """What the store keeps of an outcome."""
    rows = [store.Row(**row) for row in outcome.rows]
    info = {**machine(), **outcome.info}
    return store.ReplicaResult(outcome.definition, outcome.status, rows, info, outcome.arrays)  # type: ignore[arg-type]
