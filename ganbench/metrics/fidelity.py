"""Neighbourhood metrics for targets without known modes: coverage of true samples, and memorised training samples."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

from ganbench.metrics.contract import Metric
from ganbench.targets.contract import Target
from ganbench.targets.images import FiniteImages
from ganbench.targets.mixtures import GaussianMixture

NEIGHBOURS = 5
"""k of the k-nearest-neighbour balls, as in the paper."""


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
    has 1; fresh true samples, were there any, would have .5, which is the floor.
    """

    unit: ClassVar[str] = "share"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "two-halves test after Meehan et al. 2020, arXiv:2004.05675"
    known_floor: ClassVar[float | None] = 0.5

    def inapplicable(self, target: Target) -> str | None:
        return None if isinstance(target, FiniteImages) else "every true sample is fresh: there is no training set"

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> float:
        assert isinstance(target, FiniteImages)  # `inapplicable` has refused the others
        to_training = cdist(generated, target.training_set.reshape(target.reference_limit, -1)).min(axis=1)
        to_held_out = cdist(generated, target.held_out.reshape(target.reference_limit, -1)).min(axis=1)
        return float((to_training < to_held_out).mean() + (to_training == to_held_out).mean() / 2)
