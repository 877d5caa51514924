"""Metrics on modes: the oracle's numbers, hand-worked counts and the right direction."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbench import streams
from ganbench.metrics.classifier_file import classifier
from ganbench.metrics.features import extractor
from ganbench.metrics.floors import true_pair
from ganbench.metrics.modes import (
    HIGH_QUALITY_MASS,
    HighQuality,
    KLModes,
    KLUniform,
    ModeMetric,
    ModesCovered,
    ModesTouched,
    classified_counts,
    high_quality_counts,
    high_quality_radius,
)
from ganbench.targets.datasets import StackedMNIST
from ganbench.targets.images import Digits, pixels
from ganbench.targets.mixtures import Gaussian1D, GaussianMixture, Grid25, Mixture, Ring8
from ganbench.targets.stacked import StackedDigits

EVEN = np.full(8, 1 / 8)
laws = settings(derandomize=True, deadline=None, max_examples=15)
seeds = st.integers(0, 10_000)


def oracle(target: GaussianMixture, n: int, seed: int = 0) -> np.ndarray:
    return target.oracle(streams.generator(seed, "test.modes"), n)


def test_the_high_quality_radius_in_the_plane_is_three_standard_deviations():
    assert high_quality_radius(Ring8()) == pytest.approx(3 * 0.05)


@pytest.mark.parametrize(
    "target",
    [Ring8(), Grid25(), Gaussian1D(sd=4.0), Mixture(modes=4, dimension=128, layout="sphere", spread=0.01)],
    ids=repr,
)
def test_the_oracle_has_a_high_quality_share_of_98889(target: GaussianMixture):
    # four standard errors of .0021 on 2,500 samples, false-alarm rate 6e-5 each
    x = oracle(target, 2500)
    assert HighQuality().measure(x, x, target) == pytest.approx(0.98889, abs=4 * 0.0021)


@pytest.mark.parametrize(("target", "expected"), [(Ring8(), 0.0014), (Grid25(), 0.0049)], ids=repr)
def test_the_oracle_has_a_kl_over_modes_of_modes_less_one_over_2n(target: GaussianMixture, expected: float):
    # mean over 40 pairs of 2,500 samples; four standard errors, false-alarm rate 6e-5 each; .0001 for n of high quality
    values = [KLModes().measure(*true_pair(target, 2500, pair), target) for pair in range(40)]
    assert np.mean(values) == pytest.approx(expected, abs=4 * float(np.std(values)) / math.sqrt(40) + 0.0001)


@pytest.mark.parametrize("target", [Ring8(), Grid25()], ids=repr)
def test_the_oracle_covers_and_touches_every_mode(target: GaussianMixture):
    x = oracle(target, 500)
    assert ModesCovered().measure(x, x, target) == target.modes
    assert ModesTouched().measure(x, x, target) == target.modes


def test_kl_of_seven_equal_modes_of_eight_is_log_of_8_over_7():
    assert KLModes().of_counts(np.array([0, *[9] * 7]), EVEN, 63) == pytest.approx(math.log(8 / 7))


def test_kl_of_one_mode_of_eight_is_log_8():
    assert KLModes().of_counts(np.array([0, 0, 0, 100, 0, 0, 0, 0]), EVEN, 100) == pytest.approx(math.log(8))


def test_kl_counts_high_quality_samples_only():
    half_lost = KLModes().of_counts(np.array([5, 5, 5, 5, 5, 5, 5, 5]), EVEN, 80)
    assert half_lost == pytest.approx(0, abs=1e-15)


def test_kl_of_no_high_quality_sample_is_infinite():
    far = oracle(Ring8(), 100) + 50
    assert KLModes().measure(far, far, Ring8()) == math.inf


def test_kl_by_hand_with_unequal_weights():
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert KLModes().of_counts(np.array([10, 10]), np.array([0.25, 0.75]), 20) == pytest.approx(expected)


def test_a_mode_is_covered_from_a_twentieth_of_its_expected_samples_on():
    # 800 samples: 100 per mode, 98.889 of high quality, of which .05 are 4.94
    expected = 800 * HIGH_QUALITY_MASS
    assert ModesCovered().of_counts(np.array([4, 5, 0, 98, 99, 100, 101, 200]), EVEN, expected) == 6


def test_an_empty_mode_is_not_covered_even_where_the_threshold_is_under_one_sample():
    assert ModesCovered().of_counts(np.array([0, 1, 1, 1, 1, 1, 1, 1]), EVEN, 8) == 7


def test_a_mode_is_touched_from_one_sample_on():
    assert ModesTouched().of_counts(np.array([1, 5, 0, 98, 99, 100, 101, 200]), EVEN, 800) == 7


@laws
@given(seeds, st.integers(0, 7))
def test_when_a_mode_collapses_coverage_falls_by_one_and_kl_rises(seed: int, lost: int):
    x = oracle(Ring8(), 500, seed)
    nearest = np.linalg.norm(x[:, None] - Ring8().centres.numpy(), axis=2).argmin(1)
    collapsed = x.copy()
    collapsed[nearest == lost] = Ring8().centres[(lost + 1) % 8].numpy()
    assert ModesCovered().measure(collapsed, x, Ring8()) == ModesCovered().measure(x, x, Ring8()) - 1
    assert ModesTouched().measure(collapsed, x, Ring8()) == ModesTouched().measure(x, x, Ring8()) - 1
    assert KLModes().measure(collapsed, x, Ring8()) > KLModes().measure(x, x, Ring8())


@laws
@given(seeds, st.floats(0.05, 0.5))
def test_noise_of_one_standard_deviation_or_more_lowers_the_high_quality_share(seed: int, noise: float):
    x = oracle(Ring8(), 500, seed)
    noisy = x + noise * streams.generator(seed, "test.noise").standard_normal(x.shape)
    assert HighQuality().measure(noisy, x, Ring8()) < HighQuality().measure(x, x, Ring8())


@laws
@given(seeds, st.floats(0.01, 100))
def test_mode_counts_do_not_depend_on_the_unit_of_length(seed: int, factor: float):
    x = oracle(Ring8(), 300, seed)
    scaled = Ring8(radius=2 * factor, sd=0.05 * factor)
    assert np.array_equal(high_quality_counts(factor * x, scaled), high_quality_counts(x, Ring8()))


@pytest.mark.parametrize("metric", [KLModes(), ModesCovered(), ModesTouched()], ids=lambda m: type(m).__name__)
def test_overlapping_modes_are_refused_with_both_distances(metric: ModeMetric):
    reason = metric.inapplicable(Ring8(sd=0.3))
    assert reason == "modes overlap: two centres are 1.53 apart, and a mode reaches 0.9 from its centre"


def test_kl_to_uniform_by_hand():
    assert KLUniform().of_counts(np.array([0, 0, 0, 100, 0, 0, 0, 0]), EVEN, 100) == pytest.approx(math.log(8))
    assert KLUniform().of_counts(np.array([5, 5, 5, 5, 5, 5, 5, 5]), EVEN, 40) == pytest.approx(0, abs=1e-15)


def test_kl_to_uniform_does_not_know_the_frequencies_of_the_data():
    uneven = np.array([0.25, 0.75])
    assert KLUniform().of_counts(np.array([25, 75]), uneven, 100) > 0.1
    assert KLModes().of_counts(np.array([25, 75]), uneven, 100) == pytest.approx(0, abs=1e-15)


def test_the_modes_of_images_are_the_classes_that_the_classifier_names():
    digits = Digits()
    assert digits.content.labels is not None
    chosen = np.flatnonzero(digits.content.labels % 2)
    counts = classified_counts(pixels(digits._doubles(digits.content.images[chosen])), digits)
    expected = np.bincount(digits.content.labels[chosen], minlength=10)
    # at least 98.6% of the labelled images are named rightly, so at most some 13 of 906 are miscounted
    assert np.abs(counts - expected).sum() <= 2 * 13


def test_the_modes_of_stacks_are_their_triples_of_digits():
    stacked, singles = StackedDigits(), Digits()
    assert singles.content.labels is not None
    one_of_each = [int(np.flatnonzero(singles.content.labels == digit)[0]) for digit in (3, 1, 4)]
    stack = pixels(stacked._doubles(singles.content.images[one_of_each].reshape(1, 3, 8, 8)))
    assert np.flatnonzero(classified_counts(stack, stacked)).tolist() == [314]


def test_every_image_counts_for_coverage_of_classes():
    # of 100 images in ten even classes .05 of 10 is half an image: a mixture's share of high quality plays no part
    even = np.full(10, 0.1)
    assert ModesCovered().of_counts(np.array([1, *[11] * 9]), even, 100) == 10
    assert ModesCovered().of_counts(np.array([4, *[111] * 9]), even, 1000) == 9


def test_images_have_no_high_quality_share():
    assert HighQuality().inapplicable(Digits()) == "the target has no known mode centres"


def stacked_kl(classes: np.ndarray, seed: int, n: int = 26_000) -> tuple[float, float, float]:
    """KL to uniform, touched and covered modes of n stacks of images with some classes, drawn with equal chance."""
    drawn = classes[streams.generator(seed, "test.stacks").integers(0, len(classes), (n, 3))]
    counts = np.bincount(drawn @ [100, 10, 1], minlength=1000)
    uniform = np.full(1000, 1e-3)
    kl, touched, covered = (
        metric().of_counts(counts, uniform, n) for metric in (KLUniform, ModesTouched, ModesCovered)
    )
    return kl, touched, covered


def test_kl_of_oracle_stacks_with_the_frequencies_of_all_training_digits_is_0236():
    # 3 KL of one digit, .0043, + 999 / 52,000; one draw has sd .0012, the mean of 20 .00027: four sd, false alarm 6e-5
    full = np.repeat(np.arange(10), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
    values = np.array([stacked_kl(full, seed) for seed in range(20)])
    assert values[:, 0].mean() == pytest.approx(0.0236, abs=0.0011)
    assert (values[:, 1:] == 1000).all()


needs_mnist = pytest.mark.skipif(
    not (Path(os.environ.get("GANBENCH_DATA", "")) / "mnist10k.npz").is_file(),
    reason="needs the folder of mnist10k.npz in GANBENCH_DATA",
)


@needs_mnist
def test_oracle_stacks_of_mnist_have_a_thousand_modes_and_a_kl_of_0245():
    # through the classifier, which must name 98% of its held-out fifth. Mean of 20 draws as above: false alarm 1e-5
    stacked = StackedMNIST()
    assert classifier(stacked).accuracy >= 0.98
    labelled = stacked.labelled()
    assert labelled is not None
    classes = extractor(stacked)(labelled[0]).classes
    values = np.array([stacked_kl(classes, seed) for seed in range(20)])
    assert values[:, 0].mean() == pytest.approx(0.0245, abs=0.0012)
    assert (values[:, 1:] == 1000).all()


@needs_mnist
def test_the_classifier_names_the_modes_of_26000_stacks_of_mnist():
    stacked = StackedMNIST()
    labelled = stacked.labelled()
    assert labelled is not None
    chosen = streams.generator(0, "test.stacks").integers(0, len(labelled[0]), (26_000, 3))
    counts = classified_counts(labelled[0][chosen.ravel()].reshape(26_000, 3, 28, 28), stacked)
    true = np.bincount(stacked.mode_of(labelled[1][chosen.ravel()]), minlength=1000)
    # each digit is named wrongly in at most 2%, and so a stack in at most 6%, which moves it from one count to another
    assert np.abs(counts - true).sum() < 2 * 0.06 * 26_000
    assert (counts > 0).sum() == 1000
