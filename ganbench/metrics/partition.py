"""Partitions of the line and the plane on which samples are counted, with the exact mass of each cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numpy.polynomial.legendre import leggauss
from scipy.special import ndtr

from ganbench.targets.mixtures import GaussianMixture

SAMPLES_PER_CELL = 5
"""Expected samples per cell: with n samples a partition has about n / 5 cells."""

MOST_CELLS = 64
"""Cells of one mode at most: from there on the gap to the true divergence hardly shrinks."""

OUTERMOST_SD = 3.0
"""Radius of a mode's outermost shell, in standard deviations; it holds 1 - exp(-4.5) = .98889 of the mode."""

RADIAL_NODES, ANGULAR_NODES = 12, 32
"""Gauss-Legendre nodes per cell."""

HALVINGS = 64
"""Bisections of a quantile: they exhaust double precision."""


@dataclass(frozen=True)
class Intervals:
    """Intervals of the line, cut at `edges` (cells - 1,); the outer two are unbounded."""

    edges: Float[np.ndarray, " cuts"]

    def index(self, x: Float[np.ndarray, "n 1"]) -> Int[np.ndarray, " n"]:
        """The cell of each sample."""
        return np.searchsorted(self.edges, x[:, 0], side="right")

    def masses(self, mixture: GaussianMixture) -> Float[np.ndarray, " cells"]:
        """The probability of each cell under a mixture on the line, exact."""
        return np.diff(cumulative(mixture, self.edges), prepend=0.0, append=1.0)


