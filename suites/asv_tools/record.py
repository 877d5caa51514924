"""Runs the benchmarks of suites/asv in this environment and keeps what asv finds in results/asv: `make bench`.

python suites/asv_tools/record.py MACHINE [options of `asv run`, such as --bench REGEX]

asv names a file after the place of the interpreter, by which two checkouts on one machine would be two histories, and
strangers read where somebody works: here it is named after the version of Python.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from running import asv, commit_of, name_machine

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "asv"
VERSION = ".".join(platform.python_version_tuple()[:2])
PLAIN, PLACED = f"existing-py{VERSION}", f"existing-py{sys.executable.replace(os.sep, '_')}"


def main(machine: str, *options: str) -> int:
    changes = ["git", "status", "--porcelain", "--untracked-files=no"]
    if subprocess.run(changes, cwd=ROOT, capture_output=True).stdout:
        print("changes that no commit holds are timed, too, and kept under the last commit", file=sys.stderr)
    name_machine(machine, ROOT)
    named = ["--machine", machine, "--set-commit-hash", commit_of("HEAD", ROOT)]
    rename(RESULTS / machine, PLAIN, PLACED, sys.executable)  # so that asv adds to what it has of this commit
    try:
        return asv("run", "-E", f"existing:{sys.executable}", *named, *options, cwd=ROOT)
    finally:
        rename(RESULTS / machine, PLACED, PLAIN, VERSION)


def rename(folder: Path, old: str, new: str, python: str) -> None:
    """Gives the files of one environment of asv another name for it."""
    for path in folder.glob(f"*-{old}.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        content |= {"env_name": new, "python": python, "params": {**content["params"], "python": python}}
        path.unlink()
        path.with_name(path.name.replace(old, new)).write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if sys.argv[1:] else __doc__)
