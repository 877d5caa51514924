"""FID, KID, precision, recall and inception score: closed forms, hand-worked numbers and the right direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from scipy.linalg import sqrtm

from ganbench import streams
from ganbench.catalogue import METRICS
from ganbench.metrics import kid as sums
from ganbench.metrics.features import Features
from ganbench.metrics.fidelity import FID, KID, FIDInfinity, InceptionScore, Precision, Recall
from ganbench.metrics.modes import KLModes, ModesCovered
from ganbench.metrics.torchvision_guard import part
from ganbench.targets.images import Digits


def found(values: ArrayLike) -> Features:
    """Features without logits."""
    rows = np.asarray(values, dtype=float)
    return Features(rows, np.zeros((len(rows), 2)))


def normal(n: int, d: int, seed: int) -> np.ndarray:
    return streams.generator(seed, "test.normal").standard_normal((n, d))


def with_moments(n: int, mean: np.ndarray, covariance: np.ndarray, seed: int) -> np.ndarray:
    """n samples whose own mean and covariance are the given ones."""
    x = normal(n, len(mean), seed)
    x -= x.mean(axis=0)
    white = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def covariance(d: int, seed: int) -> np.ndarray:
    a = normal(3 * d, d, seed)
    return a.T @ a / (3 * d)


@pytest.mark.parametrize("d", [2, 16, 64])
def test_fid_of_two_gaussians_is_the_closed_form(d: int):
    means, covariances = normal(2, d, 0), (covariance(d, 1), covariance(d, 2))
    root = np.real(sqrtm(covariances[0]))
    middle = np.real(sqrtm(root @ covariances[1] @ root))
    expected = np.square(means[0] - means[1]).sum() + np.trace(covariances[0] + covariances[1] - 2 * middle)
    sets = [found(with_moments(400, m, c, 3 + i)) for i, (m, c) in enumerate(zip(means, covariances, strict=True))]
    assert FID().of_features(*sets).value == pytest.approx(expected, abs=1e-8)


def test_fid_by_hand_where_both_covariances_are_diagonal():
    # |(3, 4)|² + (2 - 1)² + (1 - 3)²
    a = with_moments(50, np.array([0.0, 0.0]), np.diag([4.0, 1.0]), 0)
    b = with_moments(50, np.array([3.0, 4.0]), np.diag([1.0, 9.0]), 1)
    assert FID().of_features(found(a), found(b)).value == pytest.approx(25 + 1 + 4, abs=1e-9)


def test_fid_of_identical_images_in_another_order_is_zero():
    x = Digits().held_out
    assert FID().measure(x, x[::-1], Digits()) == pytest.approx(0, abs=1e-6)


def test_fid_is_never_negative_though_its_rounding_errors_are(monkeypatch):
    x = found(normal(30, 4, 0))
    monkeypatch.setattr("ganbench.metrics.fidelity.fid", lambda generated, true: -1e-9)
    assert FID().of_features(x, x).value == 0


@pytest.mark.parametrize(("n", "flag"), [(64, "rank-deficient"), (65, "")])
def test_fid_is_flagged_with_fewer_samples_than_features_plus_one(n: int, flag: str):
    assert FID().of_features(found(normal(n, 64, 0)), found(normal(n, 64, 1))).flag == flag


def test_fid_infinity_takes_off_the_bias_of_both_sets():
    # equal Gaussians: the truth is 0, FID at n = 500 about d²/2n. Mean of 20 pairs; 4 standard errors, false alarm 6e-5
    pairs = [(found(normal(500, 16, 2 * s)), found(normal(500, 16, 2 * s + 1))) for s in range(20)]
    extrapolated = np.array([FIDInfinity().of_features(*pair).value for pair in pairs])
    biased = np.array([FID().of_features(*pair).value for pair in pairs])
    assert biased.mean() > 0.2
    assert abs(extrapolated.mean()) < min(4 * extrapolated.std() / math.sqrt(20), biased.mean() / 3)


def test_fid_infinity_of_features_on_the_line_has_their_intercept_and_no_spread(monkeypatch):
    monkeypatch.setattr("ganbench.metrics.fidelity.fid", lambda a, b: 7 + 30 / a["n"])
    monkeypatch.setattr("ganbench.metrics.fidelity.moments", lambda values: {"n": len(values)})
    estimate = FIDInfinity().of_features(found(normal(400, 8, 0)), found(normal(400, 8, 1)))
    assert estimate.value == pytest.approx(7)
    assert estimate.spread == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("n", "flag"), [(256, "rank-deficient"), (260, "")])
def test_fid_infinity_is_flagged_where_its_smallest_size_is_rank_deficient(n: int, flag: str):
    assert FIDInfinity().of_features(found(normal(n, 64, 0)), found(normal(n, 64, 1))).flag == flag


def test_kid_by_hand_on_two_points_each():
    # kernel (xy + 1)³ in one dimension: within 1 and 343, across 1, 1, 27, 64
    estimate = KID().of_features(found([[0.0], [1.0]]), found([[2.0], [3.0]]))
    assert estimate.value == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)
    assert estimate.spread == pytest.approx(0)


@pytest.mark.parametrize(("n", "d", "size"), [(60, 5, 30), (700, 64, 350), (3000, 3, 1000)])
def test_the_sums_of_kid_are_those_of_torch_fidelity(n: int, d: int, size: int):
    a, b = normal(n, d, 0), 0.5 + normal(n, d, 1)
    module = part("metric_kid")
    settings = {"kid_subsets": 100, "kid_subset_size": size, "rng_seed": sums.SEED, "verbose": False}
    if n == 3000:  # a second for ours, which this compares with a tenth of theirs
        settings["kid_subsets"] = 10
        ours = sums.of_subsets(a, b, size)[:10]
        mean, spread = ours.mean(), ours.std()
    else:
        mean, spread = sums.kid(a, b, size)
    theirs = module.kid_features_to_metric(torch.from_numpy(a), torch.from_numpy(b), **settings)
    assert mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    assert spread == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-9)


def test_kid_of_subsets_much_smaller_than_the_sets_is_the_same_by_either_way():
    a, b = normal(150, 4, 0), 0.5 + normal(150, 4, 1)
    assert len(a) * len(b) > sums.SUBSETS * 10**2  # so that torch-fidelity computes it
    values = sums.of_subsets(a, b, 10)
    assert sums.kid(a, b, 10) == (pytest.approx(values.mean()), pytest.approx(values.std()))


def test_kid_is_unbiased():
    # equal Gaussians: 0 on average, negative half the time. Mean of 40 pairs; 4 standard errors, false alarm 6e-5
    values = [
        KID().of_features(found(normal(100, 4, 2 * s)), found(normal(100, 4, 2 * s + 1))).value for s in range(40)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(40)
    assert min(values) < 0 < max(values)


def test_precision_and_recall_by_hand_on_a_line():
    # true 0 to 5: balls of radius 3, 2, 2, 2, 2, 3 reach from -3 to 8; generated: 3, 2, 2, 3, 8, 18
    true, generated = np.arange(6.0)[:, None], np.array([0.0, 1, 2, 3, 9, 20])[:, None]
    sets = found(generated), found(true)
    assert Precision().of_features(*sets).value == pytest.approx(4 / 6)
    assert Recall().of_features(*sets).value == 1


def test_precision_and_recall_of_four_points_and_fewer_take_the_neighbours_that_there_are():
    sets = found([[0.0], [1.0]]), found([[0.5], [9.0]])
    assert Precision().of_features(*sets).value == 1
    assert Recall().of_features(*sets).value == pytest.approx(1 / 2)


def test_the_inception_score_of_even_and_certain_classes_is_their_number():
    # ten parts of 100: a part's counts are not even, which takes about 3 / 200 of the logarithm off
    logits = 50 * np.eye(4)[np.arange(1000) % 4]
    estimate = InceptionScore().of_features(Features(np.zeros((1000, 2)), logits), found(np.zeros((1000, 2))))
    assert estimate.value == pytest.approx(4 * math.exp(-3 / 200), abs=0.05)
    assert 0 < estimate.spread < 0.1


def test_the_inception_score_of_images_that_say_nothing_is_one():
    estimate = InceptionScore().of_features(found(np.zeros((1000, 2))), found(np.zeros((1000, 2))))
    assert estimate.value == pytest.approx(1)


@pytest.fixture(scope="module")
def halves() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """800 images of the players' half, their classes, and 800 of the held-out half."""
    digits = Digits()
    assert digits.content.labels is not None
    return digits.training_set[:800], digits.content.labels[digits.content.players][:800], digits.held_out[:800]


