"""Cells -> replicas with their identity -> ensembles of one shape, padded to one width."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ganbench.fields import swept_fields
from ganbench.suite import Cell, Suite

SOURCES = (
    "fields.py",
    "streams.py",
    "targets",
    "objectives",
    "networks",
    "training",
    "metrics",
    "execution/worker.py",
    "execution/measurement.py",
)
"""The parts of the package that compute numbers: their text is the code version."""


@dataclass(frozen=True)
class Replica:
    """One training run: a cell and a seed, with their identity; `definition` is what the store keeps."""

    cell: Cell
    seed: int
    replica_id: str
    definition: dict[str, Any]


@dataclass(frozen=True)
class Ensemble:
    """Replicas of one shape that train together; `affinity` is equal where compiled code is shared."""

    replicas: tuple[Replica, ...]
    execution: dict[str, Any]
    affinity: str

    @property
    def ensemble_id(self) -> str:
        """Names its checkpoint: the same replicas under the same execution."""
        return digest([replica.replica_id for replica in self.replicas])


def digest(value: Any) -> str:
    """Twenty hexadecimal digits of the SHA-256 of a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@lru_cache(maxsize=1)
def code_version() -> str:
    """A hash of the package's sources that compute numbers."""
    package = Path(__file__).parent
    files = [f for part in SOURCES for f in ((package / part).rglob("*.py") if "." not in part else (package / part,))]
    digests = hashlib.sha256()
    for file in sorted(files):
        digests.update(f"{file.relative_to(package).as_posix()}\0".encode() + file.read_bytes())
    return digests.hexdigest()[:20]


def plan_replicas(suite: Suite, cells: Iterable[Cell], execution: dict[str, Any]) -> list[Replica]:
    """Every replica of a suite's cells under one execution, cell by cell."""
    replicas = []
    for cell in cells:
        science = cell.definition()
        cell_id = digest(science)
        for seed in suite.seeds:
            replica_id = digest([cell_id, seed, execution])
            definition = {
                "suite": suite.name,
                "label": cell.label,
                "baseline": cell.baseline,
                "rank_by": suite.evaluation.rank_by,
                "target_label": cell.target_label,
                "cell": science,
                "cell_id": cell_id,
                "seed": seed,
                "execution": execution,
                "replica_id": replica_id,
            }
            replicas.append(Replica(cell, seed, replica_id, definition))
    return replicas


def plan_ensembles(replicas: Iterable[Replica], width: int) -> list[Ensemble]:
    """Ensembles of at most `width` replicas that differ in seed and swept numbers only; baselines by themselves.

    How replicas are grouped changes no bit of any of them: each ensemble is padded to the same width.
    """
    groups: dict[str, list[Replica]] = {}
    for replica in replicas:
        groups.setdefault(_shape(replica), []).append(replica)
    ensembles = []
    for members in groups.values():
        cell = members[0].cell
        affinity = _affinity(cell)
        for start in range(0, len(members), width):
            chunk = tuple(members[start : start + width])
            ensembles.append(Ensemble(chunk, members[0].definition["execution"], affinity))
    return ensembles


def _affinity(cell: Cell) -> str:
    """Equal where two cells train with the same code, whatever their targets of one shape and their evaluation."""
    shape, target = _without_swept(cell), cell.target
    knows_target = cell.trained and cell.objective.instance.needs_target
    parts = {key: shape[key] for key in ("objective", "optimiser", "network", "latent", "batch")}
    return digest([parts, target.definition() if knows_target else list(target.instance.shape)])


def _shape(replica: Replica) -> str:
    return digest([_without_swept(replica.cell), replica.definition["execution"]])


def _without_swept(cell: Cell) -> dict[str, Any]:
    shape = cell.definition()
    for key, part in (("objective", cell.objective), ("optimiser", cell.optimiser)):
        if part is not None:
            swept = swept_fields(type(part.instance))
            fields = {name: None if name in swept else value for name, value in part.fields.items()}
            shape[key] = {"name": part.name, "fields": fields}
    return shape
