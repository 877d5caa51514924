"""Finite image sets: the split by hash, the pixel scale and the draws without repetition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ganbench import streams
from ganbench.targets.images import Digits, halves


def rows(images: np.ndarray) -> set[bytes]:
    return {np.ascontiguousarray(image).tobytes() for image in images}


def test_the_halves_of_the_digits_are_equal_disjoint_and_leave_one_image_out():
    digits = Digits()
    training, held_out = rows(digits.training_set), rows(digits.held_out)
    assert len(training) == len(held_out) == 898
    assert not training & held_out


def test_the_split_does_not_depend_on_the_order_of_the_images():
    images = load_digits().data.astype(np.uint8)
    shuffled = images[streams.generator(0, "test.order").permutation(len(images))]
    for half, other in zip(halves(images), halves(shuffled), strict=True):
        assert rows(images[half]) == rows(shuffled[other])


def test_pixels_are_eighths_from_minus_one_to_one():
    training = Digits().training_set
    assert training.min() == -1
    assert training.max() == 1
    assert np.array_equal(training * 8, np.round(training * 8))
    assert Digits().resolution == 1 / 8


def test_labels_are_those_of_the_images():
    everything = load_digits()
    label_of = {image.tobytes(): label for image, label in zip(everything.data / 8 - 1, everything.target, strict=True)}
    digits = Digits()
    assert [label_of[image.tobytes()] for image in digits.training_set] == digits.labels.tolist()


def test_players_see_training_images_only():
    digits = Digits()
    u = torch.from_numpy(streams.uniform(streams.generator(0, "test.players"), 3000, 1))
    seen = rows(digits.sample(u, torch.zeros(3000, 0)).double().numpy())
    assert seen <= rows(digits.training_set)


def test_uniform_draws_reach_the_first_and_the_last_image():
    digits = Digits()
    u = torch.tensor([[0.0], [float(np.nextafter(np.float32(1), np.float32(0)))]])
    assert np.array_equal(digits.sample(u, torch.zeros(2, 0)).double().numpy(), digits.training_set[[0, -1]])


def test_a_full_reference_is_the_held_out_half_once():
    digits = Digits()
    assert rows(digits.reference(streams.generator(0, "test.full"), 898)) == rows(digits.held_out)


def test_a_full_oracle_is_the_training_half_once():
    digits = Digits()
    assert rows(digits.oracle(streams.generator(0, "test.full"), 898)) == rows(digits.training_set)


def test_more_reference_images_than_there_are_is_an_error_that_says_how_many_there_are():
    with pytest.raises(ValueError, match="found n = 899, expected at most 898"):
        Digits().reference(streams.generator(0, "test.full"), 899)


def test_a_flattened_image_has_the_pixels_of_its_shape():
    assert Digits().shape == (64,)
    assert Digits().image_shape == (1, 8, 8)
