"""Seconds and memory of what surrounds training: the plan of a suite, the store, and the report of stored replicas."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path

import numpy as np

from ganbench import pipeline
from ganbench.report.page.write import write_page
from ganbench.report.tables import to_text
from ganbench.store import ReplicaResult, Row, load_results, write

TARGETS, OBJECTIVES, SEEDS = ("ring8", "grid25"), ("minimax", "non-saturating", "em", "cramer", "trivial"), 20
REPLICAS = len(TARGETS) * len(OBJECTIVES) * SEEDS
METRICS, TIMES = ("w1", "sliced_w1", "energy_distance", "jsd_binned", "modes_covered", "high_quality"), 15
COUNT = itertools.count(1)


def _replica(target: str, objective: str, seed: int) -> ReplicaResult:
    """A replica as large as one of `toy2d`: its curves, ten snapshots and a generator."""
    rng = np.random.default_rng(seed)
    rows = [
        Row(100 * t, 100 * t, 200 * t, 12_800 * t, 0.1 * t, metric, rng.random(), "", "lower", 0.1, 500, t == TIMES)
        for t in range(1, TIMES + 1)
        for metric in METRICS
    ]
    arrays = {f"snapshot/{150 * t}": rng.normal(size=(500, 2)).astype(np.float32) for t in range(10)}
    arrays |= {f"generator/{i}.weight": rng.normal(size=(64, 64)).astype(np.float32) for i in range(2)}
    definition = {
        "suite": "asv",
        "label": objective,
        "target_label": target,
        "cell": {
            "target": {"name": target, "fields": {}},
            "objective": {"name": objective, "fields": {}},
            "budget": {"currency": "gradient_steps", "amount": 3000},
            "evaluation": {"reached_metric": "w1", "reached": 0.3},
        },
        "cell_id": f"{target}-{objective}",
        "seed": seed,
        "execution": {"device": "cpu", "width": 8, "threads": 1, "compiled": True, "precision": "fp32"},
        "replica_id": f"{next(COUNT):016x}",
    }
    return ReplicaResult(definition, "completed", rows, {"iteration_s": 4e-4, "samples_per_s": 3e5}, arrays)


class _Stored:
    """A folder of stored replicas, made once for the class; the first call, which imports, is no sample."""

    timeout = 300.0
    number, repeat, rounds, warmup_time = 1, (3, 10, 2.0), 1, 0.001

    def setup_cache(self) -> str:
        folder = Path("stored").absolute()
        for target, objective, seed in itertools.product(TARGETS, OBJECTIVES, range(SEEDS)):
            write(folder, _replica(target, objective, seed))
        return str(folder)


class Store200(_Stored):
    """200 replicas."""

    def time_load(self, folder: str) -> None:
        load_results(folder)

    def time_text_report(self, folder: str) -> None:
        to_text(load_results(folder))

    def time_html_report(self, folder: str) -> None:
        write_page(load_results(folder), [Path(folder)], Path(folder) / "report.html")

    def peakmem_html_report(self, folder: str) -> None:
        write_page(load_results(folder), [Path(folder)], Path(folder) / "report.html")


class Append:
    number, repeat, rounds, warmup_time = 1, (5, 30, 1.0), 1, 0.0

    def setup(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir="."))
        self.replica = _replica("ring8", "em", 0)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def time_store_one_replica(self) -> None:
        write(self.folder, self.replica)


class Plan:
    number, repeat, rounds, warmup_time = 1, (3, 10, 2.0), 1, 0.001

    def time_plan_of_toy2d(self) -> None:
        pipeline.plan("toy2d", results="nothing-stored", device="cpu")
