"""What a metric is: one number about a set of generated samples, with its unit, direction, source and floor.

The floor of a metric is its own value on two independent sets of true samples of the same size.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from ganbench.targets.contract import Target


class Metric:
    """A function of generated and true samples; subclasses have no state and the docstring says what 0 or 1 means."""

    unit: ClassVar[str]
    direction: ClassVar[Literal["lower", "higher"]]
    source: ClassVar[str]

    def inapplicable(self, target: Target) -> str | None:
        """Why the metric cannot be measured on this target, or None where it can."""
        return None

    def measure(
        self, generated: Float[np.ndarray, "n *d"], true: Float[np.ndarray, "n *d"], target: Target
    ) -> float:
        """The value on equally many generated and true samples, float64. Raises ValueError where the counts differ."""
        raise NotImplementedError  # the contract: every metric states it
