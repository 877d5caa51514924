"""`ganbench run` writes to its results and its cache, and nowhere else: every process of it is watched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import SUITE

WATCH = '''\
"""Notes every path that this process opens for writing, makes, renames or removes; Python imports it by itself."""
import os, sys
log = os.open(os.environ["WATCHED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
AT = {"os.mkdir": 0, "os.rename": 1, "os.remove": 0, "os.rmdir": 0, "os.symlink": 1, "os.link": 1, "os.truncate": 0,
      "os.chmod": 0, "os.utime": 0, "shutil.rmtree": 0, "tempfile.mkstemp": 0, "tempfile.mkdtemp": 0}
def hook(event, arguments):
    path = None
    if event == "open" and isinstance(arguments[0], (str, bytes)) and (arguments[2] or 0) & WRITES:
        path = arguments[0]
    elif event in AT:
        path = arguments[AT[event]]
    if isinstance(path, (str, bytes)):
        os.write(log, (event + "\\t" + os.path.realpath(os.fsdecode(path)) + "\\n").encode())
sys.addaudithook(hook)
'''
ALLOWED = re.compile(r"/dev/.*|/proc/\d+/clear_refs")  # the latter begins the peak of a process's own memory anew


def watched(folder: Path, text: str) -> tuple[set[str], set[str]]:
    """Paths that a run has written to outside of its two folders: as its processes told, and as they lie there."""
    for name in ("home", "temporary", "work", "watch", "cache", "results"):
        (folder / name).mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(WATCH)
    (folder / "work" / "tiny.toml").write_text(text)
    log = folder / "watch" / "log"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("TORCHINDUCTOR", "TRITON"))}
    environment |= {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "temporary"),
        "GANBENCH_CACHE": str(folder / "cache"),
        "WATCHED": str(log),
        "PYTHONPATH": os.pathsep.join([str(folder / "watch"), str(Path(__file__).parents[1])]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment.pop("XDG_CACHE_HOME", None)
    command = ["run", "--suite", "tiny.toml", "--results", str(folder / "results"), "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "ganbench", *command],
        cwd=folder / "work",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    own = tuple(str((folder / name).resolve()) for name in ("cache", "results"))
    told = [line.partition("\t")[2] for line in log.read_text().splitlines()]
    assert any(path.startswith(own[1]) and path.endswith(".parquet") for path in told), "the watch saw nothing"
    before = {"home", "temporary", "work", "work/tiny.toml"}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    lies = {path for path in there if not path.startswith(("watch", "cache", "results"))} - before
    return {path for path in told if not path.startswith(own) and not ALLOWED.fullmatch(path)}, lies


def test_a_run_writes_to_its_results_and_its_cache_alone(tmp_path: Path):
    assert watched(tmp_path, SUITE) == (set(), set())


@pytest.mark.torture
def test_a_compiled_run_leaves_nothing_outside_of_its_results_and_its_cache(tmp_path: Path):
    _, lies = watched(tmp_path, SUITE.replace("compiled = false", "compiled = true").replace("width = 2", "width = 4"))
    assert lies == set()
