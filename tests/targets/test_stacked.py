"""Stacks of three digits: channels, modes and the two halves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganbench import streams
from ganbench.targets.images import Digits, pixels
from ganbench.targets.imageset import image_set
from ganbench.targets.stacked import StackedDigits


def rows(images: np.ndarray) -> set[bytes]:
    return {np.ascontiguousarray(image).tobytes() for image in images}


def keyed(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(streams.uniform(streams.generator(0, "test.stacks"), n, 3)), torch.zeros(n, 0)


def test_each_uniform_chooses_the_digit_of_its_channel():
    u, normal = keyed(50)
    singles = [Digits().sample(u[:, channel : channel + 1], normal) for channel in range(3)]
    assert torch.equal(StackedDigits().sample(u, normal), torch.cat(singles, dim=1))


def test_the_singles_of_stacks_are_their_channels_in_order():
    stacks = StackedDigits().sample(*keyed(5)).numpy()
    singles = StackedDigits().singles(stacks)
    assert singles.shape == (15, 1, 8, 8)
    assert np.array_equal(singles[7, 0], stacks[2, 1])


def test_the_first_channel_is_the_hundreds_of_a_mode():
    assert StackedDigits().mode_of(np.array([1, 2, 3, 0, 0, 0, 9, 9, 9])).tolist() == [123, 0, 999]


def test_mode_probabilities_are_products_of_the_digits_shares():
    stacked, shares = StackedDigits(), Digits().mode_probabilities
    assert shares is not None
    assert stacked.mode_probabilities is not None
    assert stacked.modes == len(stacked.mode_probabilities) == 1000
    assert stacked.mode_probabilities[207] == pytest.approx(shares[2] * shares[0] * shares[7])
    assert stacked.mode_probabilities.sum() == pytest.approx(1)


def test_stacks_of_unlabelled_images_have_no_modes():
    stacked = StackedDigits()
    stacked.hold(image_set(stacked.content.images, None))
    assert stacked.modes is None
    assert stacked.mode_probabilities is None
    assert stacked.labelled() is None


def test_sampled_stacks_have_the_modes_that_their_probabilities_say():
    # chi-square of 30,000 digits in ten classes, 9 degrees of freedom: beyond 33.7 with chance 1e-4
    stacked, labelled, shares = StackedDigits(), StackedDigits().labelled(), Digits().mode_probabilities
    assert labelled is not None
    assert shares is not None
    class_of = {image.tobytes(): label for image, label in zip(*labelled, strict=True)}
    singles = stacked.singles(pixels(stacked.sample(*keyed(10_000)).numpy()))
    counts = np.bincount([class_of[image.tobytes()] for image in singles], minlength=10)
    expected = 30_000 * shares
    assert ((counts - expected) ** 2 / expected).sum() < 33.7


def test_players_and_oracle_stack_training_digits_and_the_reference_held_out_ones():
    stacked, digits = StackedDigits(), Digits()
    training, held_out = rows(digits.training_set), rows(digits.held_out)
    rng = streams.generator(1, "test.stacks")
    assert rows(stacked.singles(stacked.sample(*keyed(3000)).double().numpy())) == training
    assert rows(stacked.singles(stacked.oracle(rng, 3000))) == training
    assert rows(stacked.singles(stacked.reference(rng, 3000))) == held_out


def test_stacks_never_run_out():
    assert StackedDigits().reference_limit is None


def test_a_classifier_of_stacks_is_one_of_the_digits():
    stacked, digits = StackedDigits().labelled(), Digits().labelled()
    assert stacked is not None
    assert digits is not None
    assert np.array_equal(stacked[0], digits[0])
    assert (StackedDigits().data_name, StackedDigits().sha256) == (Digits().data_name, Digits().sha256)
