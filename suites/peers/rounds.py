"""Statistics of interleaved rounds: medians, and ratios taken round by round, so that a busy moment hits both sides."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    median: float
    least: float
    most: float

    def words(self, digits: int) -> str:
        return f"{self.median:.{digits}f} ({self.least:.{digits}f} to {self.most:.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def ratio(these: Sequence[float], those: Sequence[float]) -> Spread:
    """These in parts of those, round by round. Raises ValueError where one has more rounds."""
    return spread([a / b for a, b in zip(these, those, strict=True)])
