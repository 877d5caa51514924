"""The container of one result: JSON and rows in one Parquet file that carries a SHA-256 of itself.

The digest is checked before anything parses the file, so truncations and flipped bits never reach a parser.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ganbench.folders import write_file
from ganbench.store.validation import LARGEST_BYTES, check_payload, check_rows, check_size, parsed, printed

SCHEMA = 2
Status = Literal["completed", "diverged", "failed"]
REMAKE = "move it away; the next run makes it anew"

TROUBLES = frozenset(
    getattr(errno, name)
    for name in ("EIO", "ENOSPC", "EDQUOT", "EINTR", "ENOMEM", "EMFILE", "ENFILE", "ESTALE", "EROFS")
)
"""Refusals of a disk or a system that are no mistake in a path or in its permissions.

A system that finds errors on a disk makes it read-only; one that is so from the beginning `check_writable` tells.
"""

# no JSON text can hold this: after the quote that ends a string stands a colon, a comma, a bracket or a space
_DIGEST_MARK = b'digest="sha256:'


class StoreError(ValueError):
    """A file or folder of results that cannot be used: which, what was found, what to do."""

    def __init__(self, path: Path, found: str, remedy: str):
        super().__init__(f"{printed(str(path), 1000)}: {found}; {remedy}")
        self.path, self.found, self.remedy = path, found, remedy


class DiskError(StoreError):
    """A disk that is full, fails or was interrupted: nothing that a person has asked for is wrong."""


class DamagedError(StoreError):
    """A file that holds nothing that could be used any more, by damage or from its beginning."""


class AbsentError(StoreError):
    """A file that is not there, or not any more."""


def refusal(path: Path, found: str, error: OSError, remedy: str) -> StoreError:
    """What to raise where the system refuses a path: a DiskError unless another path or permission would help."""
    kind = DiskError if error.errno in TROUBLES else StoreError
    return kind(path, f"{found} ({error.strerror})", remedy)


@dataclass(frozen=True)
class Row:
    """One metric at one evaluation of one replica; `floor` is NaN where the metric has none, `n` counts samples.

    `instrument` names what besides the formula decides the value, a feature extractor; `spread` is the value's standard
    deviation over random parts of the samples, NaN where it has none; a value with a `flag` is shown and not ranked.
    """

    iteration: int
    generator_steps: int
    gradient_steps: int
    real_samples: int
    seconds: float
    metric: str
    value: float
    unit: str
    direction: str
    floor: float
    n: int
    final: bool
    instrument: str = ""
    spread: float = math.nan
    flag: str = ""


_ARROW = {"int": pa.int64(), "float": pa.float64(), "str": pa.string(), "bool": pa.bool_()}
ROW_SCHEMA = pa.schema([(name, _ARROW[str(kind)]) for name, kind in Row.__annotations__.items()])
FIRST_COLUMNS = sum(not hasattr(Row, name) for name in ROW_SCHEMA.names)
"""Those that every schema had: the others have defaults."""


@dataclass(frozen=True)
class Stored:
    """A verified result file: its JSON and its rows, still as bytes. `measured` names a metric that was added later."""

    path: Path
    payload: dict[str, Any]
    content: bytes = field(repr=False)

    @property
    def replica_id(self) -> str:
        return self.payload["definition"]["replica_id"]

    @property
    def status(self) -> Status:
        return self.payload["status"]

    @property
    def measured(self) -> str | None:
        return self.payload["measured"]

    def table(self) -> pa.Table:
        """The rows, one column per field of Row. Raises DamagedError."""
        found, _ = rows_of(self.path, self.content)
        for name in ROW_SCHEMA.names[len(found.column_names) :]:  # what an older schema did not have
            found = found.append_column(ROW_SCHEMA.field(name), pa.array([getattr(Row, name)] * len(found)))
        return found


@dataclass(frozen=True)
class Parsed(Stored):
    """A result of a file that holds many: its JSON and those of its rows that this file has."""

    rows: pa.Table = field(repr=False, kw_only=True)

    def table(self) -> pa.Table:
        return self.rows


def open_result(path: Path | str) -> Stored:
    """A result file, its digest verified before anything parses it, and what it says after. Raises StoreError."""
    path = Path(path)
    payload, content = unsealed(path)
    if "definition" not in payload:
        raise StoreError(path, "no file of one replica", "move it away, or give it its own name back")
    try:
        check_payload(payload)
    except ValueError as error:
        raise DamagedError(path, f"no result of ganbench ({error})", REMAKE) from None
    replica_id, metric = payload["definition"]["replica_id"], payload["measured"]
    expected = f"{replica_id}.{metric}" if metric else replica_id
    if path.stem != expected:
        # a second file of one replica would count it twice
        raise StoreError(path, f"holds replica {replica_id}", f"rename it to {expected}.parquet, or remove the copy")
    return Stored(path, payload, content)


def unsealed(path: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON of a file that `sealed` made, and its bytes, once its digest and schema are checked.

    Raises StoreError.
    """
    content = read_plain(path, LARGEST_BYTES)
    at = content.rfind(_DIGEST_MARK) + len(_DIGEST_MARK)
    if at < len(_DIGEST_MARK):
        raise DamagedError(path, "truncated, or no result of ganbench", REMAKE)
    if content[at : at + 64] != _digest(content, at):
        raise DamagedError(path, "corrupt: the content does not match its SHA-256", REMAKE)
    try:
        metadata = pq.read_metadata(pa.BufferReader(content)).metadata or {}
        payload = parsed(metadata[b"ganbench"])
        schema = payload["schema"]
        if type(schema) is not int:
            raise ValueError("its schema is no number")
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(path, f"no result of ganbench ({printed(str(error))})", REMAKE) from None
    if schema > SCHEMA:
        raise StoreError(path, f"schema {schema}, this version reads up to {SCHEMA}", "upgrade ganbench")
    return payload, content


