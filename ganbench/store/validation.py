"""What a stored file may say: the types, sizes and names of its JSON, its rows and its arrays.

A digest finds damage; a stranger's file can carry a right one. So each value that a report, a comparison or a merge
uses is checked here once, and a suite's name can name no folder but one below.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors import numpy as safetensors

LARGEST_BYTES = 256 * 2**20
"""Of one file of results; a replica's is some 10 kB."""
MOST_ROWS = 10**6
MOST_TEXT_BYTES = 2**30
"""Of a column of texts as it is used: equal ones take no room in a file, and much in memory."""
LONG_BYTES = 2**22
"""From which on a column of texts must be short in rows: a legitimate one of many rows repeats a few words."""
DEEPEST = 16
LARGEST_INTEGER = 2**53
SUITE_NAME = r"^[a-z0-9][a-z0-9._-]{0,99}$"
SNAPSHOT = re.compile(r"(?:averaged_)?snapshot/\d{1,15}")

Scalar = bool | int | float | str | None
Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Name = Annotated[str, Field(min_length=1, max_length=10_000)]
Number = float | None


class Said(BaseModel):
    """A table of a file's JSON: every known value of its type; what a later version adds is no error."""

    model_config = ConfigDict(extra="allow", strict=True)


class PartOf(Said):
    """An objective, a target, a network or an optimiser."""

    name: Name
    fields: dict[str, Scalar | list[Scalar]] = {}


class BudgetOf(Said):
    currency: str
    amount: float


class EvaluationOf(Said):
    metrics: list[str] = []
    reached_metric: str | None = None
    reached: Number = None
    rank_by: str | None = None


class CellOf(Said):
    target: PartOf
    objective: PartOf
    network: PartOf | None = None
    optimiser: PartOf | None = None
    regularisers: list[PartOf] = []
    budget: BudgetOf | None = None
    iterations: Count | None = None
    evaluation: EvaluationOf | None = None


class ExecutionOf(Said):
    device: str = ""
    width: Count = 0
    compiled: bool = False
    threads: Count = 0
    precision: str = ""
    lift: str = ""
    convolution: str = ""
    code: str = ""


class DefinitionOf(Said):
    suite: Annotated[str, Field(pattern=SUITE_NAME)]
    label: Name
    target_label: Name = "-"
    baseline: bool = False
    rank_by: str | None = None
    cell: CellOf
    cell_id: Name
    seed: Count
    execution: ExecutionOf
    replica_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16,64}$")]


class InfoOf(Said):
    iteration_s: Number = None
    samples_per_s: Number = None
    training_s: Number = None
    compile_s: Number = None
    evaluation_s: Number = None
    peak_memory_mb: Number = None
    diverged_at: Count | None = None
    error: str | None = None
    notes: str | None = None
    machine: str = ""
    versions: dict[str, str | None] = {}
    subjects: list[str] = []


class PayloadOf(Said):
    """The JSON of one replica's file."""

    definition: DefinitionOf
    status: Literal["completed", "diverged", "failed"]
    info: InfoOf
    measured: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")] | None
    written_s: Annotated[float, Field(ge=0, le=1e12)]
    arrays_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None


def parsed(text: bytes | str) -> Any:
    """JSON of bounded depth whose objects have each key once. Raises ValueError."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError(f"nested more than {DEEPEST} deep") from None
    level, depth = [found], 0
    while level := [inner for one in level for inner in _inside(one)]:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"nested more than {DEEPEST} deep")
    return found


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def check_payload(payload: Any) -> None:
    """Raises ValueError unless it is the JSON of one replica's file."""
    try:
        PayloadOf.model_validate(payload)
    except ValidationError as error:
        raise ValueError(first_of(error)) from None


def first_of(error: ValidationError) -> str:
    """The first thing that pydantic found, on one line."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(key) for key in first["loc"])
    return printed(f"{where}: {first['msg']}")


def printed(text: str, most: int = 200) -> str:
    """Text of a file in a message: so many characters at most, on one line, none that commands a terminal."""
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(c if c.isprintable() else "�" for c in short)


def check_rows(table: pa.Table, schema: pa.Schema, least: int) -> pa.Table:
    """The table in the types of a schema, of which it has the first `least` columns or more. Raises ValueError."""
    names = table.column_names
    if len(names) < least or names != schema.names[: len(names)]:
        raise ValueError(f"found the columns {printed(', '.join(names))}; expected {', '.join(schema.names)}")
    expected = pa.schema([schema.field(name) for name in names])
    try:
        table.validate(full=True)
        return table if table.schema.equals(expected) else table.cast(expected)
    except (pa.ArrowException, OverflowError) as error:
        raise ValueError(printed(str(error))) from None


def check_size(about: pq.FileMetaData, names: Sequence[str]) -> None:
    """Raises ValueError for more rows than a replica has, or where its columns of texts could take gigabytes."""
    if about.num_rows > MOST_ROWS:
        raise ValueError(f"found {about.num_rows:,} rows; expected at most {MOST_ROWS:,}")
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    if about.num_rows * sum(group.total_byte_size for group in groups) <= MOST_TEXT_BYTES:
        return
    for column in (group.column(place) for group in groups for place in range(group.num_columns)):
        size = column.total_uncompressed_size
        # in the worst case each row holds the one text that takes up the whole column
        too_long = size > MOST_TEXT_BYTES or (size > LONG_BYTES and about.num_rows * size > MOST_TEXT_BYTES)
        if column.physical_type == "BYTE_ARRAY" and column.path_in_schema in names and too_long:
            raise ValueError(f"found {size:,} bytes of texts in the column {printed(column.path_in_schema)}")


def arrays_of(packed: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file. Raises ValueError where it is none, or its snapshots cannot be."""
    try:
        found = safetensors.load(packed)
    except (SafetensorError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"no arrays ({printed(str(error))})") from None
    shapes = set()
    for name, array in found.items():
        if "snapshot/" not in name:
            continue
        if not SNAPSHOT.fullmatch(name) or array.dtype.kind != "f" or array.ndim < 2 or not math.prod(array.shape):
            raise ValueError(f"the array {printed(name)} holds no samples at an iteration")
        shapes.add(array.shape[1:])
    if len(shapes) > 1:
        raise ValueError(f"snapshots of several shapes, {' and '.join(map(str, sorted(shapes)))}")
    return found
