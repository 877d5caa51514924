"""One file in a folder of results that holds the JSON and the rows of them all, so that thousands are read as one.

It is derived: the results' own files stay the truth, and it may be removed at any time. A result is taken from it only
while its own file has the name, the size and the time of change that it had when it was read and verified; all others
are read and verified one by one, and where these are many, the derived file is written anew. Nobody has to ask for
it, and where it cannot be written, or is damaged, reading goes on without it.

A result that is taken from it is not verified again: damage that leaves a file's size and time alone, a bit that flips
on the disk, is found where that file itself is opened, by `read`, `read_arrays`, `write_bundle` and `merge`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from ganbench.store.container import (
    ROW_SCHEMA,
    SCHEMA,
    DamagedError,
    Parsed,
    Stored,
    StoreError,
    open_result,
    write_whole,
)
from ganbench.store.validation import check_payload, parsed

COMPACTED = "compacted.arrow"
WORTH = 256
"""Results read one by one, about half a second, from which the derived file is written."""
SETTLED_S = 2
"""The age from which a file's time of change tells it from its next state: some file systems count in two seconds."""

State = tuple[str, int, int]
"""A result file's name, its size, and the time of its last change in nanoseconds."""

_DIGEST_BYTES = 32
# few texts in many rows: as numbers they are read ten times faster
_CODED = {pa.string(): pa.dictionary(pa.int32(), pa.string())}
_SCHEMA = pa.schema(
    [("name", pa.string()), ("size", pa.int64()), ("changed_ns", pa.int64()), ("json", pa.string())]
    + [(field.name, pa.list_(_CODED.get(field.type, field.type))) for field in ROW_SCHEMA],
    metadata={"ganbench": f"compacted 1, schema {SCHEMA}"},
)


def open_all(folder: Path, files: Iterable[Path], damaged: list[DamagedError] | None = None) -> list[Stored]:
    """The results of all the result files of a folder, in their order, from the derived file where that knows them.

    Raises StoreError for a file that is read and is corrupt or of a newer schema; what is damaged is left out and
    told in the list, where one is given.
    """
    settled_ns = time.time_ns() - SETTLED_S * 10**9
    # seen before the files are read: one that changes meanwhile has another state the next time
    states = {_state(file): file for file in files}
    known = _read(folder) if states else {}
    found: dict[State, Stored] = {}
    for state, file in states.items():
        try:
            found[state] = known.get(state) or open_result(file)
        except DamagedError as error:
            if damaged is None:
                raise
            damaged.append(error)
    settled = {state: result for state, result in found.items() if state[2] < settled_ns}
    if len(settled.keys() - known.keys()) >= WORTH:
        with contextlib.suppress(StoreError):  # a folder that can only be read, or a full disk
            write_whole(folder / COMPACTED, _encoded(settled))
    return list(found.values())


def contradicted(folder: Path, results: Iterable[Stored]) -> bool:
    """Whether the derived file of a folder is damaged, or contradicts results that were read themselves."""
    try:
        content = (folder / COMPACTED).read_bytes()
    except OSError:
        return False
    if hashlib.sha256(content[:-_DIGEST_BYTES]).digest() != content[-_DIGEST_BYTES:]:
        return True
    known = _read(folder)
    pairs = [(result, other) for result in results if (other := known.get(_state(result.path)))]
    # as text, since a NaN is not equal to itself
    return any(
        repr(one.payload) != repr(other.payload) or str(one.table().to_pylist()) != str(other.table().to_pylist())
        for one, other in pairs
    )


def _state(file: Path) -> State:
    try:
        seen = os.stat(file)
    except OSError:
        return file.name, 0, time.time_ns()  # opening it will tell
    return file.name, seen.st_size, seen.st_mtime_ns


def _encoded(results: Mapping[State, Stored]) -> bytes:
    """An Arrow file with a row for each result, and its SHA-256 after it."""
    tables = [result.table() for result in results.values()]
    rows, ends = pa.concat_tables(tables), pa.array(np.cumsum([0, *map(len, tables)]), pa.int32())
    columns = [*zip(*results, strict=True), [json.dumps(result.payload) for result in results.values()]]
    columns += [
        pa.ListArray.from_arrays(ends, values.combine_chunks().cast(_CODED.get(values.type, values.type)))
        for values in rows.columns
    ]
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_file(buffer, _SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(pa.table(columns, schema=_SCHEMA))
    content = buffer.getvalue().to_pybytes()
    return content + hashlib.sha256(content).digest()


def _read(folder: Path) -> dict[State, Stored]:
    """What the derived file holds; nothing where it is absent, damaged, or another version's."""
    try:
        content = memoryview((folder / COMPACTED).read_bytes())
        body = content[:-_DIGEST_BYTES]
        if hashlib.sha256(body).digest() != content[-_DIGEST_BYTES:]:
            return {}
        with pa.ipc.open_file(pa.py_buffer(body)) as reader:
            if not reader.schema.equals(_SCHEMA, check_metadata=True):
                return {}
            table = reader.read_all().combine_chunks()
        # a stranger's file can have a right digest: offsets beyond its end would read other memory
        table.validate(full=True)
        lists = [table[name].combine_chunks() for name in ROW_SCHEMA.names]
        values = [values.values.cast(kind) for values, kind in zip(lists, ROW_SCHEMA.types, strict=True)]
        rows, ends = pa.table(values, schema=ROW_SCHEMA), lists[0].offsets.to_pylist()
        payloads = [parsed(text) for text in table["json"].to_pylist()]
        for payload, name in zip(payloads, table["name"].to_pylist(), strict=True):
            check_payload(payload)
            if not name.startswith(payload["definition"]["replica_id"]):
                return {}
    except (OSError, pa.ArrowException, ValueError, TypeError, AttributeError):
        return {}
    states = zip(*(table[name].to_pylist() for name in ("name", "size", "changed_ns")), strict=True)
    return {
        state: Parsed(folder / state[0], payload, b"", rows=rows.slice(start, stop - start))
        for state, payload, start, stop in zip(states, payloads, ends[:-1], ends[1:], strict=True)
    }
