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
    def overstep(self) -> float:
        """How far the measured number is beyond the expected one; below 0 within a bound, infinite where one is NaN."""
        if math.isnan(self.measured) or math.isnan(self.expected):
            return math.inf
        if self.measured == self.expected:
            return 0.0  # equal infinities have no difference
        difference = self.measured - self.expected
        return {"=": abs(difference), "<=": difference, ">=": -difference}[self.relation]

    @property
    def holds(self) -> bool:
        """Whether the measured number keeps the law; NaN never does."""
        return self.overstep <= self.tolerance


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

    @property
    def worst(self) -> Comparison | None:
        """The comparison that fails by most or, where all hold, that comes nearest to it, in parts of the tolerance."""

        def strain(c: Comparison) -> tuple[bool, float]:
            return not c.holds, c.overstep / c.tolerance if c.tolerance else c.overstep

        return max(self.comparisons, key=strain, default=None)
