"""Results as one tidy pandas DataFrame: a row per replica, evaluation and metric."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionArray

from ganbench import catalogue
from ganbench.store.bundle import read_bundle
from ganbench.store.compaction import Rows, open_all, rows_of, together
from ganbench.store.container import ROW_SCHEMA, Row, Stored, StoreError
from ganbench.store.records import MISSING, newest
from ganbench.store.replicas import BUNDLE, result_files, with_children

BASELINES = frozenset((*catalogue.BASELINES.names(), "vae"))
"""Objectives that are no GAN and give the scale, where a definition has no "baseline" of its own."""

TEXT = pd.StringDtype("python", na_value=np.nan)
"""The type of pandas 3 for texts, not in its default form, which copies the letters of each row."""

IDENTITY = ("suite", "target", "objective", "label", "seed", "replica_id", "cell_id", "status")
CURVES = tuple(Row.__annotations__)
EXECUTION = ("device", "width", "compiled", "threads", "precision", "lift", "convolution")
INFO = (
    *("iteration_s", "samples_per_s", "training_s", "compile_s", "evaluation_s", "peak_memory_mb"),
    *("diverged_at", "error", "notes"),
)
DERIVED = ("iterations_per_s",)
PROTOCOL = ("baseline", "optimiser", "budget_currency", "budget_amount", "rank_by", "quality_metric", "quality_target")
RECORD = ("execution", "written_s", "measured_later", "planned")


def load_results(path: Path | str) -> pd.DataFrame:
    """Every stored value under a suite's folder, or under a parent of several, in columns of plain types.

    Columns are IDENTITY, CURVES (the fields of store.Row), EXECUTION, INFO, DERIVED, PROTOCOL and RECORD. `width` is R,
    the replicas that trained at once, and `iterations_per_s` one replica's share of them: 1 / `iteration_s`.

    A replica without rows, failed or diverged before its first evaluation, has one row with metric None and value NaN.
    Values measured after training have measured_later True; without their replica's own file they are left out.

    `planned` says whether the newest run of the suite planned a replica, None where the folder has no record of a run.
    What it planned and nobody stored has one row too, with status "missing". Of a bundle, the final values are all.
    Raises StoreError where there are no results, or one is corrupt or of a newer schema.
    """
    return tabulated(Path(path), open_results(path))


def tabulated(path: Path, results: list[Stored]) -> pd.DataFrame:
    """The table of `load_results` from what `open_results` found under a path, where records of runs lie too."""
    pieces = [_rows(result) for result in results]
    described = [_describe(result) for result in results]
    for absent in _missing(path, described):
        pieces.append(NOTHING)
        described.append(absent)
    curves = together(pieces)
    replicas = pd.DataFrame(described)
    of_row = np.repeat(np.arange(len(pieces)), list(map(len, pieces)))
    replicas["iterations_per_s"] = 1 / pd.to_numeric(replicas.iteration_s)
    columns = {
        name: _column(curves[name]) if name in CURVES else _text(replicas[name]).array.take(of_row)
        for name in (*IDENTITY, *CURVES, *EXECUTION, *INFO, *DERIVED, *PROTOCOL, *RECORD)
    }
    return pd.DataFrame(columns, copy=False)  # column by column: a copy of a million rows takes as long as reading them


def _column(values: pa.ChunkedArray) -> ExtensionArray | np.ndarray:
    if not pa.types.is_dictionary(values.type):
        return values.to_numpy()
    coded = values.chunk(0)
    words = _text(pd.Series(coded.dictionary.to_pylist()))
    return words.array.take(coded.indices.fill_null(-1).to_numpy(), allow_fill=True)


def _text(column: pd.Series) -> pd.Series:
    """The column, texts as references to one another: equal ones of a million rows are stored once."""
    return column.astype(TEXT) if isinstance(column.dtype, pd.StringDtype) else column


def open_results(path: Path | str) -> list[Stored]:
    """Every stored file and bundled result under a suite's folder, or under a parent of several.

    Those that `compaction` knows are not verified again, and have no bytes.
    Raises StoreError where there are none, or one is corrupt or of a newer schema.
    """
    path = Path(path)
    folders = with_children(path)
    # the folder `measured` is a child of a suite's folder and is listed with its parent
    places = dict.fromkeys(place for folder in folders for place in (folder, folder / "measured"))
    results = [result for place in places for result in open_all(place, result_files(place))]
    # a replica whose own file was moved away is gone, though a later measurement of it may have stayed
    there = {result.replica_id for result in results if result.measured is None}
    results = [result for result in results if result.replica_id in there]
    bundles = [folder / BUNDLE for folder in folders if (folder / BUNDLE).exists()]
    results += [result for file in bundles for result in read_bundle(file) if result.replica_id not in there]
    if not results:
        raise StoreError(path, "no stored replica here", "give a folder that `ganbench run` has written")
    return results


_NOTHING = {**vars(Row(0, 0, 0, 0, 0.0, "", math.nan, "", "", math.nan, 0, False)), "metric": None}
NOTHING = Rows(pa.Table.from_pylist([_NOTHING], schema=ROW_SCHEMA), 0, 1)
"""The row of a replica that has none."""


def _rows(result: Stored) -> Rows:
    # a replica that never was evaluated must not vanish from the tables
    rows = rows_of(result)
    return rows if len(rows) or result.measured else NOTHING


def _missing(path: Path, described: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Columns of the replicas that the newest run of each suite planned and nobody stored.

    Says of the others, by the way, whether that run planned them.
    """
    absent = []
    for record in newest(path):
        planned = {replica.replica_id: replica for replica in record.replicas}
        own = [columns for columns in described if columns["suite"] == record.suite]
        for columns in own:
            columns["planned"] = columns["replica_id"] in planned
        there = {columns["replica_id"] for columns in own}
        about = {"suite": record.suite, "status": MISSING, "rank_by": record.rank_by, "planned": True}
        absent += [
            {**about, **vars(replica), "execution": "", "measured_later": False}
            for replica in record.replicas
            if replica.replica_id not in there
        ]
    return absent


def _describe(result: Stored) -> dict[str, Any]:
    """The columns that all rows of a result share."""
    definition, info = result.payload["definition"], result.payload["info"]
    cell, execution = definition["cell"], definition["execution"]
    budget = cell.get("budget") or {}
    evaluation = cell.get("evaluation") or {}
    objective = cell["objective"]["name"]
    target = definition.get("target_label", cell["target"]["name"])
    rank_by = definition.get("rank_by") or evaluation.get("rank_by") or evaluation.get("reached_metric")
    return {
        "suite": definition["suite"],
        "target": target,
        "objective": objective,
        "label": definition["label"],
        "seed": definition["seed"],
        "replica_id": result.replica_id,
        "cell_id": definition["cell_id"],
        "status": result.status,
        **{key: execution.get(key) for key in EXECUTION},
        **{key: info.get(key) for key in INFO},
        "baseline": bool(definition.get("baseline", objective in BASELINES)),
        "optimiser": (cell.get("optimiser") or {}).get("name"),
        "budget_currency": budget.get("currency"),
        "budget_amount": budget.get("amount"),
        "rank_by": rank_by,
        "quality_metric": evaluation.get("reached_metric"),
        "quality_target": evaluation.get("reached"),
        "execution": ", ".join(f"{key} {value}" for key, value in sorted(execution.items())),
        "written_s": result.payload["written_s"],
        "measured_later": result.measured is not None,
        "planned": None,
    }
