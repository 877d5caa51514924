"""Folders outside of a study, for what the library keeps and for a person's data; files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """Where compiled code, data and classifiers stay: $GANBENCH_CACHE, else ganbench/ in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("GANBENCH_CACHE") or Path(base) / "ganbench")


def data_folder() -> Path | None:
    """Where a person keeps data sets: $GANBENCH_DATA, which `--data` sets; None where it is not given."""
    given = os.environ.get("GANBENCH_DATA")
    return Path(given).expanduser() if given else None


def temporary_path(path: Path) -> Path:
    """The name beside a path under which it is written until it is whole; no other process writes under it."""
    # the digits: containers and machines that share a folder have processes of equal numbers
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def write_file(path: Path, content: bytes, publish: Callable[[Path, Path], None] | None = None) -> None:
    """Writes a file so that it is there whole or not at all, even after a power cut. Raises OSError that names it.

    What the disk refuses is not tried again: a second fsync may say that all is well though data are lost.
    `publish` gives the temporary file its name; without one it replaces what has that name.
    """
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        (publish or os.replace)(temporary, path)
        if os.name == "posix":  # the new name itself must survive a power cut; Windows cannot open a folder
            handle = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except OSError as error:  # one of `write` or `fsync` knows no path
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None
