"""What executors cost beside the work, and where a study of a million replicas meets its limits; fails above a limit.

    OMP_NUM_THREADS=1 python suites/peers/executors.py [FOLDER]

Ensembles of 32 replicas of the baseline `oracle`, whose work takes milliseconds, go to one local worker and to one CPU
of a Ray cluster that is started for it. Then 10,000 replicas are planned, and skipped once they are stored: their files
are made once, in a minute, and kept in FOLDER. Limits are on the processor's seconds, of all processes together: a busy
machine lengthens them less than the clock's. Only Linux tells of them.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ganbench import load_results, pipeline, store
from ganbench.execution.cluster import on_ray
from ganbench.execution.local import Local
from ganbench.execution.tasks import Executor, Finished, Task
from ganbench.execution.worker import run_job
from ganbench.store.compaction import WORTH
from ganbench.suite import apply_overrides, load_suite
from ganbench.training.device import prepare_process

TESTS, REFERENCE = Path(__file__).parents[2] / "tests", Path(__file__).parents[2] / "results" / "reference" / "toy2d"
WIDTH, TASKS, WARM, MILLION = 32, 60, 4, 10**6
LOCAL_MS, RAY_MS, PLAN_S, SKIP_S = 15.0, 60.0, 3.0, 3.0
TEN_THOUSAND: dict[str, Any] = {
    "objectives": ["minimax", "em", "non-saturating", "cramer", "wasserstein-gp"],
    "targets": ["ring8", "grid25"],
    "settings": {"execution.width": WIDTH, "baselines": []},
    "seeds": 1000,
}


def tasks(folder: Path) -> list[Task]:
    """Ensembles of a baseline that draws true samples, and measures one thing on 32 of them."""
    suite = apply_overrides(
        load_suite("toy2d"),
        targets=["ring8"],
        seeds=WIDTH * TASKS,
        settings={
            **{"objectives": [], "baselines": ["oracle"], "execution.width": WIDTH, "execution.compiled": False},
            **{"evaluation.metrics": ["high_quality"], "evaluation.rank_by": "high_quality", "evaluation.reached": {}},
            **{"evaluation.samples": 32, "evaluation.final_samples": 32},
        },
    )
    return pipeline._tasks(pipeline.plan(suite, results=folder, device="cpu"))


def work_ms(given: list[Task]) -> float:
    """Processor's milliseconds of the work alone, for one ensemble in this process."""
    for task in given[:2]:
        run_job(task.job, lambda iterations: None)
    return cpu_s(lambda: [run_job(task.job, lambda iterations: None) for task in given[2:]]) * 1e3 / len(given[2:])


def taken_ms(given: list[Task], team: Executor) -> tuple[float, float]:
    """Milliseconds of each ensemble after the first WARM: of all processors, and of the clock from one to the next."""
    finished, looked = 0, []
    for event in team.run(given):
        if isinstance(event, Finished):
            assert all(outcome.status == "completed" for outcome in event.outcomes), event.outcomes[0].info
            finished += 1
            if finished in (WARM, len(given)):
                looked.append((tree_cpu_s(), time.perf_counter()))
    (cpu, clock), (cpu_end, clock_end) = looked
    many = len(given) - WARM
    return (cpu_end - cpu) * 1e3 / many, (clock_end - clock) * 1e3 / many


