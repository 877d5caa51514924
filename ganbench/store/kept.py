"""Two small tables of a suite's folder that its next run needs: costs of iterations, and widths that memory allowed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ganbench.store.container import DamagedError, read_plain, refusal, write_whole
from ganbench.store.validation import parsed, printed

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

COSTS, WIDTHS = "costs.json", "widths.json"
NEXT = {COSTS: "measures anew, and its counts are other cells", WIDTHS: "tries the suite's width again"}
"""What a run does without one of them."""
DIGEST = "sha256"
LARGEST_BYTES = 2**26
LARGEST = 1e15


def read_costs(folder: Path | str) -> dict[str, float]:
    """Key -> seconds per iteration and replica; empty where nothing was measured. Raises StoreError.

    A damaged table is as none, since a run sets it aside: `sound` tells of it.
    """
    return _sound(Path(folder) / COSTS)


def keep_costs(folder: Path | str, costs: Mapping[str, float]) -> dict[str, float]:
    """The table with what it lacked; what it has stays, since counts were made from it. Raises StoreError."""
    with _alone(Path(folder)):
        kept = read_table(Path(folder) / COSTS)
        return _keep(Path(folder) / COSTS, kept, {**costs, **kept})


def read_widths(folder: Path | str) -> dict[str, int]:
    """Key -> replicas per ensemble where more did not fit into memory; empty where all fitted. As `read_costs`."""
    return {key: int(width) for key, width in _sound(Path(folder) / WIDTHS).items()}


def keep_widths(folder: Path | str, widths: Mapping[str, int]) -> dict[str, int]:
    """The table with these widths; of two for one key the narrower stays. Raises StoreError."""
    with _alone(Path(folder)):
        kept = {key: int(width) for key, width in read_table(Path(folder) / WIDTHS).items()}
        return _keep(Path(folder) / WIDTHS, kept, {**kept, **{k: min(w, kept.get(k, w)) for k, w in widths.items()}})


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a folder's tables for one writer at a time: of two that read at once, one would lose what the other wrote.

    The lock of a killed process is gone with it. Where a system or a file system knows none, writers are not held up.
    """
    if fcntl is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
    except OSError as error:
        raise refusal(folder, "cannot be opened", error, "choose another folder") from None


def _sound(path: Path) -> dict[str, float]:
    try:
        return read_table(path)
    except DamagedError:
        return {}


def _keep(path: Path, kept: Mapping[str, float], table: dict) -> dict:
    if table != kept:
        write_whole(path, _written(table))
    return table


def _written(table: Mapping[str, float]) -> bytes:
    """The text of a table, which says its own SHA-256: a flipped bit of a count would make other cells."""
    text = json.dumps(table, indent=1, sort_keys=True)
    return json.dumps({**table, DIGEST: hashlib.sha256(text.encode()).hexdigest()}, indent=1, sort_keys=True).encode()


def read_table(path: Path) -> dict[str, float]:
    """One of the two tables; empty where it is not there. Raises DamagedError, and StoreError where none is read."""
    remedy = f"remove it; the next run {NEXT[path.name]}"
    if not path.exists():
        return {}
    content = read_plain(path, LARGEST_BYTES)
    try:
        table = parsed(content)
    except ValueError:
        raise DamagedError(path, "no JSON", remedy) from None
    if not isinstance(table, dict):
        raise DamagedError(path, "no JSON object", remedy)
    # of an older version none says its digest
    if table.pop(DIGEST, None) is not None and content != _written(table):
        raise DamagedError(path, "corrupt: the content does not match its SHA-256", remedy)
    for key, number in table.items():
        found = f"{printed(repr(key))} is {printed(repr(number))}"
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number <= LARGEST:
            raise DamagedError(path, f"{found}, expected a number above 0", remedy)
        if path.name == WIDTHS and (number < 2 or number != int(number)):
            raise DamagedError(path, f"{found}, expected a whole number of at least 2", remedy)
    return {key: float(number) for key, number in table.items()}
