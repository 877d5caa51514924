"""A made-up study of thousands of replicas in real files of the store, as a run of toy2d would have left them."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from ganbench.store import ReplicaResult, Row, write, write_record
from ganbench.store.records import Planned, record

TARGETS = ("ring8", "grid25", "spiral", "swiss-roll")
OBJECTIVES = (
    "minimax",
    "non-saturating",
    "em",
    "wasserstein-clip",
    "wasserstein-gp",
    "wasserstein-sn",
    "cramer",
    "hinge",
    "lsgan",
    "relativistic",
)
BASELINES = ("oracle", "trivial")
METRICS = {  # name -> unit, direction
    "w1": ("data units", "lower"),
    "sliced_w1": ("data units", "lower"),
    "energy_distance": ("data units", "lower"),
    "jsd_binned": ("nats", "lower"),
    "kl_modes": ("nats", "lower"),
    "modes_covered": ("modes", "higher"),
    "modes_touched": ("modes", "higher"),
    "high_quality": ("share", "higher"),
}
ITERATIONS, EVALUATIONS, REACHED = 3000, 15, 0.4


def write_many(folder: Path, seeds: int, baseline_seeds: int, targets: tuple[str, ...] = TARGETS) -> int:
    """The number of replicas written: every objective with so many seeds on every target, baselines with fewer.

    Of trained replicas 1% diverge and .2% fail; the record of the run has all of them and one that is missing.
    """
    planned = []
    with _unsynchronised():
        for target in targets:
            for label, baseline in (*((o, False) for o in OBJECTIVES), *((b, True) for b in BASELINES)):
                for seed in range(baseline_seeds if baseline else seeds):
                    made = replica(target, label, baseline, seed)
                    write(folder, made)
                    planned.append(_planned(made.definition))
    count = len(planned)
    planned.append(_planned(replica(targets[0], OBJECTIVES[0], False, seeds).definition))
    write_record(folder, record("many", "w1", "ganbench run --suite many", 'name = "many"\n', {}, None, planned))
    return count


def settle(folder: Path) -> None:
    """Makes what was written now an hour old, as most results are when a report is made."""
    hour_ago = time.time_ns() - 3600 * 10**9
    for path in folder.rglob("*.parquet"):
        if path.stat().st_mtime_ns > hour_ago:
            os.utime(path, ns=(hour_ago, hour_ago))


def replica(target: str, label: str, baseline: bool, seed: int) -> ReplicaResult:
    """One replica: 15 evaluations of 8 metrics and a final one; values fall to a level of its objective's own."""
    rng = np.random.default_rng([seed, *f"{target}/{label}".encode()])
    status: Any = "completed"
    if not baseline:
        status = rng.choice(["completed", "diverged", "failed"], p=[0.988, 0.01, 0.002])
    every = ITERATIONS // EVALUATIONS
    moments = [ITERATIONS] if baseline else [every * (i + 1) for i in range(EVALUATIONS)]
    if status != "completed":
        moments = moments[: int(rng.integers(0, EVALUATIONS))]
    level = (0.1 + 0.03 * OBJECTIVES.index(label) if not baseline else 0.1) * (0.8 + 0.4 * rng.random())
    rows = [
        row
        for iteration in moments
        for row in _evaluated(iteration, level * (1 + 9 * math.exp(-5 * iteration / ITERATIONS)), rng, False)
    ]
    if status == "completed":
        rows += _evaluated(ITERATIONS, level, rng, True)
    if status == "completed" and not baseline:
        at = float(next((row.iteration for row in rows if row.metric == "w1" and row.value < REACHED), math.inf))
        rows += [_row(ITERATIONS, "reached_iteration", at, "iterations", "lower", math.nan, 500, True)]
        rows += [_row(ITERATIONS, "reached_s", at * 4e-4, "s", "lower", math.nan, 500, True)]
    info = {
        **{"machine": "vm", "system": "Linux", "processor": "x86_64", "python": "3.11.7", "cores": 2},
        **{"versions": {"ganbench": "0.1.0", "scipy": "1.17.1", "POT": "0.9.7.post1", "pandas": "3.1.1"}},
        **{"iteration_s": 4e-4 * (1 + 0.1 * rng.random()), "samples_per_s": 3.2e5, "compile_s": 11.5},
        **{"evaluation_s": 1.2, "training_s": 1.2, "peak_memory_mb": 530.0},
    }
    if status == "diverged":
        info["diverged_at"] = every * len(moments) + 7
    if status == "failed":
        info["error"] = "RuntimeError: out of memory\n  in the middle of a step"
    definition = _definition(target, label, baseline, seed)
    return ReplicaResult(definition, status, rows, info, {} if status == "failed" else _arrays(rng, moments, baseline))


