"""Distances that see the geometry of the data: Wasserstein-1, its sliced form and the energy distance."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist, pdist

from ganbench import streams
from ganbench.metrics.contract import Metric
from ganbench.targets.contract import Target

DIRECTIONS = 128
"""Directions of the sliced distance, the same for all samples of one dimension."""


class W1(Metric):
    """Exact Wasserstein-1 distance of the two sample sets, Euclidean cost, in the data's units; 0 is a perfect fit.

    Biased upwards at finite n, strongly so on mixtures, where chance moves samples between modes: compare at equal n
    and with the floor only.
    """

    unit: ClassVar[str] = "data units"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "Villani 2009; network simplex of POT, Flamary et al. 2021, ot.emd2"

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> float:
        if generated.shape[1] == 1:
            return sorted_w1(generated, true)
        import ot  # lazy: half a second to several, by its backends

        weights = np.full(len(true), 1 / len(true))
        cost, log = ot.emd2(weights, weights, cdist(generated, true), numItermax=10_000_000, log=True)
        if log["warning"] is not None:
            # a transport plan that stopped early is not the distance: no number is better than a wrong one
            raise RuntimeError(f"exact W1 on {len(true)} samples did not finish: {log['warning']}")
        return float(cost)


class SlicedW1(Metric):
    """Mean 1-D Wasserstein-1 distance over 128 fixed random directions, in the data's units; 0 is a perfect fit.

    At most the exact W1. Biased upwards at finite n: compare at equal n only.
    """

    unit: ClassVar[str] = "data units"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "Bonneel et al. 2015, Sliced and Radon Wasserstein Barycenters of Measures"

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> float:
        directions = _directions(generated.shape[1])
        return sorted_w1(generated @ directions, true @ directions)


class EnergyDistance(Metric):
    """Energy distance 2 E|X-Y| - E|X-X'| - E|Y-Y'|, unbiased, in the data's units; 0 on average is a perfect fit.

    The U-statistic: pairs of a sample with itself are left out, so the estimate may be negative. In one dimension the
    distance is twice the integrated squared difference of the distribution functions.
    """

    unit: ClassVar[str] = "data units"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "Székely & Rizzo 2013, Energy statistics; unbiased as Gretton et al. 2012, eq. 3"

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> float:
        # pdist holds each pair once: its mean is the mean over ordered pairs of different samples
        return float(2 * cdist(generated, true).mean() - pdist(generated).mean() - pdist(true).mean())


def sorted_w1(generated: Float[np.ndarray, "n k"], true: Float[np.ndarray, "n k"]) -> float:
    """Mean over k columns of the Wasserstein-1 distance on the line, exact: the optimal plan pairs sorted samples."""
    return float(np.abs(np.sort(generated, axis=0) - np.sort(true, axis=0)).mean())


@lru_cache(maxsize=16)
def _directions(dimension: int) -> Float[np.ndarray, "d k"]:
    directions = streams.generator(0, "metric.directions").standard_normal((dimension, DIRECTIONS))
    return directions / np.linalg.norm(directions, axis=0)
