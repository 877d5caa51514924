"""The machine that a result was made on, in words, and the cores that this process may use."""

from __future__ import annotations

import gc
import os
import platform
import re
import sys
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("ganbench", "scipy", "POT", "scikit-learn", "pandas", "torch-fidelity")
"""Distributions whose versions are kept with each result; those of torch and numpy are part of its identity."""


@lru_cache(maxsize=1)
def machine() -> dict[str, Any]:
    """What is kept with each result beside its identity: the machine and the versions of LIBRARIES."""
    return {
        "machine": platform.node(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "versions": {name: _version(name) for name in LIBRARIES},
    }


def processor(about: Path = Path("/proc/cpuinfo")) -> tuple[str, frozenset[str]]:
    """The processor's name and what it says that it can do; nothing of the latter outside Linux."""
    info = about.read_text() if about.exists() else ""
    name = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", info, re.MULTILINE)  # Features on ARM
    told = name[1] if name else platform.processor() or platform.machine()
    return told, frozenset(flags[1].split() if flags else [])


def _version(distribution: str) -> str | None:
    """The installed version, or None where the package runs without being installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def reset_peak_memory(device: str) -> None:
    """Begins the peak anew, at what is held now; where the system has no way to, as outside Linux, nothing happens."""
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb(device: str) -> float:
    """Most memory held since the last reset: torch's on the GPU where the device is one, else this process's own.

    A process holds its libraries and what it compiled for earlier jobs too. Outside Linux it is the most since the
    process began.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    import resource  # not everywhere

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 1024


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device, or this process, could get no more memory."""
    import torch

    # torch has no class of its own for the CPU's
    told = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    return told or isinstance(error, MemoryError | torch.OutOfMemoryError)


def release_memory(device: str) -> None:
    """Gives back what nothing refers to any more."""
    gc.collect()
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()


def cores() -> int:
    """Cores that this process may use; more processes than these would slow each other down."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
