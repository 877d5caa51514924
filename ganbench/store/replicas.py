"""One immutable Parquet file per finished replica, its arrays beside it as safetensors.

A replica is finished when its Parquet file is there: the arrays are written first, and each file appears whole or not
at all. Every file carries a SHA-256 of itself and of its arrays. Nothing but files is used: copying them is merging.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from safetensors import numpy as safetensors

from ganbench.folders import temporary_path
from ganbench.store.compaction import open_all
from ganbench.store.container import (
    REMAKE,
    SCHEMA,
    AbsentError,
    DamagedError,
    Row,
    Status,
    StoreError,
    encode,
    open_result,
    read_plain,
    refusal,
    unsealed,
    write_whole,
)
from ganbench.store.validation import arrays_of

STATUSES = get_args(Status)
BUNDLE = "bundle.parquet"
"""The file of a folder that holds the final values of many replicas; no run goes on from it."""
LARGEST_ARRAYS_BYTES = 2**32
REQUIRED = ("suite", "label", "cell", "cell_id", "seed", "execution", "replica_id")

_LEFTOVER = re.compile(r"\..+\.\d+(-[0-9a-f]{8})?\.tmp")
_LEFTOVER_AGE_S = 60  # a write takes milliseconds; a younger one may belong to a run that still lives

_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""How file systems without hard links refuse one."""


@dataclass(frozen=True)
class ReplicaResult:
    """All that is kept of one replica.

    `definition` is JSON with the keys of REQUIRED; `info` is JSON (versions, machine, iteration_s, samples_per_s,
    peak_memory_mb, diverged_at, error, ...). `arrays` holds "snapshot/<iteration>", float32 (500, *d), and
    "generator/<parameter>", float32; with an averaged generator "averaged_snapshot/..." and "averaged/..." as well.
    """

    definition: dict[str, Any]
    status: Status
    rows: list[Row]
    info: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


def check_writable(folder: Path | str) -> None:
    """Makes the folder and tries a write in it. Raises StoreError where that is not possible."""
    folder = Path(folder)
    probe = temporary_path(folder / "probe")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink()
        told, remedy = "no results can be written here", "choose another folder"
        if error.errno == errno.EROFS:  # from the beginning, so it is the path that is wrong and not the disk
            raise StoreError(folder, f"{told} ({error.strerror})", remedy) from None
        raise refusal(folder, told, error, remedy) from None


def result_path(folder: Path | str, replica_id: str) -> Path:
    """Where a replica's Parquet file belongs. Raises ValueError unless the id is 16 to 64 hexadecimal digits."""
    if not isinstance(replica_id, str) or not re.fullmatch(r"[0-9a-f]{16,64}", replica_id):
        raise ValueError(f"replica_id: found {replica_id!r}, expected 16 to 64 of the digits 0-9a-f")
    return Path(folder) / f"{replica_id}.parquet"


def write(folder: Path | str, result: ReplicaResult) -> Path:
    """The path of the replica's Parquet file, written unless a completed or diverged one is already there.

    So a failed result, which has no arrays, never takes the place of a finished one, though another run stores that in
    the same moment; whoever must know what is there reads it. Raises ValueError for a result that lacks a part of its
    definition, StoreError where the disk refuses.
    """
    lacking = [key for key in REQUIRED if key not in result.definition]
    if lacking or result.status not in STATUSES:
        raise ValueError(f"result with status {result.status!r} and without {lacking}; expected all of {REQUIRED}")
    path = result_path(folder, result.definition["replica_id"])
    if path.exists() and open_result(path).status != "failed":
        return path
    arrays_sha256 = None
    if result.arrays and result.status != "failed":  # they would take the place of a finished one's
        # safetensors writes the memory as it lies, which is wrong for a transposed view
        packed = safetensors.save({k: np.ascontiguousarray(v) for k, v in result.arrays.items()})
        arrays_sha256 = hashlib.sha256(packed).hexdigest()
        write_whole(path.with_suffix(".safetensors"), packed)
    payload = {
        "schema": SCHEMA,
        "definition": result.definition,
        "status": result.status,
        "info": result.info,
        "measured": None,
        "written_s": time.time(),
        "arrays_sha256": arrays_sha256,
    }
    write_whole(path, encode(payload, result.rows), _unless_finished if result.status == "failed" else None)
    return path


