"""The networks of small games: what they start as, and that the Gaussian's density is that of its samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganbench.networks.games import Dirac, Gaussian
from ganbench.networks.initialisation import initial_params
from ganbench.objectives.contract import Player


def player(module: torch.nn.Module, name: str) -> Player:
    return Player(module, {k: torch.from_numpy(p).double() for k, p in initial_params(module, 3, name).items()})


def test_the_dirac_game_starts_at_its_point_and_its_line():
    z = torch.zeros(4, 2, dtype=torch.float64)
    G, D = player(Dirac(0.5, -2.0).generator(2, (1,)), "G"), player(Dirac(0.5, -2.0).critic((1,), 1), "D")
    assert G(z).flatten().tolist() == [0.5] * 4
    assert D(G(z)).tolist() == [-1.0] * 4


def test_the_gaussian_game_starts_at_its_mean_and_standard_deviation():
    G = player(Gaussian(mean=1.0, sd=3.0).generator(2, (2,)), "G")
    assert G(torch.tensor([[1.0, -1.0]], dtype=torch.float64)).tolist() == [[4.0, -2.0]]


def test_a_quadratic_critic_by_hand():
    critic = Gaussian().critic((2,), 1)
    params = {
        "square": torch.tensor([[[1.0, 2.0], [0.0, 3.0]]]),
        "linear": torch.tensor([[5.0, 7.0]]),
        "constant": torch.tensor([11.0]),
    }
    # at (1, 2): 1 + 2 * 2 + 3 * 4, then 5 + 14, then 11
    assert Player(critic, params)(torch.tensor([[1.0, 2.0]])).tolist() == [47.0]


def test_hidden_layers_make_the_critic_an_mlp():
    assert sum(p.numel() for p in Gaussian(hidden=8).critic((1,), 1).parameters()) == 16 + 72 + 9


def test_the_log_density_of_the_generator_is_that_of_its_samples():
    # G = m + A z of 200,000 latents: log-densities have a mean of minus the entropy, and an sd of 1 over its root
    params = {
        "weight": torch.tensor([[1.0, 0.5, 0.2], [0.0, 2.0, -1.0]], dtype=torch.float64),
        "bias": torch.tensor([3.0, -1.0], dtype=torch.float64),
    }
    covariance = params["weight"] @ params["weight"].mT
    entropy = 1 + math.log(2 * math.pi) + 0.5 * float(torch.logdet(covariance))
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((200_000, 3)))
    samples = Player(Gaussian().generator(3, (2,)), params)(z)
    # four standard errors: a false alarm in 16,000
    log_density = Gaussian().generator_log_density(params, samples)
    assert float(log_density.mean()) == pytest.approx(-entropy, abs=4 / math.sqrt(200_000))


def test_the_log_density_of_the_standard_normal_is_known():
    params = {"weight": torch.eye(1, dtype=torch.float64), "bias": torch.zeros(1, dtype=torch.float64)}
    found = Gaussian().generator_log_density(params, torch.tensor([[0.0], [2.0]], dtype=torch.float64))
    assert found.tolist() == pytest.approx([-0.5 * math.log(2 * math.pi), -0.5 * math.log(2 * math.pi) - 2])


def test_fewer_latents_than_coordinates_have_no_density():
    params = {"weight": torch.ones(2, 1), "bias": torch.zeros(2)}
    with pytest.raises(ValueError, match="1 latents have no density in 2 dimensions"):
        Gaussian().generator_log_density(params, torch.zeros(1, 2))
