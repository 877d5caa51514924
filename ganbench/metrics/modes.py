"""Which modes the generator found, how evenly, and how many of its samples lie in none.

The modes of a mixture are its centres; those of labelled images are their classes, which a classifier names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.spatial.distance import cdist
from scipy.special import gammaincinv, xlogy

from ganbench.metrics import features
from ganbench.metrics.contract import Metric
from ganbench.targets.contract import Target
from ganbench.targets.images import Images, pixels
from ganbench.targets.mixtures import GaussianMixture

HIGH_QUALITY_MASS = -math.expm1(-4.5)
"""Share of a mode within the high-quality radius, .98889: in the plane that radius is 3 standard deviations."""

COVERED_SHARE = 0.05
"""A mode counts as covered from this share of its expected number of samples on."""


def high_quality_radius(target: GaussianMixture) -> float:
    """Radius that holds .98889 of a mode, in data units: the chi-square quantile, for 3 sd hold nothing in 128-d."""
    return target.sd * math.sqrt(2 * gammaincinv(target.dimension / 2, HIGH_QUALITY_MASS))


def high_quality_counts(samples: Float[np.ndarray, "n d"], target: GaussianMixture) -> Int[np.ndarray, " modes"]:
    """Samples strictly within the high-quality radius of each centre, each counted at its nearest."""
    distances = cdist(samples, target.centres.cpu().numpy())
    nearest = distances.argmin(axis=1)
    inside = distances[np.arange(len(samples)), nearest] < high_quality_radius(target)
    return np.bincount(nearest[inside], minlength=target.modes)


def classified_counts(
    images: UInt8[np.ndarray, "n c h w"], target: Images, device: str = "cpu"
) -> Int[np.ndarray, " modes"]:
    """Images of each mode, by the classes that the target's classifier names."""
    modes = target.mode_of(features.extractor(target, device=device)(images).classes)
    return np.bincount(modes, minlength=target.modes or 0)


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


@dataclass(frozen=True)
class ModeMetric(Metric):
    """A number about the counts of samples per mode; subclasses give `of_counts`.

    Of a mixture only high-quality samples count, of labelled images all: each has the mode that the classifier names,
    which runs on `device`.
    """

    device: str = "cpu"

    @classmethod
    def configured(cls, evaluation: Any, device: str = "cpu") -> ModeMetric:
        return cls(device)

    def inapplicable(self, target: Target) -> str | None:
        if isinstance(target, Images):
            return features.inapplicable(target)
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

    def instrument(self, target: Target) -> str:
        return features.extractor(target, device=self.device).instrument if isinstance(target, Images) else ""

    def prepare(self, target: Target) -> None:
        self.instrument(target)

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> float:
        if isinstance(target, Images):
            assert target.mode_probabilities is not None  # `inapplicable` has refused the others
            counts = classified_counts(pixels(generated.reshape(-1, *target.image_shape)), target, self.device)
            return self.of_counts(counts, target.mode_probabilities, len(generated))
        assert isinstance(target, GaussianMixture)  # `inapplicable` has refused the others
        counts, probabilities = high_quality_counts(generated, target), target.probabilities.cpu().numpy()
        return self.of_counts(counts, probabilities, len(generated) * HIGH_QUALITY_MASS)

    def of_counts(
        self, counts: Int[np.ndarray, " modes"], probabilities: Float[np.ndarray, " modes"], expected: float
    ) -> float:
        """The value from the samples of each mode; a perfect fit would have `expected` in all of them together."""
        raise NotImplementedError  # the contract of this base: every metric on counts states it


class ModesCovered(ModeMetric):
    """Number of modes that hold at least .05 of their expected samples; all of them is a perfect fit.

    The threshold keeps a few stray samples, such as those of one Gaussian fitted to the data, from counting as a mode.
    """

    unit: ClassVar[str] = "modes"
    direction: ClassVar[Literal["lower", "higher"]] = "higher"
    source: ClassVar[str] = "Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, with a threshold"

    def of_counts(
        self, counts: Int[np.ndarray, " modes"], probabilities: Float[np.ndarray, " modes"], expected: float
    ) -> float:
        # one sample at least: with few samples and many modes the threshold falls under one
        return float(((counts >= COVERED_SHARE * expected * probabilities) & (counts > 0)).sum())


class ModesTouched(ModeMetric):
    """Number of modes that hold at least one sample, the published rule; all of them is a perfect fit.

    Grows with n by itself: the trivial baseline touches most modes.
    """

    unit: ClassVar[str] = "modes"
    direction: ClassVar[Literal["lower", "higher"]] = "higher"
    source: ClassVar[str] = "Lin et al. 2018 (PacGAN), arXiv:1712.04086"

    def of_counts(
        self, counts: Int[np.ndarray, " modes"], probabilities: Float[np.ndarray, " modes"], expected: float
    ) -> float:
        return float((counts > 0).sum())


class KLModes(ModeMetric):
    """KL(generated || target) over modes, in nats; 0 is a perfect fit.

    About (modes - 1) / 2n on true samples. One of k equal modes alone gives log k. Infinite where no sample is of high
    quality: such a generator names no mode at all, and must not rank above one that names a single mode.
    """

    unit: ClassVar[str] = "nats"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "Lin et al. 2018 (PacGAN), arXiv:1712.04086, reverse KL"

    def of_counts(
        self, counts: Int[np.ndarray, " modes"], probabilities: Float[np.ndarray, " modes"], expected: float
    ) -> float:
        if counts.sum() == 0:
            return math.inf
        shares = counts / counts.sum()
        return float(xlogy(shares, shares / probabilities).sum())


class KLUniform(ModeMetric):
    """KL(generated || uniform) over the modes of labelled images, in nats; 0 where all modes are equally frequent.

    The protocol of stacked digits. A perfect fit has the divergence of the data's own frequencies, and about
    (modes - 1) / 2n more. Compare at equal n only.
    """

    unit: ClassVar[str] = "nats"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, and Lin et al. 2018 (PacGAN)"

    def inapplicable(self, target: Target) -> str | None:
        if isinstance(target, GaussianMixture):
            return "kl_modes compares with the mixture's own weights"
        return super().inapplicable(target)

    def of_counts(
        self, counts: Int[np.ndarray, " modes"], probabilities: Float[np.ndarray, " modes"], expected: float
    ) -> float:
        shares = counts / counts.sum()
        return float(xlogy(shares, shares * len(counts)).sum())
