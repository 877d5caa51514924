"""What a metric is: one number about a set of generated samples, with its unit, direction, source and floor.

The floor of a metric is its own value on two independent sets of true samples of the same size.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from ganbench.targets.contract import Target


class NonFiniteSamples(ValueError):
    """Generated samples hold NaN or infinity: the replica has diverged, and no distance to it is a number."""


class Metric:
    """A function of generated and true samples; subclasses have no state and the docstring says what 0 or 1 means.

    A subclass gives `value`; `measure` guards it. `known_floor` is the value of fresh true samples where theory knows
    it and two sets of true samples would not show it.
    """

    unit: ClassVar[str]
    direction: ClassVar[Literal["lower", "higher"]]
    source: ClassVar[str]
    known_floor: ClassVar[float | None] = None

    def __eq__(self, other: object) -> bool:
        """Two metrics of one class are the same: they have no state."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def inapplicable(self, target: Target) -> str | None:
        """Why the metric cannot be measured on this target, or None where it can."""
        return None

    def measure(self, generated: Float[np.ndarray, "n *d"], true: Float[np.ndarray, "m *e"], target: Target) -> float:
        """The value on equally many generated and true samples, float64.

        Raises ValueError where the shapes differ, fewer than two samples come or the metric is inapplicable, and
        NonFiniteSamples where a generated value is not finite.
        """
        name = type(self).__name__
        if generated.shape != true.shape:
            raise ValueError(
                f"{name}: found {generated.shape} generated and {true.shape} true values, expected equal shapes; "
                "draw as many generated samples as true ones"
            )
        if len(generated) < 2:
            raise ValueError(f"{name}: found {len(generated)} samples, expected at least 2")
        if reason := self.inapplicable(target):
            raise ValueError(f"{name} cannot be measured on {type(target).__name__}: {reason}")
        if not np.isfinite(generated).all():
            raise NonFiniteSamples(f"{name}: found a generated value that is not finite; the replica has diverged")
        return float(self.value(generated.reshape(len(generated), -1), true.reshape(len(true), -1), target))

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> float:
        """The value on guarded samples, flattened to (n, d)."""
        raise NotImplementedError  # the contract: every metric states it
