"""How asv is called here: by this interpreter, in its environment, under a plain name for the machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ganbench.execution.machine import machine


def asv(*arguments: str, cwd: Path, changed: Mapping[str, str] | None = None) -> int:
    """The exit code of asv: 0, or 2 where a benchmark failed. What it prints goes to stderr."""
    # more threads than cores would time each other
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(changed or {})}
    return subprocess.run(
        [sys.executable, "-m", "asv", *arguments], cwd=cwd, env=environment, stdout=sys.stderr
    ).returncode


def name_machine(name: str, cwd: Path) -> None:
    """Makes a name known to asv, in ~/.asv-machine.json, unless it is."""
    known = Path.home() / ".asv-machine.json"
    if name not in (json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}):
        # asv keeps nothing that is as it would have guessed, and guesses anew elsewhere: all in one text of our own
        here = machine()
        about = ["--os", platform.system(), "--cpu", f"{here['processor']}, {here['cores']} cores"]
        asv("machine", "--yes", "--machine", name, *about, cwd=cwd)


def commit_of(name: str, cwd: Path) -> str:
    """The hash of a commit. Raises ValueError where git knows none by that name."""
    found = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"], cwd=cwd, capture_output=True, text=True
    )
    if found.returncode:
        raise ValueError(f'git knows no commit "{name}"; name one, such as HEAD~1')
    return found.stdout.strip()
