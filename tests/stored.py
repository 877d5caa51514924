"""Results to be stored: two rows, two arrays, and a replica that failed; the record of a run."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ganbench.store import ReplicaResult, Row
from ganbench.store.records import Planned, Record, record

ROW = Row(
    iteration=200,
    generator_steps=200,
    gradient_steps=400,
    real_samples=51_200,
    seconds=0.5,
    metric="w1",
    value=0.25,
    unit="data units",
    direction="lower",
    floor=0.06,
    n=500,
    final=False,
    instrument="classifier tiny 98.0% 1a2b3c4d",
    spread=0.02,
    flag="rank-deficient",
)


def replica_id(seed: int) -> str:
    return f"{seed + 0xABC:016x}"


def result(seed: int = 0, **changes: Any) -> ReplicaResult:
    definition = {
        "suite": "tiny",
        "label": "em",
        "target_label": "ring8",
        "cell": {
            "target": {"name": "ring8", "fields": {"radius": 2.0}},
            "objective": {"name": "em", "fields": {"d_steps": 1}},
            "budget": {"currency": "gradient_steps", "amount": 6000},
        },
        "cell_id": "c0ffee",
        "seed": seed,
        "execution": {"device": "cpu", "width": 8, "compiled": True, "threads": 1},
        "replica_id": replica_id(seed),
    }
    made = ReplicaResult(
        definition,
        "completed",
        [ROW, dataclasses.replace(ROW, iteration=400, value=math.inf, final=True)],
        {"iteration_s": 4e-4, "versions": {"torch": "2.13.0"}},
        {"snapshot/200": np.arange(6, dtype=np.float32).reshape(3, 2), "generator/0.weight": np.ones(2, np.float32)},
    )
    return dataclasses.replace(made, **changes)


def failed(seed: int = 0) -> ReplicaResult:
    return result(seed, status="failed", rows=[], info={"error": "out of memory"}, arrays={})


def planned(seed: int, **changes: object) -> Planned:
    """A replica of em on ring8 that a run planned."""
    one = Planned(replica_id(seed), "c0ffee", "ring8", "em", "em", False, seed)
    return dataclasses.replace(one, **changes)  # type: ignore[arg-type]  # fields of any type


def made(seeds: int = 3, toml: str = 'name = "tiny"\n') -> Record:
    """The record of a run that planned so many seeds of em on ring8."""
    return record("tiny", "w1", "ganbench run --suite tiny", toml, {}, None, [planned(seed) for seed in range(seeds)])
