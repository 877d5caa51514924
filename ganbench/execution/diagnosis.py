"""What of a machine decides whether and how fast it trains: facts as plain data, and what they call for.

Over 250 lines: each fact stands beside the advice that it can give.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any

from ganbench.execution.machine import cores, processor
from ganbench.folders import cache_folder

LIBRARIES = ("torch", "numpy", "scipy", "pandas", "pyarrow", "pot", "torch-fidelity", "asv")
BF16 = {"amx_bf16": "tiles", "avx512_bf16": "vectors", "bf16": "vectors"}
"""Flags of a processor with units for bf16 products -> what they multiply."""
TIMEOUT_S = 300
BUSY = 0.5
"""Load per core from which on others disturb timings."""
SMALL_DISK_GB = 2.0
CLOCK_S = 60
"""Seconds by which two clocks may differ."""
PROCESS_GB = 1.0
"""Memory of one training process, about."""

Facts = dict[str, Any]


@dataclass(frozen=True)
class Advice:
    """What was found and what to do; `stops` where no run would work before."""

    found: str
    do: str
    stops: bool = False


def examine(results: Path) -> Facts:
    """All facts, in under a minute on an idle machine: most of it is a compilation. `results` is where a run stores."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # before this makes load of its own
    import torch

    on_gpu = torch.cuda.is_available()
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if on_gpu else []
    return {
        "machine": machine(torch.backends.cpu.get_cpu_capability()),
        "load": load,
        "devices": {"gpus": devices, "torch_cuda": torch.version.cuda, "driver": gpu_driver()},
        "threads": {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"), "torch": torch.get_num_threads()},
        "compiler": compiler("cuda" if on_gpu else "cpu"),
        "cache": folder(cache_folder()) | {"mb": size_mb(cache_folder())},
        "results": folder(results),
        "clock": clock(results),
        "versions": versions(),
        "gflop_per_s": products(cores()),
    }


def machine(instructions: str) -> Facts:
    """Processor, cores, memory and what the processor can do."""
    name, flags = processor()
    return {
        "processor": name,
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "usable_cores": cores(),
        "memory_gb": _memory_gb("SC_PHYS_PAGES"),
        "free_memory_gb": _free_memory_gb(),
        "instructions": instructions,
        "bf16": next((f"{what} ({flag})" for flag, what in BF16.items() if flag in flags), None),
    }


def _text(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text()
    return ""


def _memory_gb(pages: str) -> float | None:
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE") / 2**30
    return None


def _free_memory_gb() -> float | None:
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)
    return int(found[1]) / 2**20 if found else _memory_gb("SC_AVPHYS_PAGES")


def gpu_driver() -> str | None:
    """The driver of an NVIDIA GPU, where the system has one, whatever torch sees."""
    found = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", _text("/proc/driver/nvidia/version"))
    if found:
        return found[1]
    return "nvidia-smi" if shutil.which("nvidia-smi") else None


def compiler(device: str) -> Facts:
    """The C++ compiler that torch calls, and whether a function compiles and runs: `seconds`, or `error`."""
    command = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    path = shutil.which(command)
    if path is None:
        return {"command": command, "path": None, "version": None}
    return {"command": command, "path": path, "version": _said([path, "--version"]), **_tried(device)}


def _said(command: list[str]) -> str | None:
    with suppress(OSError, subprocess.SubprocessError, IndexError):
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.splitlines()[0]
    return None


def _tried(device: str) -> Facts:
    with tempfile.TemporaryDirectory(prefix="ganbench-") as empty:
        found = _asked("trial", device, TORCHINDUCTOR_CACHE_DIR=empty, TRITON_CACHE_DIR=f"{empty}/triton")
    return found


def _asked(module: str, argument: str, **variables: str) -> Facts:
    """What a module of this package answers in a process of its own, or {"error": ...}."""
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH")) if p)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": path, **variables}
    command = [sys.executable, "-m", f"ganbench.execution.{module}", argument]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {TIMEOUT_S} s"}
    if done.returncode:
        return {"error": f"exit code {done.returncode}: {done.stderr.strip()[-1500:]}"}
    return json.loads(done.stdout.splitlines()[-1])


def products(processes: int) -> Facts:
    """Who multiplies -> shape -> GFLOP/s, or {"error": ...}."""
    return _asked("limits", str(processes))


def folder(path: Path) -> Facts:
    """Whether something can be written there, in the folder or in that which would hold it, and how much."""
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    return {
        "folder": str(path),
        "writable": _new_file_s(there) is not None,
        "others_write": bool(there.is_dir() and there.stat().st_mode & 0o002 and not there.stat().st_mode & 0o1000),
        "free_gb": shutil.disk_usage(there).free / 2**30,
    }


def _new_file_s(place: Path) -> float | None:
    """The time of change of a file that is written into a folder and removed again; None where that is refused."""
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".ganbench-") as file:
            file.write(b"1")
            file.flush()
            return os.stat(file.name).st_mtime
    except OSError:
        return None


def clock(path: Path) -> Facts:
    """The time in UTC, and by how many seconds it is behind the newest source here and ahead of a new file there.

    A result says when it was written, the newest of two is taken, and a file that was settled is not read again.
    """
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    now, written = time.time(), _new_file_s(there)
    newest = max(file.stat().st_mtime for file in Path(__file__).parents[1].rglob("*.py"))
    return {
        "utc": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        "behind_s": max(0.0, newest - now),
        "files_off_s": 0.0 if written is None else written - now,
    }


