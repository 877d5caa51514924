"""Mixtures of isotropic Gaussians: the targets whose density, score and mode centres are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganbench import streams
from ganbench.fields import FieldError, ranged
from ganbench.targets.contract import Target


class GaussianMixture(Target):
    """A mixture of isotropic Gaussians of one standard deviation; a subclass says where the centres lie.

    Tables, float64: `centres` (k, d), `probabilities` (k,), which sum to 1.
    """

    units: ClassVar[str] = "data units"
    centres: Float[Tensor, "k d"]
    probabilities: Float[Tensor, " k"]

    def __post_init__(self) -> None:
        centres = torch.from_numpy(np.asarray(self._centres(), dtype=np.float64))
        relative = torch.tensor(self._relative_weights() or (1.0,) * len(centres), dtype=torch.float64)
        probabilities = relative / relative.sum()
        # frozen dataclasses forbid assignment; these are tables, derived from the fields once
        object.__setattr__(self, "centres", centres)
        object.__setattr__(self, "probabilities", probabilities)
        object.__setattr__(self, "_edges", probabilities.cumsum(0)[:-1].to(torch.float32))

    def _centres(self) -> Float[np.ndarray, "k d"]:
        raise NotImplementedError  # the contract of this base: every mixture places its centres

    def _relative_weights(self) -> tuple[float, ...]:
        """Weights up to a factor; empty where all modes weigh the same."""
        return ()

    @property
    def sd(self) -> float:
        """Standard deviation of a mode in each coordinate, in data units."""
        raise NotImplementedError  # the contract of this base: every mixture states it, mostly as a field

    @property
    def uniforms(self) -> int:
        """One: it chooses the mode."""
        return 1

    @property
    def normals(self) -> int:
        """One per coordinate."""
        return self.dimension

    @property
    def dimension(self) -> int:
        """Number of coordinates of a sample."""
        return self.centres.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dimension,)

    @property
    def modes(self) -> int:
        return self.centres.shape[0]

    @cached_property
    def scale(self) -> float:
        offsets = self.centres - self.probabilities @ self.centres
        between = float(self.probabilities @ offsets.square().sum(1))
        return math.sqrt(between + self.dimension * self.sd**2)

    @cached_property
    def separation(self) -> float:
        """Least distance between two centres, in data units; infinite for a single mode."""
        distances = torch.cdist(self.centres, self.centres, compute_mode="donot_use_mm_for_euclid_dist")
        return float(distances.fill_diagonal_(math.inf).min())

    def sample(self, u: Float[Tensor, "*n 1"], normal: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        mode = torch.bucketize(u[..., 0].contiguous(), self._edges, right=True)  # type: ignore[attr-defined]
        return self.centres.to(normal.dtype)[mode] + self.sd * normal

    def log_density(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Log of the density at x, in nats; in the precision of x."""
        return torch.logsumexp(self._log_parts(x), dim=-1)

    def score(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Gradient of the log-density in x, per data unit."""
        responsibility = torch.softmax(self._log_parts(x), dim=-1)
        return (responsibility @ self.centres.to(x.dtype) - x) / self.sd**2

    def _log_parts(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n k"]:
        # not |x|² - 2xc + |c|²: its rounding error, divided by sd², would swamp the density of a narrow mode
        squares = (x[..., None, :] - self.centres.to(x.dtype)).square().sum(-1)
        constant = 0.5 * self.dimension * math.log(2 * math.pi * self.sd**2)
        return self.probabilities.log().to(x.dtype) - squares / (2 * self.sd**2) - constant


@dataclass(frozen=True)
class Ring8(GaussianMixture):
    """Eight equal Gaussians evenly spaced on a circle.

    Published rings differ: PacGAN has radius 1 and sd .01, WGAN-GP's toy radius 2 and sd .02, both divided by 1.414.
    Often coded as linspace(0, 2π, 8), which doubles one mode and leaves seven; here the eight are distinct.
    """

    radius: float = ranged(2.0, above=0, unit="data units")
    sd: float = ranged(0.05, above=0, unit="data units")

    source: ClassVar[str] = (
        "ring of Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, with the radius of Metz et al. 2017"
    )

    def _centres(self) -> Float[np.ndarray, "8 2"]:
        return _ring(8, 2, self.radius)


@dataclass(frozen=True)
class Grid25(GaussianMixture):
    """Twenty-five equal Gaussians on a five by five grid centred at the origin."""

    spacing: float = ranged(1.0, above=0, unit="data units")
    sd: float = ranged(0.05, above=0, unit="data units")

    source: ClassVar[str] = "grid of Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, at half its spacing"

    def _centres(self) -> Float[np.ndarray, "25 2"]:
        steps = self.spacing * np.arange(-2.0, 3.0)
        return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(25, 2)


@dataclass(frozen=True)
class Gaussian1D(GaussianMixture):
    """One Gaussian on the line, of any mean and standard deviation: the target with closed forms for every metric."""

    mean: float = ranged(0.0, unit="data units")
    sd: float = ranged(1.0, above=0, unit="data units")

    source: ClassVar[str] = "closed forms: W1 of a shift is its size, of a change of scale sqrt(2/π) |s1 - s2|"

    def _centres(self) -> Float[np.ndarray, "1 1"]:
        return np.array([[self.mean]])


@dataclass(frozen=True)
class Mixture(GaussianMixture):
    """A mixture of isotropic Gaussians with the number of modes, the dimension, the layout and the weights free.

    `layout`: "ring" spaces the centres evenly on a circle in the first two coordinates, "line" evenly on the first
    coordinate from -radius to radius, "sphere" draws them uniformly on the sphere of that radius, always the same ones.
    `weights` are relative, one per mode; empty means equal. The defaults are those of ring8.
    """

    modes: int = ranged(8, at_least=1, at_most=1024)
    dimension: int = ranged(2, at_least=1, at_most=128)
    spread: float = ranged(0.05, above=0, unit="data units")
    layout: str = ranged("ring", choices=("ring", "line", "sphere"))
    radius: float = ranged(2.0, above=0, unit="data units")
    weights: tuple[float, ...] = ranged((), above=0)

    source: ClassVar[str] = "McLachlan & Peel 2000, Finite Mixture Models"

    def __post_init__(self) -> None:
        if self.weights and len(self.weights) != self.modes:
            raise FieldError(
                "weights", f"found {len(self.weights)} numbers, expected one for each of {self.modes} modes"
            )
        if self.dimension == 1 and self.layout != "line":
            raise FieldError(
                "layout", f'found "{self.layout}" with dimension 1, expected "line": it needs no second axis'
            )
        super().__post_init__()

    @property
    def sd(self) -> float:
        return self.spread

    def _relative_weights(self) -> tuple[float, ...]:
        return self.weights

    def _centres(self) -> Float[np.ndarray, "k d"]:
        place = {"ring": _ring, "line": _line, "sphere": _sphere}[self.layout]
        return place(self.modes, self.dimension, self.radius)


def _ring(modes: int, dimension: int, radius: float) -> Float[np.ndarray, "k d"]:
    angles = 2 * np.pi * np.arange(modes) / modes
    centres = np.zeros((modes, dimension))
    centres[:, 0], centres[:, 1] = radius * np.cos(angles), radius * np.sin(angles)
    return centres


def _line(modes: int, dimension: int, radius: float) -> Float[np.ndarray, "k d"]:
    centres = np.zeros((modes, dimension))
    # a single mode sits at the origin, where linspace would put it at -radius
    centres[:, 0] = np.linspace(-radius, radius, modes) if modes > 1 else 0.0
    return centres


def _sphere(modes: int, dimension: int, radius: float) -> Float[np.ndarray, "k d"]:
    directions = streams.generator(0, "mixture.centres").standard_normal((modes, dimension))
    return radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)