def _evaluated(iteration: int, w1: float, rng: np.random.Generator, final: bool) -> Iterator[Row]:
    for metric, (unit, direction) in METRICS.items():
        value = w1 * (1 + 0.05 * rng.standard_normal())
        value = value if direction == "lower" else max(0.0, 8 * (1 - value))
        yield _row(iteration, metric, value, unit, direction, 0.06, 1000 if final else 500, final)


def _row(iteration: int, metric: str, value: float, unit: str, direction: str, floor: float, n: int, f: bool) -> Row:
    counts = (iteration, iteration, 2 * iteration, 128 * iteration, iteration * 4e-4)
    return Row(*counts, metric, value, unit, direction, floor, n, f)


def _definition(target: str, label: str, baseline: bool, seed: int) -> dict[str, Any]:
    fields = {"d_steps": 1, "g_steps": 1, "order": "DG", "updates": "alternating", "packing": 1}
    optimiser = {"lr_d": 1e-3, "lr_g": 1e-3, "ema": 0.0, "beta1": 0.5, "beta2": 0.9, "eps": 1e-08}
    cell = {
        "objective": {"name": label, "fields": {} if baseline else fields},
        "target": {"name": target, "fields": {"sd": 0.05}},
        "network": {"name": "mlp", "fields": {"width": 64, "depth": 2, "activation": "relu", "batch_stats": False}},
        "optimiser": None if baseline else {"name": "adam", "fields": optimiser},
        **{"batch": 128, "latent": 2, "budget": {"currency": "gradient_steps", "amount": 6000}},
        "iterations": ITERATIONS,
        "evaluation": {
            **{"times": EVALUATIONS, "samples": 500, "final_samples": 1000, "metrics": list(METRICS)},
            **{"reached_metric": "w1", "reached": REACHED, "extractor": None, "weights": "", "weights_sha256": ""},
        },
    }
    execution = {
        **{"torch": "2.13.0+cpu", "numpy": "2.4.6", "device": "cpu", "instructions": "AVX512", "compiled": True},
        **{"width": 8, "threads": 1, "precision": "fp32", "lift": "vmap", "convolution": "products", "code": "a36066"},
    }
    cell_id = hashlib.sha256(f"{target}/{label}".encode()).hexdigest()[:20]
    return {
        **{"suite": "many", "label": label, "baseline": baseline, "rank_by": "w1", "target_label": target},
        **{"cell": cell, "cell_id": cell_id, "seed": seed, "execution": execution},
        "replica_id": hashlib.sha256(f"{cell_id}/{seed}".encode()).hexdigest()[:20],
    }


def _arrays(rng: np.random.Generator, moments: list[int], baseline: bool) -> dict[str, np.ndarray]:
    snapshots = {f"snapshot/{i}": rng.standard_normal((100, 2)).astype(np.float32) for i in moments[-10:]}
    return snapshots if baseline else {**snapshots, "generator/0.weight": rng.random((64, 32), np.float32)}


def _planned(definition: dict[str, Any]) -> Planned:
    known = {name: definition[name] for name in ("replica_id", "cell_id", "label", "baseline", "seed")}
    return Planned(**known, target=definition["target_label"], objective=definition["cell"]["objective"]["name"])


@contextmanager
def _unsynchronised() -> Iterator[None]:
    """Writes that need not survive a power cut: to wait for the disk 40,000 times takes minutes."""
    with mock.patch.object(os, "fsync"):
        yield
