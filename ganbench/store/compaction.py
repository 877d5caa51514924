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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ganbench.store.container import (
    ROW_SCHEMA,
    SCHEMA,
    AbsentError,
    DamagedError,
    Stored,
    StoreError,
    open_result,
    read_plain,
    write_whole,
)
from ganbench.store.validation import check_payload, parsed

COMPACTED = "compacted.arrow"
LARGEST = 2**31
"""Of its bytes, some 1,500 for each replica."""
WORTH, WORTH_SHARE = 256, 16
"""Results read one by one, a third of a second, from which the derived file is written; where it knows thousands, one
in so many of these, as writing it takes as long as reading them."""
SETTLED_S = 2
"""The age from which a file's time of change tells it from its next state: some file systems count in two seconds."""

State = tuple[str, int, int]
"""A result file's name, its size, and the time of its last change in nanoseconds."""

_DIGEST_BYTES = 32
_TEXT = pa.dictionary(pa.int32(), pa.string())
CODED_SCHEMA = pa.schema([(one.name, _TEXT if one.type == pa.string() else one.type) for one in ROW_SCHEMA])
"""Few texts in many rows: as numbers they are read ten times faster."""

_SHARED = ("cell", "execution")
"""What many definitions have alike: each different one is parsed once, and is one object of them all."""
_SCHEMA = pa.schema(
    [("name", pa.string()), ("size", pa.int64()), ("changed_ns", pa.int64()), ("json", pa.string())]
    + [(f"json of {key}", _TEXT) for key in _SHARED]
    + [(one.name, pa.list_(one.type)) for one in CODED_SCHEMA],
    metadata={"ganbench": f"compacted 2, schema {SCHEMA}"},
)


@dataclass(frozen=True)
class Rows:
    """Rows `start` to `stop` of a table of ROW_SCHEMA or of CODED_SCHEMA, which may hold those of many results."""

    whole: pa.Table
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def table(self) -> pa.Table:
        return self.whole.slice(self.start, len(self))


@dataclass(frozen=True)
class Part(Stored):
    """A result of the derived file, and where in it its rows are."""

    rows: Rows = field(repr=False, kw_only=True)

    def table(self) -> pa.Table:
        return self.rows.table().cast(ROW_SCHEMA)


