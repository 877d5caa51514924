"""The noisy curves lie where their papers and codes put them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganbench.targets.manifolds import Moons, NoisyCurve, SwissRoll


def on_the_curve(target: NoisyCurve, arc: float, n: int = 1000) -> np.ndarray:
    """Samples without noise at evenly spaced parameters of the arc that the uniform draw `arc` chooses."""
    place = torch.linspace(0, 1, n + 1, dtype=torch.float64)[:-1]
    u = torch.stack([torch.full_like(place, arc), place], dim=1)
    return target.sample(u, torch.zeros(n, 2, dtype=torch.float64)).numpy()


def test_the_swiss_roll_is_the_spiral_whose_radius_is_its_angle():
    x = 7.5 * on_the_curve(SwissRoll(), 0.0)
    angle = 1.5 * np.pi * (1 + 2 * np.arange(1000) / 1000)
    expected = np.stack([angle * np.cos(angle), angle * np.sin(angle)], axis=1)
    assert x == pytest.approx(expected, abs=2e-5)


def test_the_swiss_roll_starts_straight_below_the_origin():
    assert on_the_curve(SwissRoll(), 0.0)[0] == pytest.approx([0, -1.5 * math.pi / 7.5], abs=1e-12)


def test_the_first_moon_is_the_upper_half_of_the_unit_circle():
    x = on_the_curve(Moons(), 0.0)
    assert np.hypot(x[:, 0], x[:, 1]) == pytest.approx(np.ones(1000), abs=1e-6)
    assert (x[:, 1] >= 0).all()


def test_the_second_moon_is_a_lower_half_circle_around_one_and_a_half():
    x = on_the_curve(Moons(), 0.75)
    assert np.hypot(x[:, 0] - 1, x[:, 1] - 0.5) == pytest.approx(np.ones(1000), abs=1e-6)
    assert (x[:, 1] <= 0.5).all()


def test_both_moons_are_equally_likely():
    u = torch.tensor([[0.0, 0.0], [0.49999, 0.0], [0.5, 0.0], [0.99999, 0.0]])
    assert Moons().sample(u, torch.zeros(4, 2)).tolist() == [[1.0, 0.0], [1.0, 0.0], [0.0, 0.5], [0.0, 0.5]]


@pytest.mark.parametrize(("target", "sd"), [(SwissRoll(), 0.25 / 7.5), (Moons(noise=0.2), 0.2)], ids=repr)
def test_a_unit_normal_draw_moves_a_sample_by_the_noise(target: NoisyCurve, sd: float):
    u = torch.full((1, 2), 0.3, dtype=torch.float64)
    moved = target.sample(u, torch.ones(1, 2, dtype=torch.float64)) - target.sample(u, torch.zeros_like(u))
    assert moved.flatten().tolist() == pytest.approx([sd, sd])
