"""What is kept of the machine beside each result, and a peak of memory that belongs to one job."""

from __future__ import annotations

import sys
from importlib.metadata import version

import numpy as np
import pytest

from ganbench.execution.machine import LIBRARIES, machine, peak_memory_mb, reset_peak_memory

MB = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process begin its peak anew")
def test_the_peak_after_a_reset_does_not_know_what_was_held_before():
    reset_peak_memory("cpu")
    before = peak_memory_mb("cpu")
    held = np.ones(200 * MB, dtype=np.uint8)
    during = peak_memory_mb("cpu")
    del held
    after = peak_memory_mb("cpu")
    reset_peak_memory("cpu")
    # 150 of the 200 MB: the rest leaves room for what others free meanwhile
    assert during > before + 150
    assert after > before + 150
    assert peak_memory_mb("cpu") < during - 150


def test_the_versions_of_the_libraries_that_metrics_use_are_kept():
    assert machine()["versions"] == {name: version(name) for name in LIBRARIES}
