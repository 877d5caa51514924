"""Which modes of a mixture the generator found, how evenly, and how many of its samples lie in none."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist
from scipy.special import xlogy
from scipy.stats import chi2

from ganbench.metrics.contract import Metric
from ganbench.targets.contract import Target
from ganbench.targets.mixtures import GaussianMixture

HIGH_QUALITY_MASS = -math.expm1(-4.5)
"""Share of a mode within the high-quality radius, .98889: in the plane that radius is 3 standard deviations."""

COVERED_SHARE = 0.05
"""A mode counts as covered from this share of its expected number of high-quality samples on."""


def high_quality_radius(target: GaussianMixture) -> float:
    """Radius that holds .98889 of a mode, in data units: the chi-square quantile, for 3 sd hold nothing in 128-d."""
    return target.sd * math.sqrt(chi2.ppf(HIGH_QUALITY_MASS, target.dimension))


def high_quality_counts(samples: Float[np.ndarray, "n d"], target: GaussianMixture) -> Int[np.ndarray, " modes"]:
    """Samples strictly within the high-quality radius of each centre, each counted at its nearest."""
    distances = cdist(samples, target.centres.cpu().numpy())
    nearest = distances.argmin(axis=1)
    inside = distances[np.arange(len(samples)), nearest] < high_quality_radius(target)
    return np.bincount(nearest[inside], minlength=target.modes)


class HighQuality(Metric):
    """Share of samples within the radius of the nearest centre that holds .98889 of a mode; a perfect fit has .98889.

    In the plane that is the published rule of 3 standard deviations. More than .98889 is no better: modes too tight.
    """

    unit: ClassVar[str] = "share"
    direction: ClassVar[Literal["lower", "higher"]] = "higher"
    source: ClassVar[str] = "Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761; strict as in PacGAN's code"

    def inapplicable(self, target: Target) -> str | None:
        return None if isinstance(target, GaussianMixture) else "the target has no known mode centres"

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> float:
        assert isinstance(target, GaussianMixture)  # `inapplicable` has refused the others
        return float(high_quality_counts(generated, target).sum() / len(generated))


class ModeMetric(Metric):
    """A number about the counts of high-quality samples per mode; subclasses give `of_counts`."""

    def inapplicable(self, target: Target) -> str | None:
        if not isinstance(target, GaussianMixture):
            return "the target has no known mode centres"
        if target.modes == 1:
            return "the target has a single mode"
        if target.separation < 2 * high_quality_radius(target):
            return (
                f"modes overlap: two centres are {target.separation:.3g} apart, "
                f"and a mode reaches {high_quality_radius(target):.3g} from its centre"
            )
        return None

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> float:
        assert isinstance(target, GaussianMixture)  # `inapplicable` has refused the others
        probabilities = target.probabilities.cpu().numpy()
        return self.of_counts(high_quality_counts(generated, target), probabilities, len(generated))

    def of_counts(self, counts: Int[np.ndarray, " modes"], probabilities: Float[np.ndarray, " modes"], n: int) -> float:
        """The value from the high-quality samples of each mode among n samples."""
        raise NotImplementedError  # the contract of this base: every metric on counts states it


class ModesCovered(ModeMetric):
    """Number of modes that hold at least .05 of their expected high-quality samples; all of them is a perfect fit.

    The threshold keeps a few stray samples, such as those of one Gaussian fitted to the data, from counting as a mode.
    """

    unit: ClassVar[str] = "modes"
    direction: ClassVar[Literal["lower", "higher"]] = "higher"
    source: ClassVar[str] = "Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, with a threshold"

    def of_counts(self, counts: Int[np.ndarray, " modes"], probabilities: Float[np.ndarray, " modes"], n: int) -> float:
        expected = n * probabilities * HIGH_QUALITY_MASS
        # one sample at least: with few samples and many modes the threshold falls under one
        return float(((counts >= COVERED_SHARE * expected) & (counts > 0)).sum())


class ModesTouched(ModeMetric):
    """Number of modes that hold at least one high-quality sample, the published rule; all of them is a perfect fit.

    Grows with n by itself: the trivial baseline touches most modes.
    """

    unit: ClassVar[str] = "modes"
    direction: ClassVar[Literal["lower", "higher"]] = "higher"
    source: ClassVar[str] = "Lin et al. 2018 (PacGAN), arXiv:1712.04086"

    def of_counts(self, counts: Int[np.ndarray, " modes"], probabilities: Float[np.ndarray, " modes"], n: int) -> float:
        return float((counts > 0).sum())


class KLModes(ModeMetric):
    """KL(generated || target) over modes, high-quality samples only, in nats; 0 is a perfect fit.

    About (modes - 1) / 2n on true samples. One of k equal modes alone gives log k. Infinite where no sample is of high
    quality: such a generator names no mode at all, and must not rank above one that names a single mode.
    """

    unit: ClassVar[str] = "nats"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "Lin et al. 2018 (PacGAN), arXiv:1712.04086, reverse KL"

    def of_counts(self, counts: Int[np.ndarray, " modes"], probabilities: Float[np.ndarray, " modes"], n: int) -> float:
        if counts.sum() == 0:
            return math.inf
        shares = counts / counts.sum()
        return float(xlogy(shares, shares / probabilities).sum())
