"""Fidelity metrics on the features of images: FID, KID, precision, recall and the inception score.

torch-fidelity computes all but the sums of KID (kid.py); features come from one pass for all of them (features.py).
Input 1 of torch-fidelity is the generated set, input 2 the true one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float

from ganbench import streams
from ganbench.metrics import features
from ganbench.metrics.contract import Estimate, Metric
from ganbench.metrics.features import Features
from ganbench.metrics.kid import SEED, kid
from ganbench.metrics.torchvision_guard import part
from ganbench.targets.contract import Target
from ganbench.targets.images import Images, pixels

LARGEST_KID_SUBSET = 1000
NEIGHBOURS = 3
MOST_NEIGHBOURED = 5000
"""Samples of precision and recall, at most: all distances between two sets of 5,000 take two seconds."""
SPLITS = 10
SIZES = 15
RANK_DEFICIENT = "rank-deficient"


@dataclass(frozen=True)
class FeatureMetric(Metric):
    """A number about the features of generated and true images, which an extractor gives; subclasses state it.

    `weights` is the file of the Inception network; a classifier has its own. The extractor runs on `device`.
    """

    extractor: str = "classifier"
    weights: str = ""
    device: str = "cpu"

    uses_features: ClassVar[bool] = True

    @classmethod
    def configured(cls, evaluation: Any, device: str = "cpu") -> FeatureMetric:
        # a replica that was trained without such a metric names none, and may be measured with one later
        return cls(evaluation.extractor or cls.extractor, evaluation.weights, device)

    def instrument(self, target: Target) -> str:
        return self._extractor(target).instrument

    def prepare(self, target: Target) -> None:
        self._extractor(target)

    def inapplicable(self, target: Target) -> str | None:
        return features.inapplicable(target, self.extractor)

    def value(self, generated: Float[np.ndarray, "n d"], true: Float[np.ndarray, "n d"], target: Target) -> Estimate:
        assert isinstance(target, Images)  # `inapplicable` has refused the others
        extract = self._extractor(target)
        sets = [pixels(samples.reshape(-1, *target.image_shape)) for samples in (generated, true)]
        return self.of_features(*map(extract, sets))

    def of_features(self, generated: Features, true: Features) -> Estimate:
        """The estimate from the features of both sets."""
        raise NotImplementedError  # the contract of this base: every metric on features states it

    def _extractor(self, target: Target) -> features.Extractor:
        assert isinstance(target, Images)  # `inapplicable` has refused the others
        return features.extractor(target, self.extractor, self.weights, self.device)


@dataclass(frozen=True)
class FID(FeatureMetric):
    """Fréchet distance of two Gaussians with the features' means and covariances; 0 is a perfect fit.

    Biased upwards at finite n, by an amount that depends on the generator: compare equal n only. Never negative: a
    rounding error under 0 is set to 0. Flagged with fewer samples than features + 1: no covariance has full rank.
    """

    unit: ClassVar[str] = "squared feature units"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "Heusel et al. 2017, arXiv:1706.08500, eq. 6; by torch-fidelity"

    def of_features(self, generated: Features, true: Features) -> Estimate:
        value = fid(_statistics(generated), _statistics(true))
        return Estimate(max(value, 0.0), flag=_rank_flag(len(generated.values), generated))


@dataclass(frozen=True)
class FIDInfinity(FeatureMetric):
    """FID extrapolated to infinitely many samples: the intercept of a line in 1/n through 15 sizes from n/4 to n.

    Each size takes equally many generated and true images, a keyed random part of both, so that the bias of both sets
    goes. Unbiased as far as the line holds, and so it may be negative. `spread` is the intercept's standard error.
    """

    unit: ClassVar[str] = "squared feature units"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "Chong & Forsyth 2020, arXiv:1911.07023, FID-infinity with random subsets"

    def of_features(self, generated: Features, true: Features) -> Estimate:
        n = len(generated.values)
        sizes = np.linspace(max(2, n // 4), n, SIZES).astype(int)
        rng = streams.generator(0, "metric.fid_infinity")
        values = [
            fid(*(moments(found.values[rng.permutation(n)[:size]]) for found in (generated, true))) for size in sizes
        ]
        if len(set(sizes)) < 3:
            return Estimate(values[-1], flag=RANK_DEFICIENT)
        line, covariance = np.polyfit(1 / sizes, values, 1, cov=True)
        spread = float(np.sqrt(max(covariance[1, 1], 0.0)))
        return Estimate(float(line[1]), spread, _rank_flag(int(sizes[0]), generated))


@dataclass(frozen=True)
class KID(FeatureMetric):
    """Squared maximum mean discrepancy of the features under a cubic kernel, unbiased; 0 on average is a perfect fit.

    Mean over 100 keyed subsets of half the samples, at most 1,000; `spread` is the standard deviation over them. May be
    negative. The subsets are torch-fidelity's of the images in the order of their hashes.
    """

    unit: ClassVar[str] = "squared kernel units"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "Bińkowski et al. 2018, arXiv:1801.01401, eq. 4; subsets as in torch-fidelity"

    def of_features(self, generated: Features, true: Features) -> Estimate:
        size = max(2, min(LARGEST_KID_SUBSET, len(true.values) // 2))
        return Estimate(*kid(generated.values, true.values, size))


@dataclass(frozen=True)
class Precision(FeatureMetric):
    """Share of generated images within the ball of a true one to its third nearest true neighbour; more is better.

    How believable the samples are; a generator that knows one image only may have 1. True samples have less than 1.
    """

    most_samples: ClassVar[int | None] = MOST_NEIGHBOURED
    unit: ClassVar[str] = "share"
    direction: ClassVar[Literal["lower", "higher"]] = "higher"
    source: ClassVar[str] = "Kynkäänniemi et al. 2019, arXiv:1904.06991, k = 3; by torch-fidelity"

    def of_features(self, generated: Features, true: Features) -> Estimate:
        return Estimate(_precision_and_recall(generated, true)[0])


@dataclass(frozen=True)
class Recall(FeatureMetric):
    """Share of true images within the ball of a generated one to its third nearest generated neighbour; more is better.

    How much of the data the samples reach. True samples have less than 1.
    """

    most_samples: ClassVar[int | None] = MOST_NEIGHBOURED
    unit: ClassVar[str] = "share"
    direction: ClassVar[Literal["lower", "higher"]] = "higher"
    source: ClassVar[str] = "Kynkäänniemi et al. 2019, arXiv:1904.06991, k = 3; by torch-fidelity"

    def of_features(self, generated: Features, true: Features) -> Estimate:
        return Estimate(_precision_and_recall(generated, true)[1])


@dataclass(frozen=True)
class InceptionScore(FeatureMetric):
    """exp of the mutual information between image and class of the extractor; from 1 to the number of classes.

    The more the surer each image's class is and the more even the classes are. Mean over ten parts of the samples,
    `spread` is the standard deviation over them. The true images are not used; only one extractor's are comparable.
    """

    unit: ClassVar[str] = "classes"
    direction: ClassVar[Literal["lower", "higher"]] = "higher"
    source: ClassVar[str] = "Salimans et al. 2016, arXiv:1606.03498, sec. 4; by torch-fidelity"

    def inapplicable(self, target: Target) -> str | None:
        if reason := super().inapplicable(target):
            return reason
        if self.extractor == "classifier" and isinstance(target, Images) and target.modes != target.content.classes:
            return "an image has a class for each of its parts: modes_covered and kl_uniform see more"
        return None

    def of_features(self, generated: Features, true: Features) -> Estimate:
        metric_isc = part("metric_isc")
        logits = torch.from_numpy(generated.logits)
        found = metric_isc.isc_features_to_metric(logits, splits=min(SPLITS, len(logits)), shuffle=True, rng_seed=SEED)
        return Estimate(found[metric_isc.KEY_METRIC_ISC_MEAN], found[metric_isc.KEY_METRIC_ISC_STD])


def _rank_flag(n: int, found: Features) -> str:
    return RANK_DEFICIENT if n < found.values.shape[1] + 1 else ""


@lru_cache(maxsize=2 * features.SETS_KEPT)
def _statistics(found: Features) -> dict[str, np.ndarray]:
    return moments(found.values)


def moments(values: Float[np.ndarray, "n d"]) -> dict[str, np.ndarray]:
    """Mean and covariance as torch-fidelity keeps them."""
    metric_fid = part("metric_fid")
    return metric_fid.fid_features_to_statistics(torch.from_numpy(values))


def fid(generated: dict[str, np.ndarray], true: dict[str, np.ndarray]) -> float:
    """Fréchet distance of two Gaussians from their moments, by torch-fidelity; a rounding error may be negative."""
    metric_fid = part("metric_fid")
    return metric_fid.fid_statistics_to_metric(generated, true, verbose=False)[metric_fid.KEY_METRIC_FID]


@lru_cache(maxsize=features.SETS_KEPT)
def _precision_and_recall(generated: Features, true: Features) -> tuple[float, float]:
    metric_prc = part("metric_prc")
    sets = torch.from_numpy(generated.values), torch.from_numpy(true.values)
    neighbours = min(NEIGHBOURS, len(true.values) - 1)
    found = metric_prc.prc_features_to_metric(*sets, prc_neighborhood=neighbours, save_cpu_ram=True, verbose=False)
    return found[metric_prc.KEY_METRIC_PRECISION], found[metric_prc.KEY_METRIC_RECALL]
