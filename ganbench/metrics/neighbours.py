"""Neighbourhood metrics on the samples themselves: coverage of true samples, and memorised training images."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, UInt8
from scipy.spatial.distance import cdist

from ganbench.metrics.contract import Metric
from ganbench.targets.contract import Target
from ganbench.targets.images import Images
from ganbench.targets.mixtures import GaussianMixture

NEIGHBOURS = 5
"""k of the k-nearest-neighbour balls, as in the paper."""

BLOCK_VALUES = 2**22  # of one block of images, as float64: 32 MiB


class Coverage(Metric):
    """Share of true samples whose ball to the fifth nearest true neighbour holds a generated sample; more is better.

    A perfect fit has about 1 - 1/2^5 = .969: the five nearest of all other samples are all true with chance 1/2^5.
    """

    unit: ClassVar[str] = "share"
    direction: ClassVar[Literal["lower", "higher"]] = "higher"
    source: ClassVar[str] = "Naeem et al. 2020, arXiv:2002.09797, Reliable Fidelity and Diversity Metrics"

    def inapplicable(self, target: Target) -> str | None:
        if isinstance(target, GaussianMixture):
            return "the modes are known: modes_covered and jsd_binned see more"
        return None

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> float:
        k = min(NEIGHBOURS, len(true) - 1)
        # position k, not k - 1: the nearest of the true samples to a true sample is that sample itself
        radii = np.partition(cdist(true, true), k, axis=1)[:, k]
        return float((cdist(true, generated).min(axis=1) <= radii).mean())


class Memorisation(Metric):
    """Share of samples nearer to a training image than to any held-out one; .5 is none, 1 is a copy of that set.

    Both halves have the same size, and ties count half. The oracle of a finite set hands out its training images and so
    has 1; fresh true samples, were there any, would have .5, which is the floor. Of a stack each single image counts.
    """

    unit: ClassVar[str] = "share"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "two-halves test after Meehan et al. 2020, arXiv:2004.05675"
    known_floor: ClassVar[float | None] = 0.5

    def inapplicable(self, target: Target) -> str | None:
        return None if isinstance(target, Images) else "every true sample is fresh: there is no training set"

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> float:
        assert isinstance(target, Images)  # `inapplicable` has refused the others
        singles = target.singles(generated.reshape(-1, *target.image_shape))
        points = singles.reshape(len(singles), -1)
        content = target.content
        to_training = nearest(points, content.images[content.players], target.rounding)
        to_held_out = nearest(points, content.images[content.held_out], target.rounding)
        return float((to_training < to_held_out).mean() + (to_training == to_held_out).mean() / 2)


def nearest(
    points: Float[np.ndarray, "n d"], images: UInt8[np.ndarray, "N c h w"], rounding: float
) -> Float[np.ndarray, " n"]:
    """Squared distance of each point from the nearest of some images of grey levels `rounding` apart, from -1 on.

    In blocks, since a float64 copy of a large set would not fit. A matrix product finds the nearest of each block; it
    loses digits where two points are close, so the distance to that one is computed anew.
    """
    found = np.full(len(points), np.inf)
    rows = max(1, BLOCK_VALUES // points.shape[1])
    for start in range(0, len(images), rows):
        block = images[start : start + rows].reshape(-1, points.shape[1]) * rounding - 1.0
        norms = np.square(block).sum(axis=1)
        for first in range(0, len(points), 1024):
            part = points[first : first + 1024]
            chosen = block[(norms - 2 * (part @ block.T)).argmin(axis=1)]
            exact = np.square(part - chosen).sum(axis=1)
            found[first : first + 1024] = np.minimum(found[first : first + 1024], exact)
    return found
