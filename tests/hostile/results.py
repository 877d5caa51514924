"""Files of results that somebody might send, each with a right digest: name -> what is changed of a good one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors.numpy import save

from ganbench.store.container import ROW_SCHEMA, open_result, sealed
from ganbench.store.replicas import write

Change = Callable[[dict[str, Any]], Any]


def at(*keys: str, to: Any) -> Change:
    """A change of one value of the JSON."""

    def change(payload: dict[str, Any]) -> None:
        table = payload
        for key in keys[:-1]:
            table = table[key]
        table[keys[-1]] = to

    return change


def without(*keys: str) -> Change:
    def change(payload: dict[str, Any]) -> None:
        table = payload
        for key in keys[:-1]:
            table = table[key]
        del table[keys[-1]]

    return change


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


PLACES = {
    "suite": ("definition", "suite"),
    "seed": ("definition", "seed"),
    "label": ("definition", "label"),
    "cell": ("definition", "cell"),
    "cell_id": ("definition", "cell_id"),
    "replica_id": ("definition", "replica_id"),
    "execution": ("definition", "execution"),
    "target": ("definition", "cell", "target"),
    "objective": ("definition", "cell", "objective"),
    "name of the objective": ("definition", "cell", "objective", "name"),
    "fields of the objective": ("definition", "cell", "objective", "fields"),
    "budget": ("definition", "cell", "budget"),
    "amount": ("definition", "cell", "budget", "amount"),
    "status": ("status",),
    "info": ("info",),
    "definition": ("definition",),
    "written_s": ("written_s",),
    "arrays_sha256": ("arrays_sha256",),
    "iteration_s": ("info", "iteration_s"),
    "error": ("info", "error"),
}
WRONG: dict[str, Any] = {"a list": [1], "true": True, "a table of lists": {"a": [[]]}}
"""What can stand in none of the places but one, which says so below."""
NAMES = {"a path upwards": "../../up", "an absolute path": "/tmp/x", "dots": "..", "a NUL": "a\0b", "nothing": ""}
NAMES |= {"an escape": "\x1b[31m", "a line": "a\nb", "101 letters": "a" * 101, "a capital": "Tiny", "a pipe": "|sh"}

PAYLOADS: dict[str, Change] = {
    **{f"{place}: {what}": at(*keys, to=value) for place, keys in PLACES.items() for what, value in WRONG.items()},
    **{f"{place} is not there": without(*keys) for place, keys in list(PLACES.items())[:9]},
    **{f"suite: {what}": at("definition", "suite", to=text) for what, text in NAMES.items()},
    **{f"replica_id: {what}": at("definition", "replica_id", to=text) for what, text in NAMES.items()},
    **{f"measured: {what}": at("measured", to=text) for what, text in NAMES.items()},
    "a newer schema": at("schema", to=99),
    "a schema of a thousand digits": at("schema", to=10**1000),
    "a schema that is a text": at("schema", to="2"),
    "a negative seed": at("definition", "seed", to=-1),
    "a seed beyond the largest": at("definition", "seed", to=2**60),
    "a seed of a thousand digits": at("definition", "seed", to=10**1000),
    "a time beyond all": at("written_s", to=1e300),
    "a time that is no number": at("written_s", to=float("nan")),
    "a status of its own": at("status", to="won"),
    "a label of a mebibyte": at("definition", "label", to="a" * 2**20),
    "lists forty deep": at("info", "more", to=deep(40)),
    "lists nine hundred deep": at("info", "more", to=deep(900)),  # Python itself writes none that are much deeper
    "a digest that is none": at("arrays_sha256", to="0" * 63),
}
for place in ("budget", "execution", "info"):  # nothing that is known, and something that a later version may know
    PAYLOADS.pop(f"{place}: a table of lists")


def rows_of(name: str, values: list[Any], kind: pa.DataType | None = None) -> Callable[[pa.Table], pa.Table]:
    """A change of one column of the rows."""

    def change(table: pa.Table) -> pa.Table:
        place = table.column_names.index(name)
        return table.set_column(place, name, pa.array(values * len(table), kind))

    return change


TABLES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "no columns": lambda table: pa.table({}),
    "columns in another order": lambda table: table.select(table.column_names[::-1]),
    "a column too many": lambda table: table.append_column("more", pa.array([1] * len(table))),
    "a first column that is missing": lambda table: table.drop_columns(["iteration"]),
    "values that are texts": rows_of("value", ["high"]),
    "iterations that are fractions": rows_of("iteration", [0.5]),
    "metrics that are lists": rows_of("metric", [["w1"]]),
    "metrics that are no UTF-8": lambda table: rows_of("metric", [b"\xff"], pa.binary())(table),
    "values nested in tables": rows_of("value", [{"a": 1.0}]),
    "a million rows and one": lambda table: table.take(pa.array(np.zeros(1_000_001, dtype=int))),
}


def rewritten(path: Path, change: Change | None, rows: Callable[[pa.Table], pa.Table] | None = None) -> Path:
    """A result file with another content and its right digest."""
    found = open_result(path)
    payload = json.loads(json.dumps(found.payload))
    if change is not None:
        change(payload)
    table = found.table().cast(ROW_SCHEMA)
    path.write_bytes(sealed(payload, table if rows is None else rows(table)))
    return path


ARRAYS: dict[str, Callable[[], bytes]] = {
    "a pickle": lambda: b"\x80\x04cposix\nsystem\n.",
    "no bytes": lambda: b"",
    "a header beyond the file": lambda: (2**62).to_bytes(8, "little") + b"{}",
    "a header that is no JSON": lambda: (4).to_bytes(8, "little") + b"nope",
    "offsets beyond the file": lambda: _header({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}),
    "a shape of billions": lambda: _header({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 0]}}),
    "an unknown type": lambda: _header({"a": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 4]}}, 4),
    "a snapshot of no iteration": lambda: save({"snapshot/../x": np.ones((3, 2), np.float32)}),
    "a snapshot of no samples": lambda: save({"snapshot/1": np.ones((0, 2), np.float32)}),
    "a snapshot of integers": lambda: save({"snapshot/1": np.ones((3, 2), np.int32)}),
    "a snapshot of numbers": lambda: save({"snapshot/1": np.ones(3, np.float32)}),
    "snapshots of two shapes": lambda: save(
        {"snapshot/1": np.ones((3, 2), np.float32), "snapshot/2": np.ones((3, 3), np.float32)}
    ),
}


def _header(about: dict[str, Any], size: int = 0) -> bytes:
    text = json.dumps(about).encode()
    return len(text).to_bytes(8, "little") + text + bytes(size)


__all__ = ["ARRAYS", "PAYLOADS", "TABLES", "rewritten", "write"]
