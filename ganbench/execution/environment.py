"""What a run was made with: machine, device, versions, and the commit of the package's own sources."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ganbench.execution.machine import machine

PACKAGE = Path(__file__).parents[1]
LIBRARIES = ("pandas", "pyarrow", "safetensors", "pydantic")
"""Distributions whose versions a run keeps beside those that each result has."""

TIMEOUT_S = 10


def environment(execution: Mapping[str, Any]) -> dict[str, Any]:
    """Machine, device and versions; `execution` is what the run's replicas have in common of it.

    Versions are None where a library runs without being installed.
    """
    about = machine()
    versions = {**about["versions"], **{name: _version(name) for name in LIBRARIES}}
    # a cell's code and the width that memory left it are its own
    common = {key: value for key, value in execution.items() if key not in ("torch", "numpy", "code", "width")}
    versions |= {key: execution.get(key) for key in ("torch", "numpy")}
    return {**about, "versions": versions, "execution": common}


def git_state(package: Path = PACKAGE) -> dict[str, Any] | None:
    """The commit of the repository that tracks the package, and whether the package's files differ from it.

    None where there is no git, no repository, or one that does not track them, such as that around an installation.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit, changes = _git(package, "rev-parse", "HEAD"), _git(package, "status", "--porcelain", "--", ".")
    return None if commit is None or changes is None else {"commit": commit.strip(), "dirty": bool(changes.strip())}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says, or None where it fails."""
    # within a hook git's own variables would name another repository
    variables = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**variables, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
