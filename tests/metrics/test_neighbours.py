"""Coverage and memorisation: hand-worked sets, expected values and the right direction."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ganbench import streams
from ganbench.metrics.floors import floor, true_pair
from ganbench.metrics.neighbours import Coverage, Memorisation, nearest
from ganbench.targets.images import Digits
from ganbench.targets.manifolds import Moons, SwissRoll
from ganbench.targets.stacked import StackedDigits


def test_coverage_of_a_set_by_itself_is_one():
    x = SwissRoll().reference(streams.generator(0, "test.coverage"), 100)
    assert Coverage().measure(x, x, SwissRoll()) == 1


def test_coverage_by_hand_on_seven_points_of_a_line():
    # the ball of the point at 6 reaches to 1, so 5 far, and holds 10.5; that of 5 reaches 4 far, to 9, and does not
    true = np.stack([np.arange(7.0), np.zeros(7)], axis=1)
    generated = np.tile([10.5, 0.0], (7, 1))
    assert Coverage().measure(generated, true, SwissRoll()) == pytest.approx(1 / 7)


@pytest.mark.parametrize("target", [SwissRoll(), Moons(), Digits()], ids=repr)
def test_coverage_of_true_samples_is_one_less_two_to_the_minus_five(target):
    # 1 - C(n, 5) / C(2n - 1, 5) = .970 at n = 200; sd of one value about .015, four standard errors of 16 pairs
    assert floor(Coverage(), target, 200) == pytest.approx(0.970, abs=0.015)


def test_coverage_falls_when_the_generator_collapses_on_half_the_data():
    generated, true = true_pair(SwissRoll(), 400, 0)
    collapsed = np.where(generated[:, :1] > 0, generated, generated[generated[:, 0] > 0][0])
    assert Coverage().measure(collapsed, true, SwissRoll()) < 0.7 * Coverage().measure(generated, true, SwissRoll())


def test_coverage_does_not_reward_one_sample_repeated():
    _, true = true_pair(Digits(), 400, 0)
    assert Coverage().measure(np.tile(true[:1], (400, 1, 1, 1)), true, Digits()) < 0.1


def test_copies_of_training_images_are_memorised():
    digits = Digits()
    assert Memorisation().measure(digits.training_set[:100], digits.held_out[:100], digits) == 1


def test_copies_of_held_out_images_are_not_memorised():
    digits = Digits()
    assert Memorisation().measure(digits.held_out[:100], digits.held_out[:100], digits) == 0


def test_memorisation_is_the_share_of_copies():
    digits = Digits()
    mixed = np.concatenate([digits.training_set[:30], digits.held_out[:70]])
    assert Memorisation().measure(mixed, digits.held_out[:100], digits) == pytest.approx(0.3)


def test_images_that_belong_to_neither_half_are_memorised_by_chance_only():
    # noise around the mean of both halves is as near to one as to the other; n = 400, four standard errors are .1
    digits = Digits()
    everything = np.concatenate([digits.training_set, digits.held_out])
    noise = streams.generator(0, "test.noise").standard_normal((400, 1, 8, 8))
    fresh = everything.mean(axis=0) + everything.std(axis=0) * noise
    assert Memorisation().measure(fresh, digits.held_out[:400], digits) == pytest.approx(0.5, abs=0.1)


def test_memorisation_is_the_share_by_distances_computed_one_by_one(monkeypatch):
    monkeypatch.setattr("ganbench.metrics.neighbours.BLOCK_VALUES", 64 * 100)
    digits = Digits()
    fresh = digits.training_set[:300] + 0.5 * streams.generator(0, "test.noise").standard_normal((300, 1, 8, 8))
    points = np.concatenate([fresh, digits.training_set[:7], digits.held_out[:5]]).reshape(312, 64)
    training, held_out = (
        cdist(points, half.reshape(-1, 64)).min(axis=1) for half in (digits.training_set, digits.held_out)
    )
    expected = (training < held_out).mean() + (training == held_out).mean() / 2
    assert 0.6 < expected < 0.95
    assert Memorisation().measure(points, points, digits) == pytest.approx(expected, abs=1e-12)


def test_a_copy_is_at_no_distance_though_grey_levels_are_no_binary_fractions():
    images = streams.generator(0, "test.grey").integers(0, 256, (50, 1, 28, 28)).astype(np.uint8)
    copies = images.reshape(50, 784) * (2 / 255) - 1.0
    assert (nearest(copies[::-1], images, 2 / 255) == 0).all()


def test_an_image_of_both_halves_is_no_evidence():
    digits = Digits()
    images = digits.content.images.copy()
    images[digits.content.held_out][:10] = images[digits.content.players][:10]
    object.__setattr__(digits, "content", dataclasses.replace(digits.content, images=images))
    copies = digits.training_set[:10]
    assert Memorisation().measure(copies, copies, digits) == 0.5


def test_each_digit_of_a_stack_counts_for_memorisation():
    stacked = StackedDigits()
    mixed = np.concatenate([stacked.training_set[:30], stacked.held_out[:60]]).reshape(3, 30, 1, 8, 8)
    stacks = np.ascontiguousarray(mixed.transpose(1, 0, 2, 3, 4)).reshape(30, 3, 8, 8)
    assert Memorisation().measure(stacks, stacks, stacked) == pytest.approx(1 / 3)


def test_the_floor_of_memorisation_is_a_half():
    assert floor(Memorisation(), Digits(), 100) == 0.5