def open_all(folder: Path, files: Iterable[Path], damaged: list[DamagedError] | None = None) -> list[Stored]:
    """The results of all the result files of a folder, in their order, from the derived file where that knows them.

    Raises StoreError for a file that is read and is corrupt or of a newer schema; what is damaged is left out and
    told in the list, where one is given. There a file that is gone by now, set aside by another run, is left out too.
    """
    found, settled, unknown = _opened(folder, files, damaged)
    if unknown >= max(WORTH, (len(settled) - unknown) // WORTH_SHARE):
        content = _encoded(settled)
        found |= _decoded(folder, content)  # whose rows need not be parsed once more, file by file
        with contextlib.suppress(StoreError):  # a folder that can only be read, or a full disk
            write_whole(folder / COMPACTED, content)
    return list(found.values())


def write_anew(folder: Path, files: Iterable[Path]) -> None:
    """Writes the derived file of these result files, but for damaged ones. Raises what opening and writing may."""
    write_whole(folder / COMPACTED, _encoded(_opened(folder, files, [])[1]))


def _opened(
    folder: Path, files: Iterable[Path], damaged: list[DamagedError] | None
) -> tuple[dict[State, Stored], dict[State, Stored], int]:
    """The results as `open_all` gives them, those old enough for the derived file, and how many of these it lacks."""
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
        except AbsentError:
            if damaged is None:
                raise
    settled = {state: result for state, result in found.items() if state[2] < settled_ns}
    return found, settled, len(settled.keys() - known.keys())


def contradicted(folder: Path, results: Iterable[Stored]) -> bool:
    """Whether the derived file of a folder is damaged, or contradicts results that were read themselves.

    Raises StoreError where it cannot be read.
    """
    content = read_plain(folder / COMPACTED, LARGEST)
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
    pieces = [rows_of(result) for result in results.values()]
    rows, ends = together(pieces), pa.array(np.cumsum([0, *map(len, pieces)]), pa.int32())
    payloads = [result.payload for result in results.values()]
    columns = [*zip(*results, strict=True), [json.dumps(_without_shared(payload)) for payload in payloads]]
    columns += [pa.array([json.dumps(p["definition"].get(key)) for p in payloads]).cast(_TEXT) for key in _SHARED]
    columns += [pa.ListArray.from_arrays(ends, values.combine_chunks()) for values in rows.columns]
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_file(buffer, _SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(pa.table(columns, schema=_SCHEMA))
    content = buffer.getvalue().to_pybytes()
    return content + hashlib.sha256(content).digest()


def _read(folder: Path) -> dict[State, Stored]:
    """What the derived file holds; nothing where it is absent, damaged, or another version's."""
    try:
        return _decoded(folder, read_plain(folder / COMPACTED, LARGEST))
    except (OSError, pa.ArrowException, ValueError, TypeError, AttributeError, LookupError, MemoryError):
        return {}


def _decoded(folder: Path, content: bytes) -> dict[State, Stored]:
    """The results that `_encoded` made bytes of; none of bytes that are damaged, or another version's.

    A stranger's file can have a right digest: what is wrong in it raises one of the errors that `_read` knows.
    """
    body = memoryview(content)[:-_DIGEST_BYTES]
    if hashlib.sha256(body).digest() != content[-_DIGEST_BYTES:]:
        return {}
    with pa.ipc.open_file(pa.py_buffer(body)) as reader:
        if not reader.schema.equals(_SCHEMA, check_metadata=True):
            return {}
        table = reader.read_all()
    table.validate(full=True)  # offsets beyond its end would read other memory
    table = table.combine_chunks()
    lists = [table[name].chunk(0) for name in ROW_SCHEMA.names]
    whole, ends = pa.table([values.flatten() for values in lists], CODED_SCHEMA), lists[0].offsets.to_pylist()
    names = table["name"].to_pylist()
    states = zip(names, *(table[name].to_pylist() for name in ("size", "changed_ns")), strict=True)
    payloads = list(map(parsed, table["json"].to_pylist()))
    for key in _SHARED:
        coded = table[f"json of {key}"].chunk(0)
        each = list(map(parsed, coded.dictionary.to_pylist()))
        for payload, index in zip(payloads, coded.indices.to_pylist(), strict=True):
            if key in payload["definition"]:
                payload["definition"][key] = each[index]
    for payload, name in zip(payloads, names, strict=True):
        check_payload(payload)
        if not name.startswith(payload["definition"]["replica_id"]):
            return {}
    return {
        state: Part(folder / state[0], payload, b"", rows=Rows(whole, start, stop))
        for state, payload, start, stop in zip(states, payloads, ends[:-1], ends[1:], strict=True)
    }


def _without_shared(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with nothing in place of what it shares; its keys keep their order."""
    definition = payload["definition"]
    return payload | {"definition": definition | {key: None for key in _SHARED if key in definition}}


def rows_of(result: Stored) -> Rows:
    """The rows of a result, where they already are in memory."""
    if isinstance(result, Part):
        return result.rows
    table = result.table()
    return Rows(table, 0, len(table))


def together(pieces: Iterable[Rows]) -> pa.Table:
    """All rows after one another, of CODED_SCHEMA and in one chunk; neighbours in one table are taken as one piece."""
    merged: list[Rows] = []
    for piece in pieces:
        if merged and piece.whole is merged[-1].whole and piece.start == merged[-1].stop:
            merged[-1] = Rows(piece.whole, merged[-1].start, piece.stop)
        else:
            merged.append(piece)
    # texts become numbers kind by kind: for each of thousands of small tables it would take seconds
    kinds = groupby(merged, key=lambda piece: piece.whole.schema.equals(CODED_SCHEMA))
    return _one_chunk([_one_chunk([rows.table() for rows in of_kind]).cast(CODED_SCHEMA) for _, of_kind in kinds])


def _one_chunk(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()