def _unless_finished(temporary: Path, path: Path) -> None:
    """Gives a failed result its name, unless a finished one has it by now."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        with contextlib.suppress(AbsentError, FileNotFoundError):  # another failed one is being put in its place
            if open_result(path).status == "failed":
                _swap(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not path.exists():
            os.replace(temporary, path)
    temporary.unlink(missing_ok=True)


def _swap(temporary: Path, path: Path) -> None:
    """Puts a failed result in the place of an earlier one, and what has finished in this moment back into its own."""
    earlier = temporary_path(path)
    os.replace(path, earlier)
    finished = unsealed(earlier)[0]["status"] != "failed"
    with contextlib.suppress(FileExistsError):
        os.link(earlier if finished else temporary, path)
    earlier.unlink()


def write_measurements(folder: Path | str, replica_id: str, metric: str, rows: list[Row]) -> Path:
    """The path of one metric measured after training: measured/<replica_id>.<metric>.parquet, replaced if there."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", metric):
        raise ValueError(f"metric: found {metric!r}, expected a name of the characters a-z0-9._-")
    payload = open_result(result_path(folder, replica_id)).payload
    path = Path(folder) / "measured" / f"{replica_id}.{metric}.parquet"
    write_whole(path, encode({**payload, "measured": metric}, rows))
    return path


def stored(folder: Path | str) -> dict[str, Status]:
    """replica_id -> status of every replica in a suite's folder; leftovers of interrupted writes are removed.

    Raises StoreError for a file that is corrupt or of a newer schema.
    """
    folder = Path(folder)
    remove_leftovers(folder)
    return {result.replica_id: result.status for result in open_all(folder, result_files(folder))}


def remove_leftovers(folder: Path | str) -> None:
    """Removes what interrupted writes have left in a suite's folder."""
    folder = Path(folder)
    places = (folder, *(folder / name for name in ("measured", "runs", "checkpoints", "pictures")))
    for leftover in (path for place in places for path in place.glob(".*.tmp")):
        with contextlib.suppress(OSError):  # a folder that can only be read, or another run was faster
            if _LEFTOVER.fullmatch(leftover.name) and time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE_S:
                leftover.unlink()


def result_files(folder: Path | str) -> list[Path]:
    """The replicas' own Parquet files in a suite's folder, in the order of their names."""
    # names, not paths: to compare thousands of paths takes half a second
    found = [entry.name for entry in _entries(folder) if entry.name.endswith(".parquet")]
    return [Path(folder, name) for name in sorted(found) if not name.startswith(".") and name != BUNDLE]


def with_children(folder: Path | str) -> list[Path]:
    """A folder and those in it, in the order of their names."""
    return [Path(folder), *sorted(Path(entry) for entry in _entries(folder) if entry.is_dir())]


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where there is no folder."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def read(path: Path | str) -> ReplicaResult:
    """The whole result of one replica. Raises StoreError for a file that is corrupt or of a newer schema."""
    result = open_result(path)
    rows = [Row(**row) for row in result.table().to_pylist()]
    return ReplicaResult(
        result.payload["definition"], result.status, rows, result.payload["info"], read_arrays(result.path)
    )


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """The arrays that belong to a replica's Parquet file. Raises StoreError where they are missing or not its own."""
    path = Path(path)
    return arrays_beside(path, open_result(path).payload["arrays_sha256"])


def arrays_beside(path: Path, expected: str | None) -> dict[str, np.ndarray]:
    """The arrays beside a replica's Parquet file, which expects their digest, or none. Raises as `read_arrays`."""
    if expected is None:
        return {}
    arrays = path.with_suffix(".safetensors")
    if not arrays.exists():
        raise DamagedError(arrays, "cannot be read (no such file)", "copy it to the Parquet file's side")
    packed = read_plain(arrays, LARGEST_ARRAYS_BYTES)
    found = hashlib.sha256(packed).hexdigest()
    if found != expected:
        raise DamagedError(arrays, f"SHA-256 {found[:12]}, expected {expected[:12]}", f"{REMAKE} ({path.name} as well)")
    try:
        return arrays_of(packed)
    except ValueError as error:
        raise DamagedError(arrays, str(error), f"{REMAKE} ({path.name} as well)") from None