def test_when_half_the_classes_collapse_recall_and_modes_fall_and_precision_stays(halves):
    generated, classes, true = halves
    low = generated[classes < 5]
    collapsed = np.resize(low, generated.shape)
    digits = Digits()
    assert Recall().measure(collapsed, true, digits) < Recall().measure(generated, true, digits) - 0.3
    assert ModesCovered().measure(collapsed, true, digits) == 5
    assert ModesCovered().measure(generated, true, digits) == 10
    assert KLModes().measure(collapsed, true, digits) > 0.6
    assert Precision().measure(collapsed, true, digits) == pytest.approx(
        Precision().measure(generated, true, digits), abs=0.05
    )


@pytest.mark.parametrize(("name", "sign"), [("fid", 1), ("fid_infinity", 1), ("kid", 1), ("precision", -1)])
def test_noise_raises_the_distances_and_lowers_precision(halves, name: str, sign: int):
    generated, _, true = halves
    noise = streams.generator(0, "test.noise").standard_normal(generated.shape)
    metric = METRICS.load(name)()
    values = [sign * metric.measure(generated + level * noise, true, Digits()) for level in (0, 0.25, 0.5, 1)]
    assert values == sorted(values)
    assert values[0] < values[1]


def test_a_stack_has_no_inception_score():
    from ganbench.targets.stacked import StackedDigits

    assert "each of its parts" in str(InceptionScore().inapplicable(StackedDigits()))
