"""The derived file of a folder, kept up to date while a run stores results there."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from ganbench.store import compaction
from ganbench.store.replicas import result_files

REST = 50
"""How many times as long as writing the derived file took a run goes on before it writes that again."""


class Compaction:
    """Keeps a suite's derived file up to date while a run stores, but for the first time in a fiftieth of it at most.

    So whoever plans after a run that was killed reads one file in the place of thousands.
    """

    def __init__(self, folder: Path):
        self.folder, self.unread, self.took_s, self.ended = folder, 0, 0.0, time.perf_counter()

    def stored(self, count: int) -> None:
        """Counts replicas that were stored, and writes the derived file where it is worth that and time for it."""
        self.unread += count
        began = time.perf_counter()
        if self.unread < compaction.WORTH or began - self.ended < REST * self.took_s:
            return
        # it can do without: no error here, not even of memory, may end a run; what is damaged is the next plan's
        with contextlib.suppress(Exception):
            compaction.write_anew(self.folder, result_files(self.folder))
        self.unread, self.ended = 0, time.perf_counter()
        self.took_s = self.ended - began
