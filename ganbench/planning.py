"""Cells -> replicas with their identity -> ensembles of one shape, padded to one width."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ganbench import catalogue
from ganbench.fields import swept_fields
from ganbench.registry import Registry
from ganbench.suite import Cell, Part, Suite
from ganbench.suite.loading import LANES
from ganbench.suite.spec import parse_spec

PACKAGE = Path(__file__).parent
NUMBERS = (
    "fields",
    "streams",
    "suite.cells",
    "targets",
    "objectives",
    "networks",
    "training",
    "metrics",
    "theory",
    "execution.worker",
    "execution.measurement",
    "execution.floors",
)
"""The parts of the package that compute numbers; of these, what a cell uses is its code."""

ROOTS = ("ganbench.execution.worker", "ganbench.suite.cells")
"""What every cell uses, with all that they import."""

MEASURES_FINDINGS = "ganbench.execution.findings"


@dataclass(frozen=True)
class Replica:
    """One training run: a cell and a seed, with their identity; `definition` is what the store keeps."""

    cell: Cell
    seed: int
    replica_id: str
    definition: dict[str, Any]
    width_key: str  # names its cell and what its suite wanted, in the table of widths that fitted into memory

    @property
    def width(self) -> int:
        """Replicas per ensemble."""
        return self.definition["execution"]["width"]


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


def code_version(cell: Cell, package: Path = PACKAGE) -> str:
    """A hash of the sources that compute a cell's numbers: an objective's file is no part of another's version.

    These are the worker's and those of the cell's own parts and metrics, with what they import of NUMBERS, read off the
    text: nothing is imported. The sources of an objective from outside are among them.
    """
    objectives = catalogue.OBJECTIVES if cell.trained else catalogue.FINDINGS if cell.finding else catalogue.BASELINES
    named: list[tuple[Registry, str]] = [(objectives, cell.objective.name), (catalogue.TARGETS, cell.target.name)]
    named += [(catalogue.NETWORKS, cell.network.name)] if cell.network else []
    named += [(catalogue.OPTIMISERS, cell.optimiser.name)] if cell.optimiser else []
    named += [(catalogue.REGULARISERS, part.name) for part in cell.regularisers]
    named += [(catalogue.METRICS, metric) for metric in cell.evaluation.metrics]
    named += [(catalogue.DIAGNOSTICS, text.partition("[")[0]) for text in cell.evaluation.diagnostics]
    named += _subjects(cell) if cell.finding else []
    modules = {registry.places[name].partition(":")[0] for registry, name in named if name in registry.places}
    outside = [path.read_bytes() for path in objectives.sources(cell.objective.place or cell.objective.name)]
    modules = modules.union(ROOTS, [MEASURES_FINDINGS] * cell.finding, *(_named(text, package) for text in outside))
    version = _version(frozenset(modules), package)
    return digest([version, *(hashlib.sha256(text).hexdigest() for text in outside)]) if outside else version


def sources_version(modules: Iterable[str], package: Path = PACKAGE) -> str:
    """A hash of the sources of some modules of the package with what they import of NUMBERS."""
    return _version(frozenset(modules), package)


def _subjects(cell: Cell) -> list[tuple[Registry, str]]:
    """The objectives on which a finding measures its laws, and their regularisers."""
    specs = [parse_spec(text) for text in cell.objective.instance.subjects]
    added = [(catalogue.REGULARISERS, one.name) for spec in specs for one in spec.added]
    return [*((catalogue.OBJECTIVES, spec.name) for spec in specs), *added]


@lru_cache(maxsize=4096)
def _version(modules: frozenset[str], package: Path) -> str:
    seen: set[str] = set()
    waiting = set(modules)
    while waiting:
        seen |= waiting
        waiting = {found for module in waiting for found in _imports(module, package)} - seen
    digests = hashlib.sha256()
    for module in sorted(seen):
        source = _source(module, package)
        native = source.with_suffix(".cpp")  # what a module has in another language stands beside it
        digests.update(f"{module}\0".encode() + source.read_bytes() + (native.read_bytes() if native.exists() else b""))
    return digests.hexdigest()[:20]


@lru_cache(maxsize=4096)
def _imports(module: str, package: Path) -> frozenset[str]:
    return _named(_source(module, package).read_bytes(), package)


def _named(text: bytes, package: Path) -> frozenset[str]:
    """Modules of NUMBERS that a text imports, at the top or inside functions; packages included."""
    names: set[str] = set()
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a template, or another Python's file, in a package from outside
        return frozenset()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parents = {
        ".".join(parts[:end]) for parts in (name.split(".") for name in names) for end in range(2, len(parts) + 1)
    }
    return frozenset(name for name in parents if _computes(name) and _source(name, package).is_file())


def _computes(module: str) -> bool:
    return any(f"{module}.".startswith(f"ganbench.{part}.") for part in NUMBERS)


def _source(module: str, package: Path) -> Path:
    """Where a module's text is; of a package, its `__init__`'s."""
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def plan_replicas(
    suite: Suite, cells: Iterable[Cell], execution: dict[str, Any], widths: Mapping[str, int] = MappingProxyType({})
) -> list[Replica]:
    """Every replica of a suite's cells under one execution, to which each cell's code is added, cell by cell.

    `widths` holds narrower ensembles by `width_key`: a cell that once ran out of memory is planned with those.
    """
    replicas = []
    for cell in cells:
        science = cell.definition()
        cell_id = digest(cell.identity())
        width_key = digest([cell_id, execution])
        executed = {**execution, "width": widths.get(width_key, execution["width"]), "code": code_version(cell)}
        for seed in suite.seeds:
            replica_id = digest([cell_id, seed, executed])
            definition = {
                "suite": suite.name,
                "label": cell.label,
                "baseline": cell.baseline,
                "rank_by": suite.evaluation.rank_by,
                "target_label": cell.target_label,
                "cell": science,
                "cell_id": cell_id,
                "seed": seed,
                "execution": executed,
                "replica_id": replica_id,
            }
            replicas.append(Replica(cell, seed, replica_id, definition, width_key))
    return replicas


def narrower(width: int, batch: int) -> int | None:
    """Half the width, or None where an ensemble of it would not keep its bits: under 2, or off the LANES."""
    half = width // 2
    return half if half >= 2 and half * batch % LANES == 0 else None


def narrowed(replicas: Iterable[Replica], width: int) -> tuple[str, ...]:
    """A sentence for each cell that was planned with fewer replicas per ensemble than its suite asks for."""
    found = {r.definition["cell_id"]: r for r in replicas if r.width < width}
    return tuple(f"{r.cell.label} on {r.cell.target_label}: {narrowed_note(r, width)}" for r in found.values())


def narrowed_note(replica: Replica, width: int) -> str:
    """What the table says of a replica whose suite asked for another width."""
    return f"out of memory at width {width}, so trained at width {replica.width}"


def plan_ensembles(replicas: Iterable[Replica]) -> list[Ensemble]:
    """Ensembles of replicas that differ in seed and swept numbers only; baselines by themselves.

    How replicas are grouped changes no bit of any of them: each ensemble is padded to its width.
    """
    groups: dict[str, list[Replica]] = {}
    shapes: dict[tuple[str, str], str] = {}  # one for each cell: thousands of replicas differ in their seed alone
    for replica in replicas:
        known = replica.definition["cell_id"], digest(replica.definition["execution"])
        if known not in shapes:
            shapes[known] = _shape(replica)
        groups.setdefault(shapes[known], []).append(replica)
    ensembles = []
    for members in groups.values():
        cell = members[0].cell
        affinity = affinity_of(cell)
        for start in range(0, len(members), members[0].width):
            chunk = tuple(members[start : start + members[0].width])
            ensembles.append(Ensemble(chunk, members[0].definition["execution"], affinity))
    return ensembles


def affinity_of(cell: Cell) -> str:
    """Equal where two cells train with the same code, whatever their targets of one shape and their evaluation."""
    shape, target = _without_swept(cell), cell.target
    knows_target = cell.trained and cell.objective.instance.needs_target
    names = ("objective", "optimiser", "network", "latent", "batch", "regularisers")
    parts = {key: shape[key] for key in names if key in shape}
    return digest([parts, target.identity() if knows_target else list(target.instance.shape)])


def _shape(replica: Replica) -> str:
    return digest([_without_swept(replica.cell), replica.definition["execution"]])


def _without_swept(cell: Cell) -> dict[str, Any]:
    shape = cell.identity()
    for key, part in (("objective", cell.objective), ("optimiser", cell.optimiser)):
        if part is not None:
            shape[key] = _part_without_swept(part)
    if cell.regularisers:
        shape["regularisers"] = [_part_without_swept(part) for part in cell.regularisers]
    return shape


def _part_without_swept(part: Part) -> dict[str, Any]:
    swept = swept_fields(type(part.instance))
    fields = {name: None if name in swept else value for name, value in part.fields.items()}
    return {"name": part.name, "fields": fields}