def read_plain(path: Path, most: int) -> bytes:
    """The bytes of a plain file: what is none, such as a pipe, could hold up its reader for ever. Raises StoreError."""
    try:
        about = path.stat()
        content = path.read_bytes() if stat.S_ISREG(about.st_mode) and about.st_size <= most else b""
    except FileNotFoundError as error:
        raise AbsentError(path, f"cannot be read ({error.strerror})", "check the path") from None
    except OSError as error:
        raise refusal(path, "cannot be read", error, "check the path, its permissions and its disk") from None
    if not stat.S_ISREG(about.st_mode):
        raise StoreError(path, "no plain file", "move it away")
    if about.st_size > most:
        raise DamagedError(path, f"over {most // 2**20} MiB", REMAKE)
    return content


def rows_of(path: Path, content: bytes, beside: str = "") -> tuple[pa.Table, pa.Array | None]:
    """The rows of a Parquet file in the types of ROW_SCHEMA, whose last columns it may lack, and a column of texts
    that may stand `beside` them, coded. Raises DamagedError.
    """
    try:
        # a third of the time that `read_table` takes for so small a file
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=[beside] if beside else None)
        check_size(file.metadata, ROW_SCHEMA.names)
        found = file.read(use_threads=False).replace_schema_metadata(None)
        if not beside:
            return check_rows(found, ROW_SCHEMA, FIRST_COLUMNS), None
        texts = found[beside].combine_chunks()
        if not pa.types.is_dictionary(texts.type) or texts.null_count:
            raise ValueError(f"the column {beside} holds no texts")
        return check_rows(found.drop_columns(beside), ROW_SCHEMA, len(ROW_SCHEMA)), texts
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise DamagedError(path, f"no rows of a result ({printed(str(error))})", REMAKE) from None


def encode(payload: dict[str, Any], rows: list[Row]) -> bytes:
    """The bytes of a result file; `payload` has the keys schema, definition, status, info, measured."""
    return sealed(payload, pa.Table.from_pylist([vars(row) for row in rows], schema=ROW_SCHEMA))


def sealed(payload: dict[str, Any], table: pa.Table) -> bytes:
    """A Parquet file that holds a table, JSON with the key schema, and its own digest."""
    buffer = io.BytesIO()
    # without Arrow's own copy of the schema and without statistics the file is a third of the size
    options = {"store_schema": False, "write_statistics": False, "compression": "zstd"}
    with pq.ParquetWriter(buffer, table.schema, **options) as writer:
        writer.write_table(table)
        text = json.dumps(payload, default=_plain)
        writer.add_key_value_metadata({"ganbench": text, "digest": f'{_DIGEST_MARK.decode()}{"0" * 64}"'})
    content = buffer.getvalue()
    at = content.rindex(_DIGEST_MARK) + len(_DIGEST_MARK)
    return content[:at] + _digest(content, at) + content[at + 64 :]


def _digest(content: bytes, at: int) -> bytes:
    """SHA-256 in hexadecimal of the content with zeros where its own digest stands."""
    return hashlib.sha256(content[:at] + b"0" * 64 + content[at + 64 :]).hexdigest().encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"found {value!r} ({type(value).__name__}), expected what JSON can hold")


def write_whole(path: Path, content: bytes, publish: Callable[[Path, Path], None] | None = None) -> None:
    """Writes a file as `folders.write_file` does. Raises StoreError."""
    try:
        write_file(path, content, publish)
    except OSError as error:
        raise refusal(path, "cannot be written", error, "make room or choose another folder") from None