@dataclass(frozen=True)
class Sectors:
    """Shells around each centre, cut into sectors; a sample falls to its nearest centre; the last cell is the rest.

    `centres` (k, 2); `radii` (shells,) outer radii, ascending; `sectors` equal angles per shell.
    """

    centres: Float[np.ndarray, "k 2"]
    radii: Float[np.ndarray, " shells"]
    sectors: int

    @property
    def cells(self) -> int:
        """Number of cells, the rest among them."""
        return len(self.centres) * len(self.radii) * self.sectors + 1

    def index(self, x: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
        """The cell of each sample."""
        offsets = x[:, None, :] - self.centres
        nearest = np.square(offsets).sum(axis=2).argmin(axis=1)
        offset = offsets[np.arange(len(x)), nearest]
        shell = np.searchsorted(self.radii, np.hypot(offset[:, 0], offset[:, 1]), side="right")
        turn = np.mod(np.arctan2(offset[:, 1], offset[:, 0]) / (2 * np.pi), 1.0)
        sector = np.minimum((turn * self.sectors).astype(int), self.sectors - 1)
        inside = (nearest * len(self.radii) + shell) * self.sectors + sector
        return np.where(shell == len(self.radii), self.cells - 1, inside)

    def masses(self, mixture: GaussianMixture) -> Float[np.ndarray, " cells"]:
        """The probability of each cell under a mixture in the plane, by Gauss-Legendre quadrature in polar coordinates.

        Seen from its centre the region of nearest points ends at one radius in each direction, so the cells of modes
        that overlap are integrated up to that radius.
        """
        inner = np.concatenate([self._around(mode, mixture).ravel() for mode in range(len(self.centres))])
        return np.append(inner, max(0.0, 1.0 - inner.sum()))

    def _around(self, mode: int, mixture: GaussianMixture) -> Float[np.ndarray, "shells sectors"]:
        nodes, weights = leggauss(ANGULAR_NODES)
        width = 2 * np.pi / self.sectors
        angles = width * (np.arange(self.sectors)[:, None] + (nodes + 1) / 2)
        edges = np.minimum(np.append(0.0, self.radii)[:, None, None], self._border(mode, angles))
        start, span = edges[:-1], np.diff(edges, axis=0)
        radial, radial_weights = leggauss(RADIAL_NODES)
        r = start[..., None] + span[..., None] * (radial + 1) / 2
        directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        points = self.centres[mode] + r[..., None] * directions[:, :, None, :]
        values = _density_near(mixture, points, self.centres[mode], self.radii[-1]) * r
        along = (values * radial_weights).sum(axis=-1) * span / 2
        return (along * weights).sum(axis=-1) * width / 2

    def _border(self, mode: int, angles: Float[np.ndarray, "a t"]) -> Float[np.ndarray, "a t"]:
        """Distance, in each direction, at which another centre becomes the nearest; infinite where none does."""
        others = np.delete(self.centres, mode, axis=0) - self.centres[mode]
        others = others[np.linalg.norm(others, axis=1) < 2 * self.radii[-1]]
        ahead = np.cos(angles)[..., None] * others[:, 0] + np.sin(angles)[..., None] * others[:, 1]
        halfway = np.square(others).sum(axis=1) / 2
        reach = np.divide(halfway, ahead, out=np.full(ahead.shape, np.inf), where=ahead > 0)
        return reach.min(axis=-1, initial=np.inf)


Partition = Intervals | Sectors


@lru_cache(maxsize=64)
def partition(target: GaussianMixture, n: int) -> Partition:
    """The partition on which n samples of a mixture in one or two dimensions are counted.

    On the line min(64, n / 5) intervals of equal mass. In the plane c = min(64, n / 5 modes) cells per mode, of equal
    mass within a mode: floor(sqrt(c / 2)) shells up to 3 standard deviations, at least one, cut into as many equal
    sectors as c allows; everything outside is the rest.
    """
    budget = n // SAMPLES_PER_CELL
    if target.dimension == 1:
        cells = min(MOST_CELLS, max(2, budget))
        return Intervals(quantiles(target, np.arange(1, cells) / cells))
    cells = min(MOST_CELLS, max(1, budget // target.modes))
    shells = max(1, math.isqrt(cells // 2))
    shares = np.arange(1, shells + 1) / shells * -math.expm1(-(OUTERMOST_SD**2) / 2)
    radii = target.sd * np.sqrt(-2 * np.log1p(-shares))
    return Sectors(target.centres.cpu().numpy(), radii, cells // shells)


@lru_cache(maxsize=64)
def target_masses(target: GaussianMixture, n: int) -> Float[np.ndarray, " cells"]:
    """The target's own masses on its partition for n samples."""
    return partition(target, n).masses(target)


def cumulative(mixture: GaussianMixture, x: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Distribution function of a mixture on the line."""
    centres, weights = mixture.centres.cpu().numpy()[:, 0], mixture.probabilities.cpu().numpy()
    return ndtr((x[:, None] - centres) / mixture.sd) @ weights


def quantiles(mixture: GaussianMixture, levels: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Points at which the distribution function of a mixture on the line reaches the levels, within (0, 1)."""
    centres = mixture.centres.cpu().numpy()[:, 0]
    # a level of a mixture lies between those of its outermost modes; 9 sd holds all levels down to 1e-19
    low = np.full(len(levels), centres.min() - 9 * mixture.sd)
    high = np.full(len(levels), centres.max() + 9 * mixture.sd)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        under = cumulative(mixture, middle) < levels
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return high


def _density_near(
    mixture: GaussianMixture, points: Float[np.ndarray, "*n d"], centre: Float[np.ndarray, " d"], radius: float
) -> Float[np.ndarray, "*n"]:
    """Density at points within a radius of a centre; modes over 9 sd beyond it, of less than 1e-18, are left out."""
    centres, weights = mixture.centres.cpu().numpy(), mixture.probabilities.cpu().numpy()
    near = np.linalg.norm(centres - centre, axis=1) < radius + 9 * mixture.sd
    density = np.zeros(points.shape[:-1])
    for c, w in zip(centres[near], weights[near], strict=True):
        density += w * np.exp(-np.square(points - c).sum(axis=-1) / (2 * mixture.sd**2))
    return density / (2 * np.pi * mixture.sd**2)
