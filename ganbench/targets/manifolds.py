"""Curves in the plane with noise around them: targets that have no modes and no closed density."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganbench.fields import ranged
from ganbench.targets.contract import Target

KNOTS = 4096
"""Points per arc of a tabulated curve; a chord leaves the swiss roll by at most 1.4e-6 of its scale."""


class NoisyCurve(Target):
    """A point drawn uniformly in the parameter of a curve of one or more arcs, plus isotropic Gaussian noise.

    The curve is a table with linear interpolation: cosines round differently in vector tails and on other devices.
    """

    units: ClassVar[str] = "data units"
    noise: float
    knots: Float[Tensor, "arcs knots 2"]

    def __post_init__(self) -> None:
        arcs = np.stack(self._arcs(np.linspace(0.0, 1.0, KNOTS)))
        object.__setattr__(self, "knots", torch.from_numpy(arcs))  # a table, derived from the fields once

    def _arcs(self, t: Float[np.ndarray, " m"]) -> list[Float[np.ndarray, "m 2"]]:
        raise NotImplementedError  # the contract of this base: every curve gives its arcs over t in [0, 1]

    @property
    def _noise_sd(self) -> float:
        """Standard deviation of each coordinate's noise, in data units."""
        return self.noise

    @property
    def uniforms(self) -> int:
        """Two: the arc and the place on it. One draw for both would leave few distinct places."""
        return 2

    @property
    def normals(self) -> int:
        """One per coordinate."""
        return 2

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    @property
    def scale(self) -> float:
        points = self.knots.reshape(-1, 2)
        return math.sqrt(float((points - points.mean(0)).square().sum(1).mean()) + 2 * self._noise_sd**2)

    def sample(self, u: Float[Tensor, "*n 2"], normal: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        table = self.knots.to(normal.dtype)
        arc = (u[..., 0] * len(table)).long().clamp(max=len(table) - 1)
        place = u[..., 1] * (KNOTS - 1)
        knot = place.long().clamp(max=KNOTS - 2)
        start, end = table[arc, knot], table[arc, knot + 1]
        return start + (place - knot)[..., None] * (end - start) + self._noise_sd * normal


@dataclass(frozen=True)
class SwissRoll(NoisyCurve):
    """WGAN-GP's toy: the spiral t (cos t, sin t), t from 1.5π to 4.5π, with noise, all divided by 7.5."""

    noise: float = ranged(0.25, at_least=0, unit="data units before the division by 7.5")

    source: ClassVar[str] = "Gulrajani et al. 2017, arXiv:1704.00028, official code gan_toy.py"

    def _arcs(self, t: Float[np.ndarray, " m"]) -> list[Float[np.ndarray, "m 2"]]:
        angle = 1.5 * np.pi * (1 + 2 * t)
        return [np.stack([angle * np.cos(angle), angle * np.sin(angle)], axis=1) / 7.5]

    @property
    def _noise_sd(self) -> float:
        return self.noise / 7.5


@dataclass(frozen=True)
class Moons(NoisyCurve):
    """Two interleaving half circles with noise: (cos a, sin a) and (1 - cos a, 1/2 - sin a), a from 0 to π."""

    noise: float = ranged(0.05, at_least=0, unit="data units")

    source: ClassVar[str] = "scikit-learn, sklearn.datasets.make_moons"

    def _arcs(self, t: Float[np.ndarray, " m"]) -> list[Float[np.ndarray, "m 2"]]:
        x, y = np.cos(np.pi * t), np.sin(np.pi * t)
        return [np.stack([x, y], axis=1), np.stack([1 - x, 0.5 - y], axis=1)]
