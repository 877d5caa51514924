"""Finite image sets: the split by hash, the pixel scale and the draws without repetition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ganbench import streams
from ganbench.targets.images import Digits, pixels
from ganbench.targets.imageset import image_set


def rows(images: np.ndarray) -> set[bytes]:
    return {np.ascontiguousarray(image).tobytes() for image in images}


def test_the_halves_of_the_digits_are_equal_disjoint_and_leave_one_image_out():
    digits = Digits()
    training, held_out = rows(digits.training_set), rows(digits.held_out)
    assert len(training) == len(held_out) == 898
    assert not training & held_out


def test_the_order_of_the_images_changes_neither_the_split_nor_the_digest():
    everything = load_digits()
    images, labels = everything.images[:, None].astype(np.uint8), everything.target.astype(np.int64)
    images = np.concatenate([images, images[:1]])  # a duplicate under another label
    labels = np.append(labels, (labels[0] + 1) % 10)
    order = streams.generator(0, "test.order").permutation(len(images))
    first, second = image_set(images, labels), image_set(images[order], labels[order])
    assert np.array_equal(first.images, second.images)
    assert first.labels is not None
    assert second.labels is not None
    assert np.array_equal(first.labels, second.labels)
    assert first.sha256 == second.sha256


def test_another_pixel_another_label_or_another_shape_changes_the_digest():
    images, labels = np.zeros((4, 1, 2, 2), np.uint8), np.array([0, 1, 0, 1])
    other = images.copy()
    other[3, 0, 1, 1] = 1
    alternatives = [
        (other, labels),
        (images, labels[[0, 0, 0, 1]]),
        (images.reshape(4, 1, 1, 4), labels),
        (images, None),
    ]
    digests = {image_set(images, labels).sha256, *(image_set(*alternative).sha256 for alternative in alternatives)}
    assert len(digests) == 5


def test_pixels_are_eighths_from_minus_one_to_one():
    training = Digits().training_set
    assert training.min() == -1
    assert training.max() == 1
    assert np.array_equal(training * 8, np.round(training * 8))
    assert Digits().rounding == 1 / 8


def test_labelled_images_are_all_images_in_grey_levels_to_255_with_their_classes():
    everything = load_digits()
    grey = np.rint(everything.data * 255 / 16)
    label_of = {image.astype(np.uint8).tobytes(): label for image, label in zip(grey, everything.target, strict=True)}
    found = Digits().labelled()
    assert found is not None
    assert len(found[0]) == 1797
    assert [label_of[image.tobytes()] for image in found[0]] == found[1].tolist()


def test_mode_probabilities_are_the_shares_of_the_classes_in_the_training_half():
    everything, digits = load_digits(), Digits()
    label_of = {image.tobytes(): label for image, label in zip(everything.data / 8 - 1, everything.target, strict=True)}
    counts = np.bincount([label_of[image.tobytes()] for image in digits.training_set])
    assert digits.modes == 10
    assert digits.mode_probabilities == pytest.approx(counts / 898)


def test_every_grey_level_survives_the_way_to_a_sample_and_back():
    grey = np.arange(256, dtype=np.uint8)
    for precision in (torch.float32, torch.float64):
        samples = (torch.from_numpy(grey).to(torch.float32) * (2 / 255) - 1).to(precision)
        assert np.array_equal(pixels(samples.numpy()), grey)


def test_a_sample_beyond_black_or_white_is_black_or_white():
    assert pixels(np.array([-7.0, -1.0, 0.999, 1.0, 7.0])).tolist() == [0, 0, 255, 255, 255]


def test_players_see_training_images_only():
    digits = Digits()
    u = torch.from_numpy(streams.uniform(streams.generator(0, "test.players"), 3000, 1))
    seen = rows(digits.sample(u, torch.zeros(3000, 0)).double().numpy())
    assert seen <= rows(digits.training_set)


def test_uniform_draws_reach_the_first_and_the_last_image():
    digits = Digits()
    u = torch.tensor([[0.0], [float(np.nextafter(np.float32(1), np.float32(0)))]])
    assert np.array_equal(digits.sample(u, torch.zeros(2, 0)).double().numpy(), digits.training_set[[0, -1]])


def test_the_last_uniform_chooses_the_last_image_of_a_half_of_any_size():
    last = torch.tensor([float(np.nextafter(np.float32(1), np.float32(0)))])
    for size in (*range(1, 3000), 2**14 - 1, 2**14, 2**14 + 1, 30_000, 81_385, 2**20 + 1):
        half = torch.zeros(size, 1, 1, 1, dtype=torch.uint8)
        half[-1] = 16
        assert Digits()._gathered(half, last).item() == 1


def test_a_full_reference_is_the_held_out_half_once():
    digits = Digits()
    assert rows(digits.reference(streams.generator(0, "test.full"), 898)) == rows(digits.held_out)


def test_a_full_oracle_is_the_training_half_once():
    digits = Digits()
    assert rows(digits.oracle(streams.generator(0, "test.full"), 898)) == rows(digits.training_set)


def test_more_reference_images_than_there_are_is_an_error_that_says_how_many_there_are():
    with pytest.raises(ValueError, match="found n = 899, expected at most 898"):
        Digits().reference(streams.generator(0, "test.full"), 899)


def test_an_image_has_channels_height_and_width():
    assert Digits().shape == Digits().image_shape == (1, 8, 8)
