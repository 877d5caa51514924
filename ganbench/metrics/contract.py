"""What a metric is: one number about a set of generated samples, with its unit, direction, source and floor.

The floor of a metric is its own value on two independent sets of true samples of the same size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from jaxtyping import Float

from ganbench.targets.contract import Target


class NonFiniteSamples(ValueError):
    """Generated samples hold NaN or infinity: the replica has diverged, and no distance to it is a number."""


# not typing.Self: checkers that decorate methods at run time cannot resolve it
Kind = TypeVar("Kind", bound="Metric")


@dataclass(frozen=True)
class Estimate:
    """A metric's value with what belongs beside it.

    `spread` is its standard deviation over random parts of the samples, NaN where it has none. `flag` says in a word
    why the value is not to be trusted, such as "rank-deficient"; a flagged value is shown and not ranked.
    """

    value: float
    spread: float = math.nan
    flag: str = ""


class Metric:
    """A function of generated and true samples; the docstring of a subclass says what 0 or 1 means.

    A subclass gives `value`; `estimate` guards it. `known_floor` is the value of fresh true samples where theory knows
    it and two sets of true samples would not show it. A subclass that needs settings is a frozen dataclass.
    """

    unit: ClassVar[str]
    direction: ClassVar[Literal["lower", "higher"]]
    source: ClassVar[str]
    known_floor: ClassVar[float | None] = None
    most_samples: ClassVar[int | None] = None  # it is measured on the first so many where an evaluation has more
    uses_features: ClassVar[bool] = False  # of the extractor that an evaluation names

    def __eq__(self, other: object) -> bool:
        """Two metrics of one class without settings are the same."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def samples_of(cls, n: int) -> int:
        """How many of n samples the metric is measured on."""
        return n if cls.most_samples is None else min(n, cls.most_samples)

    @classmethod
    def configured(cls: type[Kind], evaluation: Any, device: str = "cpu") -> Kind:
        """The metric with what it needs of a cell's `Evaluation`; where it runs a network, it does so on the device."""
        return cls()

    def instrument(self, target: Target) -> str:
        """What besides formula and samples decides the value, in a few words: a feature extractor; "" for nothing.

        Values of different instruments never stand in one column.
        """
        return ""

    def prepare(self, target: Target) -> None:
        """Makes ready what values on a target need, and takes long or may be missing: a classifier, a file of weights.

        Called before any training. Raises ValueError that says what is missing and how to mend it.
        """

    def inapplicable(self, target: Target) -> str | None:
        """Why the metric cannot be measured on this target, or None where it can."""
        return None

    def measure(self, generated: Float[np.ndarray, "n *d"], true: Float[np.ndarray, "m *e"], target: Target) -> float:
        """The value of `estimate` alone."""
        return self.estimate(generated, true, target).value

    def estimate(
        self, generated: Float[np.ndarray, "n *d"], true: Float[np.ndarray, "m *e"], target: Target
    ) -> Estimate:
        """The value on equally many generated and true samples, float64, with its spread and flag where it has some.

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
        found = self.value(generated.reshape(len(generated), -1), true.reshape(len(true), -1), target)
        return found if isinstance(found, Estimate) else Estimate(float(found))

    def value(
        self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target
    ) -> float | Estimate:
        """The value on guarded samples, flattened to (n, d)."""
        raise NotImplementedError  # the contract: every metric states it
