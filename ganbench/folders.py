"""Folders outside of a study: what the library keeps between runs, and where a person's data lie; temporary names."""

from __future__ import annotations

import os
import secrets
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
