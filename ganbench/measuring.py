"""Stored generators measured anew, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ganbench import catalogue, store
from ganbench.planning import Replica
from ganbench.store.validation import first_of, printed
from ganbench.suite import Cell
from ganbench.suite.schema import Execution

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ganbench.execution.remeasure import Kept

EXECUTED = ("width", "threads", "compiled", "lift", "precision", "convolution")
"""What a replica's execution must say for its generator to be run again as it was."""

SPENT = ("iteration", "generator_steps", "gradient_steps", "real_samples", "seconds")


def evaluate(
    folder: str | Path, metric: str, *, samples: int | None = None, device: str = "cpu", allowed: Sequence[str] = ()
) -> pd.DataFrame:
    """One metric of every completed replica in a suite's folder, measured anew without training; its rows.

    From the stored generators, and from baselines fitted again; `samples` defaults to those of the final evaluation,
    whose value it then repeats. Diverged and failed replicas have none, as in training. Objectives from outside, whose
    code is run, are measured where `allowed` names them, as FILE.py:CLASS or by their entry points. `load_results`
    finds the rows too, with measured_later True, and beside them those of averaged generators, named `ema_` and the
    metric. Raises StoreError, ValueError for a metric that applies to no target, and ValueError that lists replicas
    which could not be measured, after all others were.
    """
    from ganbench.execution.remeasure import grouped, measurable, remeasure
    from ganbench.training.device import resolve_device

    catalogue.METRICS.require(metric)
    device = resolve_device(device)
    kept, unmeasured = _kept(Path(folder), allowed)
    if not kept and not unmeasured:
        raise ValueError(f"{folder}: found no completed replica, so there is nothing to measure; run the suite first")
    for members in grouped(measurable(kept, metric, samples)):
        for one, rows in zip(members, remeasure(members, metric, samples, device), strict=True):
            if isinstance(rows, str):
                unmeasured[one.replica.replica_id] = rows
            else:
                store.write_measurements(folder, one.replica.replica_id, metric, [store.Row(**row) for row in rows])
    if unmeasured:
        listed = "; ".join(f"{replica_id}: {reason}" for replica_id, reason in unmeasured.items())
        count = f"{len(unmeasured)} replica{' was' if len(unmeasured) == 1 else 's were'} not measured"
        raise ValueError(f"{metric}: {count}, all others are stored: {listed}")
    results = store.load_results(folder)
    return results[results.measured_later & (results.metric == metric)]


def _kept(folder: Path, allowed: Sequence[str]) -> tuple[list[Kept], dict[str, str]]:
    """The completed replicas of a folder, rebuilt, and why others cannot be, by replica_id. Raises StoreError."""
    from ganbench.execution.remeasure import Kept

    kept, unknown = [], {}
    statuses = store.stored(folder)
    if not statuses:
        raise store.StoreError(folder, "no stored replica here", "give a folder that `ganbench run` has written")
    for replica_id in (name for name, status in statuses.items() if status == "completed"):
        result = store.read(store.result_path(folder, replica_id))
        lacking = [key for key in EXECUTED if key not in result.definition["execution"]]
        if lacking:
            why = f"an older version stored it, without {', '.join(lacking)}"
            unknown[replica_id] = f"{result.definition['label']} cannot be rebuilt by this version: {why}"
            continue
        try:
            check_execution(result.definition["execution"])
            cell = rebuilt(result.definition, allowed)
        except ValueError as error:
            unknown[replica_id] = str(error)
            continue
        if cell.finding:
            continue  # it has no samples
        generator, averaged = (_folder(result.arrays, name) for name in ("generator/", "averaged/"))
        last = next(row for row in reversed(result.rows) if row.final)
        spent = {name: getattr(last, name) for name in SPENT}
        replica = Replica(cell, result.definition["seed"], replica_id, result.definition, width_key="")
        kept.append(Kept(replica, generator, spent, averaged))
    return kept, unknown


def check_execution(execution: Mapping[str, Any]) -> None:
    """Raises ValueError unless a suite can ask for it: a stranger's may have no width, or thousands of threads."""
    device = "cpu" if execution.get("device", "cpu") == "cpu" else "cuda"
    plain = {name: execution[name] for name in ("compiled", "width", "threads", "precision")}
    by_device = {f"{name}_{device}": execution[name] for name in ("lift", "convolution", "draws") if name in execution}
    try:
        Execution.model_validate({**plain, **by_device})
    except ValidationError as error:
        raise ValueError(f"made as no suite can ask for: {first_of(error)}") from None


def rebuilt(definition: Mapping[str, Any], allowed: Sequence[str] = ()) -> Cell:
    """The cell of a stored definition; the code of an objective from outside is run only where `allowed` names it.

    A stored file can come from a stranger and name any file of this machine. Raises ValueError where it cannot be
    rebuilt.
    """
    objective = definition["cell"]["objective"]
    name = objective.get("place") or objective["name"]
    ours = any(name in r.places for r in (catalogue.OBJECTIVES, catalogue.BASELINES, catalogue.FINDINGS))
    if not ours and name not in [catalogue.OBJECTIVES.place(one) or one for one in allowed]:
        told = f"{printed(definition['label'])} is code from outside, which is run only where you name it"
        raise ValueError(f"{told}: -o {printed(name)}")
    try:
        label = definition.get("target_label", definition["cell"]["target"]["name"])
        return Cell.from_definition(definition["cell"], label=definition["label"], target_label=label)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        told = f"{printed(definition['label'])} cannot be rebuilt by this version"
        raise ValueError(f"{told}: {printed(str(error))}") from None


def _folder(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Those arrays whose names begin with a prefix, by the rest of the name."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