def tree_cpu_s() -> float:
    """Processor's seconds of this process and of all that descend from it and still live."""
    parents, seconds = {}, {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has just ended
        parents[int(process.name)], seconds[int(process.name)] = int(told[1]), int(told[11]) + int(told[12])
    ours = {os.getpid()}
    while new := {process for process, parent in parents.items() if parent in ours} - ours:
        ours |= new
    return sum(seconds[process] for process in ours) / os.sysconf("SC_CLK_TCK")


@contextmanager
def cluster() -> Iterator[Executor]:
    """One CPU of a cluster of its own, whichever others there are."""
    import ray

    ray.init("local", num_cpus=1, include_dashboard=False, object_store_memory=200 * 2**20, log_to_driver=False)
    try:
        with on_ray(None, 1, "cpu", silence_s=600) as team:
            yield team
    finally:
        ray.shutdown()


def stored(folder: Path) -> Path:
    """The folder of 10,000 replicas of a plan, each with what a replica of toy2d leaves."""
    sys.path.insert(0, str(TESTS))
    from many_replicas import _unsynchronised, replica, settle

    planned = pipeline.plan("toy2d", **TEN_THOUSAND, results=folder, device="cpu")
    if {path.stem for path in planned.folder.glob("*.parquet")} != {each.replica_id for each in planned.replicas}:
        if (planned.folder / "runs").exists():  # this script makes no record of a run
            sys.exit(f"{planned.folder} holds results of a run; name another folder")
        shutil.rmtree(planned.folder, ignore_errors=True)  # of other code, whose replicas have other names
        print(f"writing {len(planned.replicas):,} replicas to {planned.folder}", flush=True)
        like = replica("ring8", "minimax", False, 0)
        with _unsynchronised():
            for each in planned.replicas:
                store.write(
                    planned.folder, store.ReplicaResult(each.definition, "completed", like.rows, like.info, like.arrays)
                )
        settle(planned.folder)
    return planned.folder


def cpu_s(do: Callable[[], Any]) -> float:
    began = time.process_time()
    do()
    return time.process_time() - began


def said(name: str, value: float, unit: str, limit: float | None = None) -> bool:
    """Prints a figure, and returns whether it keeps its limit."""
    good = limit is None or value <= limit
    told = "" if limit is None else f"  limit {limit:g}: {'ok' if good else 'MISSED'}"
    print(f"{name:<62}{value:>12,.2f} {unit}{told}", flush=True)
    return good


def executors() -> list[bool]:
    good = []
    with tempfile.TemporaryDirectory() as folder:
        given = tasks(Path(folder))
        for name, opened, limit in (
            ("local", nullcontext(Local(1, 1, 600)), LOCAL_MS),
            ("ray", cluster(), RAY_MS),
        ):
            before = work_ms(given)
            with opened as team:
                cpu, clock = taken_ms(given, team)
            work = (before + work_ms(given)) / 2  # a shared machine's speed changes within a minute
            said(f"{name}: work of an ensemble of {WIDTH} x oracle", work, "ms")
            good.append(said(f"{name}: an ensemble above its work, on processors", cpu - work, "ms", limit))
            said(f"{name}: from one ensemble to the next, on the clock", clock, "ms")
    return good


def ten_thousand(folder: Path) -> list[bool]:
    empty = tempfile.mkdtemp()
    suite = apply_overrides(load_suite("toy2d"), **TEN_THOUSAND)
    pipeline.plan(suite, seeds=1, results=empty, device="cpu")  # imports
    good = [said("plan of 10,000 replicas", cpu_s(lambda: _planned(suite, empty, 320)), "s", PLAN_S)]
    made = stored(folder)
    (made / "compacted.arrow").unlink(missing_ok=True)
    said("skip of 10,000 stored ones, without the derived file", cpu_s(lambda: _planned(suite, folder, 0)), "s")
    good.append(said("skip of 10,000 stored ones", cpu_s(lambda: _planned(suite, folder, 0)), "s", SKIP_S))
    hour_ago = time.time() - 3600
    for path in list(made.glob("*.parquet"))[:WORTH]:  # that many a run has stored before it writes the derived file
        os.utime(path, (hour_ago, hour_ago))
    return [*good, said("the same after a kill", cpu_s(lambda: _planned(suite, folder, 0)), "s", SKIP_S)]


def _planned(suite: Any, results: str | Path, ensembles: int) -> None:
    found = len(pipeline.plan(suite, results=results, device="cpu").ensembles)
    assert found == ensembles, f"{found} ensembles to train, expected {ensembles}"


def million(folder: Path) -> None:
    """What a million replicas like these would take, from unit costs that are measured here."""
    made = stored(folder)
    files = [path.stat() for path in made.iterdir() if path.name != "compacted.arrow" and path.is_file()]
    ids = sorted(made.glob("*.parquet"))[:200]
    kept = [store.read(path) for path in ids]
    with tempfile.TemporaryDirectory(dir=made.parent) as elsewhere:
        began = time.perf_counter()
        for result in kept:
            store.write(elsewhere, result)
        write_s = (time.perf_counter() - began) / len(kept)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        read_s, held_mb = fresh.submit(_reading, made).result()
    reference = load_results(REFERENCE).drop_duplicates("replica_id")
    core_s = float((reference.training_s.fillna(0) + reference.evaluation_s.fillna(0)).mean())
    scale = MILLION / 10_000
    print(f"\na million replicas of toy2d, scaled from 10,000 ({len(reference)} of the reference for their training):")
    said("storage", sum(file.st_blocks * 512 for file in files) * scale / 1e9, "GB")
    said("files in one folder", len(files) * scale / 1e6, "million")
    said("training and evaluating", core_s * MILLION / 3600, "core hours")
    said("driver: writing, at this disk's fsync", write_s * MILLION / 3600, "hours")
    said("driver: cores beyond which it writes slower than they train", core_s / write_s, "cores")
    said("reading all rows for a report, from the compacted file", read_s * scale / 60, "minutes")
    said("memory for that", held_mb * scale / 1e3, "GB")


def _reading(folder: Path) -> tuple[float, float]:
    """Processor's seconds and MB at most that all rows take to read; in a process that has read nothing before."""
    load_results(REFERENCE)  # imports
    before_mb = _peak_mb()
    read_s = cpu_s(lambda: load_results(folder))
    return read_s, _peak_mb() - before_mb


def _peak_mb() -> float:
    """The most memory that this process has held; `getrusage` would count what its parent held as well."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


def main() -> None:
    prepare_process(1)
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/executors")
    good = executors()
    good += ten_thousand(folder)
    million(folder)
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
