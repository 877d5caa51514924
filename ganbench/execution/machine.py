"""The machine that a result was made on, in words, and the cores that this process may use."""

from __future__ import annotations

import os
import platform
from typing import Any


def machine() -> dict[str, Any]:
    """What is kept with each result beside the versions of its libraries."""
    return {
        "machine": platform.node(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def cores() -> int:
    """Cores that this process may use; more processes than these would slow each other down."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