def size_mb(path: Path) -> float:
    """MiB of the files under a folder."""
    total = 0
    for file in path.rglob("*"):
        with suppress(OSError):  # a run may be at work in it
            total += file.stat().st_size if file.is_file() else 0
    return total / 2**20


def versions() -> list[Facts]:
    """Python and LIBRARIES: version, None where there is none; supported range, "" where any; whether it fits."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    asked: dict[str, Requirement] = {}
    with suppress(PackageNotFoundError):  # the package may run without being installed
        for requirement in map(Requirement, requires("ganbench") or ()):
            asked.setdefault(requirement.name.lower(), requirement)
    own = SpecifierSet(">=3.11")
    with suppress(PackageNotFoundError):
        own = SpecifierSet(metadata("ganbench")["Requires-Python"])
    found = [_version("python", platform.python_version(), own, needed=True)]
    for name in LIBRARIES:
        asked_for = asked.get(name)
        installed = None
        with suppress(PackageNotFoundError):
            installed = version(name)
        needed = asked_for is not None and asked_for.marker is None
        found.append(_version(name, installed, asked_for.specifier if asked_for else SpecifierSet(), needed))
    return found


def _version(name: str, installed: str | None, supported: Any, needed: bool) -> Facts:
    fits = supported.contains(installed, prereleases=True) if installed else not needed
    return {"name": name, "version": installed, "supported": str(supported), "needed": needed, "fits": fits}


def advice(facts: Facts) -> list[Advice]:
    """What to change, what stops every run first."""
    found = [*_about_versions(facts), *_about_compiler(facts), *_about_disk(facts)]
    found += [*_about_clock(facts), *_about_machine(facts)]
    return sorted(found, key=lambda one: not one.stops)


def works(facts: Facts) -> bool:
    """Whether a run would work here."""
    return not any(one.stops for one in advice(facts))


def _about_versions(facts: Facts) -> list[Advice]:
    said = []
    for one in facts["versions"]:
        if one["fits"]:
            continue
        remedy = f"pip install '{one['name']}{one['supported']}'"
        if one["name"] == "python":
            remedy = f"set up anew with Python {one['supported']}: make clean setup PYTHON=python3.12"
        what = f"{one['name']} {one['version'] or 'is missing'}; supported is {one['supported'] or 'any version'}"
        said.append(Advice(what, remedy, stops=one["version"] is None))
    return said


def _about_compiler(facts: Facts) -> list[Advice]:
    found = facts["compiler"]
    if found["path"] is None:
        what = f"no C++ compiler ({found['command']}): runs are eager, some 2 to 6 times slower, and say so"
        return [Advice(what, "install g++ (apt-get install g++), or set CXX to the compiler that you have")]
    if "error" in found:
        eager = "--set execution.compiled=false"
        return [
            Advice(
                "the C++ compiler is there and compiles nothing", f"mend it, see its error, or run with {eager}", True
            )
        ]
    return []


def _about_disk(facts: Facts) -> list[Advice]:
    said = []
    for name, remedy in (("cache", "export GANBENCH_CACHE=/some/folder"), ("results", "--results /some/folder")):
        found = facts[name]
        if not found["writable"]:
            said.append(Advice(f"nothing can be written to {found['folder']}", remedy, stops=True))
        elif found["free_gb"] < SMALL_DISK_GB:
            said.append(Advice(f"{found['free_gb']:.1f} GB are free for {found['folder']}", f"make room, or {remedy}"))
        if found["others_write"]:
            what = f"every user of this machine can write to {found['folder']}, and so put code or results there"
            said.append(Advice(what, f"chmod o-w {found['folder']}, or {remedy}"))
    return said


def _about_clock(facts: Facts) -> list[Advice]:
    found, said = facts["clock"], []
    if found["behind_s"] > CLOCK_S:
        what = f"the clock says {found['utc']}, {found['behind_s']:,.0f} s before this package was written"
        said.append(Advice(what, "set the clock: of two results the newer is taken"))
    if abs(found["files_off_s"]) > CLOCK_S:
        what = f"a new file in {facts['results']['folder']} is {found['files_off_s']:+,.0f} s off this machine's clock"
        said.append(Advice(what, "set the clocks of this machine and of its file server by one time server"))
    return said


def _about_machine(facts: Facts) -> list[Advice]:
    machine, devices, said = facts["machine"], facts["devices"], []
    usable = machine["usable_cores"]
    if facts["load"] is not None and facts["load"] > BUSY * usable:
        busy = f"the machine is busy: load {facts['load']:.1f} on {usable} cores, so that timings will be too long"
        said.append(Advice(busy, "wait until other programs have ended (see them with top), or take fewer --workers"))
    if devices["driver"] and not devices["gpus"]:
        if devices["torch_cuda"] is None:
            said.append(
                Advice("there is a GPU, and this torch is built for CPUs alone", "install a CUDA build of torch")
            )
        else:
            said.append(Advice("there is a GPU that torch does not see", "look at nvidia-smi and CUDA_VISIBLE_DEVICES"))
    free = machine["free_memory_gb"]
    if free is not None and free < PROCESS_GB * usable:
        fewer = max(1, int(free / PROCESS_GB))
        said.append(Advice(f"{free:.1f} GB of memory are free for {usable} processes", f"--workers {fewer}"))
    if machine["bf16"] is None and not devices["gpus"]:
        said.append(
            Advice("the processor has no units for bf16 products", "leave --precision at fp32; bf16 gains nothing")
        )
    return said
