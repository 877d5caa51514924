"""Mixtures: centres, weights, density and score are what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganbench import fields, streams
from ganbench.catalogue import TARGETS
from ganbench.fields import FieldError
from ganbench.targets.mixtures import Gaussian1D, GaussianMixture, Grid25, Mixture, Ring8

MIXTURES = [
    *(TARGETS.load(name)() for name in TARGETS.names() if issubclass(TARGETS.load(name), GaussianMixture)),
    Mixture(modes=5, dimension=128, layout="sphere", spread=0.3, weights=(1.0, 2.0, 3.0, 4.0, 5.0)),
    Mixture(modes=3, dimension=1, layout="line", spread=1.5),
]

mixture = pytest.mark.parametrize("mixture", MIXTURES, ids=repr)


def samples(mixture: GaussianMixture, n: int) -> torch.Tensor:
    return torch.from_numpy(mixture.reference(streams.generator(1, "test.mixtures"), n))


def test_ring8_has_eight_distinct_centres_two_away_from_the_origin():
    centres = Ring8().centres
    assert len({(round(x, 9), round(y, 9)) for x, y in centres.tolist()}) == 8
    assert torch.allclose(centres.norm(dim=1), torch.full((8,), 2.0, dtype=torch.float64))


def test_neighbours_on_ring8_are_a_chord_apart():
    assert Ring8().separation == pytest.approx(2 * 2 * math.sin(math.pi / 8))


def test_grid25_is_the_integers_from_minus_two_to_two():
    expected = {(float(i), float(j)) for i in range(-2, 3) for j in range(-2, 3)}
    assert {(x, y) for x, y in Grid25().centres.tolist()} == expected


def test_the_default_mixture_is_ring8():
    assert torch.equal(Mixture().centres, Ring8().centres)
    assert Mixture().sd == Ring8().sd


def test_a_single_mode_on_a_line_sits_at_the_origin():
    assert Mixture(modes=1, layout="line").centres.tolist() == [[0.0, 0.0]]


def test_centres_on_a_line_reach_from_minus_radius_to_radius():
    line = Mixture(modes=3, dimension=1, layout="line", radius=4.0)
    assert line.centres.tolist() == [[-4.0], [0.0], [4.0]]


def test_centres_on_a_sphere_lie_on_it_and_are_always_the_same():
    first, second = (Mixture(modes=9, dimension=16, layout="sphere", radius=3.0).centres for _ in range(2))
    assert torch.allclose(first.norm(dim=1), torch.full((9,), 3.0, dtype=torch.float64))
    assert torch.equal(first, second)


def test_weights_are_relative():
    mixture = fields.build(Mixture, {"modes": 3, "weights": [1, 2, 5]})
    assert mixture.probabilities.tolist() == [0.125, 0.25, 0.625]


def test_modes_receive_samples_by_weight():
    mixture = Mixture(modes=3, weights=(1.0, 2.0, 5.0))
    evenly = ((torch.arange(800) + 0.5) / 800)[:, None]
    nearest = torch.cdist(mixture.sample(evenly, torch.zeros(800, 2)).double(), mixture.centres).argmin(1)
    assert torch.bincount(nearest).tolist() == [100, 200, 500]


@pytest.mark.parametrize("mixture", [Ring8(), Grid25(), Gaussian1D(mean=3.0, sd=0.5)], ids=repr)
def test_the_samples_of_each_mode_average_to_its_centre(mixture: GaussianMixture):
    # 5 standard errors on 67 coordinates: false-alarm rate 4e-5
    x = samples(mixture, 20_000)
    nearest = torch.cdist(x, mixture.centres).argmin(1)
    for mode, centre in enumerate(mixture.centres):
        mine = x[nearest == mode]
        assert torch.allclose(mine.mean(0), centre, rtol=0, atol=5 * mixture.sd / len(mine) ** 0.5)


@mixture
def test_the_score_is_the_gradient_of_the_log_density(mixture: GaussianMixture):
    x = (samples(mixture, 40) + 0.1).requires_grad_()
    (gradient,) = torch.autograd.grad(mixture.log_density(x).sum(), x)
    assert torch.allclose(mixture.score(x), gradient, rtol=1e-9, atol=1e-9)


@mixture
def test_density_and_score_under_vmap_are_density_and_score(mixture: GaussianMixture):
    x = samples(mixture, 24).reshape(4, 6, -1)
    assert torch.allclose(torch.func.vmap(mixture.log_density)(x), mixture.log_density(x), rtol=1e-12)
    assert torch.allclose(torch.func.vmap(mixture.score)(x), mixture.score(x), rtol=1e-9)


@mixture
def test_the_log_density_keeps_the_precision_of_its_argument(mixture: GaussianMixture):
    assert mixture.log_density(samples(mixture, 3).float()).dtype == torch.float32
    assert mixture.log_density(samples(mixture, 3)).dtype == torch.float64


def test_the_standard_normal_density_at_zero_is_one_over_root_two_pi():
    assert float(Gaussian1D().log_density(torch.zeros(1))) == pytest.approx(-0.5 * math.log(2 * math.pi))


@pytest.mark.parametrize("mixture", [Gaussian1D(mean=-1.0, sd=0.3), MIXTURES[-1]], ids=repr)
def test_the_density_on_the_line_integrates_to_one(mixture: GaussianMixture):
    x = torch.linspace(-20, 20, 20_001, dtype=torch.float64)
    assert float(torch.trapezoid(mixture.log_density(x[:, None]).exp(), x)) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    "mixture", [Ring8(), Grid25(), Mixture(modes=3, spread=0.4, weights=(1.0, 2.0, 3.0))], ids=repr
)
def test_the_density_in_the_plane_integrates_to_one(mixture: GaussianMixture):
    # a step of half a standard deviation: the trapezoid rule is exact to 1e-8 for Gaussians there
    x = torch.arange(-5, 5, min(mixture.sd / 2, 0.1), dtype=torch.float64)
    grid = torch.cartesian_prod(x, x)
    assert float(mixture.log_density(grid).exp().sum() * (x[1] - x[0]) ** 2) == pytest.approx(1, abs=1e-7)


def test_scale_by_hand_is_root_of_radius_squared_and_the_spread_in_each_coordinate():
    assert Ring8(radius=3.0, sd=0.5).scale == pytest.approx(math.sqrt(9 + 2 * 0.25))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": [1, 2]}, "weights: found 2 numbers, expected one for each of 8 modes"),
        ({"dimension": 1}, 'layout: found "ring" with dimension 1, expected "line"'),
        ({"weights": [1, -1], "modes": 2}, "weights: found -1, expected a number above 0"),
        ({"dimension": 129}, "dimension: found 129"),
        ({"spread": 0}, "spread: found 0"),
    ],
)
def test_a_mixture_that_cannot_be_names_the_field(values: dict, message: str):
    with pytest.raises(FieldError) as error:
        fields.build(Mixture, values)
    assert message in str(error.value)


def test_separation_of_a_single_mode_is_infinite():
    assert Gaussian1D().separation == np.inf
