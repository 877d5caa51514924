"""Damaged files of a suite's folder, found before anything uses them, and moved out of the way under another name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ganbench.store.bundle import read_bundle
from ganbench.store.compaction import open_all
from ganbench.store.container import AbsentError, DamagedError, Status, Stored, open_result, refusal
from ganbench.store.kept import COSTS, WIDTHS, read_table
from ganbench.store.records import read_record, read_records
from ganbench.store.replicas import BUNDLE, arrays_beside, result_files

ASIDE = "damaged"
"""The folder in a suite's folder to which they go; nothing reads it."""

BESIDE: dict[str, Callable[[Path], object]] = {COSTS: read_table, WIDTHS: read_table, BUNDLE: read_bundle}
"""What lies beside the replicas of a suite, and its reader."""


def sound(folder: Path | str) -> tuple[dict[str, Status], list[DamagedError]]:
    """replica_id -> status of what is whole in a suite's folder with its arrays, and what is damaged there.

    Arrays that were left behind are no damage. Raises StoreError for what is no damage and cannot be used, such as a
    file of a newer schema.
    """
    folder, damaged = Path(folder), list[DamagedError]()
    statuses = {}
    for result in open_all(folder, result_files(folder), damaged):
        try:
            _check(result)
            statuses[result.replica_id] = result.status
        except DamagedError as error:
            damaged.append(error)
        except AbsentError:  # another run sets it aside in this moment
            continue
    open_all(folder / "measured", result_files(folder / "measured"), damaged)
    damaged += [error for error in read_records(folder)[1] if isinstance(error, DamagedError)]
    for name, reader in BESIDE.items():
        try:
            if (folder / name).exists():
                reader(folder / name)
        except DamagedError as error:
            damaged.append(error)
    return statuses, damaged


def set_aside(folder: Path | str, damaged: Iterable[DamagedError]) -> tuple[DamagedError, ...]:
    """Moves what `sound` found damaged in a suite's folder, a replica's file with its arrays, into ASIDE.

    Each file is read once more before: minutes may have passed, and another run may have set it aside and made it anew.
    Returns what was moved. Raises StoreError where the folder does not allow it.
    """
    moved = []
    for error in damaged:
        if not _damaged(error.path):
            continue
        # the Parquet file first: without it the replica is unfinished, whatever happens next
        of_replica = error.path.suffix in (".parquet", ".safetensors") and error.path.name != BUNDLE
        suffixes = (".parquet", ".safetensors") if of_replica else (error.path.suffix,)
        for path in (error.path.with_suffix(suffix) for suffix in suffixes):
            _move(path, Path(folder) / ASIDE)
        moved.append(error)
    return tuple(moved)


def _damaged(path: Path) -> bool:
    """Whether a file of a suite's folder is damaged now; one that is gone is not."""
    try:
        if path.name in BESIDE:
            BESIDE[path.name](path)
        elif path.suffix == ".json":
            read_record(path)
        else:
            _check(open_result(path.with_suffix(".parquet")))
    except DamagedError:
        return True
    except AbsentError:
        pass
    return False


def _check(result: Stored) -> None:
    """Raises DamagedError unless the arrays beside a result, where there are any, are its own."""
    if result.path.with_suffix(".safetensors").exists():
        arrays_beside(result.path, result.payload["arrays_sha256"])


def _move(path: Path, place: Path) -> None:
    # no name that a search for results would find, and none that is taken
    names = (f"{path.name}.{number}.damaged" for number in range(1, 10**6))
    try:
        place.mkdir(exist_ok=True)
        free = next(place / name for name in names if not (place / name).exists())
        with contextlib.suppress(FileNotFoundError):  # a replica may have no arrays; another run may have been faster
            os.replace(path, free)
    except OSError as error:
        raise refusal(path, "damaged, and cannot be moved", error, "remove it") from None
