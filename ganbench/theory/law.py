"""What a law is: a statement with its source, and a function that measures an objective against it.

A law is data. The command `check`, the tests and the findings of the theory suite use the same ones; each file of this
folder holds the laws of one theme.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ganbench.objectives.contract import Objective, Regulariser

Relation = Literal["=", "<=", ">="]


@dataclass(frozen=True)
class Comparison:
    """One number that a law expects beside the one that was measured; `about` says which, where a law has several.

    For "=" the tolerance is absolute; for "<=" and ">=" it is how far the measured number may overstep the expected.
    """

    expected: float
    measured: float
    tolerance: float = 0.0
    relation: Relation = "="
    about: str = ""

    @property
    def holds(self) -> bool:
        """Whether the measured number keeps the law; NaN never does."""
        if math.isnan(self.measured):
            return False
        if self.measured == self.expected:
            return True  # equal infinities have no difference
        overstep = self.measured - self.expected
        return {"=": abs(overstep), "<=": overstep, ">=": -overstep}[self.relation] <= self.tolerance


@dataclass(frozen=True)
class Subject:
    """What is checked: an objective with its values under the name that it goes by, and what is added to it.

    `name` is that of the registry, or "file.py:Class" of an objective from outside.
    """

    name: str
    objective: Objective
    regularisers: tuple[Regulariser, ...] = ()

    @property
    def playing(self) -> Objective:
        """The objective with its regularisers."""
        return self.objective.with_added(self.regularisers)


@dataclass(frozen=True)
class Law:
    """A statement that theory proves, for the subjects to which it applies.

    `applies` gives None where it does, else the reason why not, in a few words. `measure` gives every comparison; it is
    deterministic, draws from keyed streams alone and takes its numbers through the library's own losses and steps.
    """

    name: str
    statement: str
    source: str
    measure: Callable[[Subject], Iterable[Comparison]]
    applies: Callable[[Subject], str | None] = lambda subject: None


@dataclass(frozen=True)
class Verdict:
    """A law's comparisons on one subject and the seconds that they took; `error` where measuring raised."""

    law: Law
    comparisons: tuple[Comparison, ...]
    seconds: float
    error: str = ""

    @property
    def holds(self) -> bool:
        """Whether every comparison holds, and there is one."""
        return not self.error and bool(self.comparisons) and all(c.holds for c in self.comparisons)
