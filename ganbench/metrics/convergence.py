"""When a curve has converged: the first evaluation from which it stays at or under a level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def first_reached(iterations: Sequence[int], values: Sequence[float], level: float, in_a_row: int = 3) -> int | None:
    """Index of the evaluation that begins the first run of `in_a_row` values at or under a level; None where none does.

    One lucky evaluation is not convergence. A value that is not a number ends a run.
    Raises ValueError where the counts differ, the iterations do not ascend or the level is not a number.
    """
    if len(iterations) != len(values):
        raise ValueError(f"found {len(iterations)} iterations and {len(values)} values, expected equally many")
    if any(b <= a for a, b in pairwise(iterations)):
        raise ValueError("found iterations out of order, expected each above the one before; sort the evaluations")
    if math.isnan(level) or in_a_row < 1:
        raise ValueError(f"found level {level} and in_a_row {in_a_row}, expected a number and at least 1")
    run = 0
    for index, value in enumerate(values):
        run = run + 1 if value <= level else 0
        if run == in_a_row:
            return index - in_a_row + 1
    return None
