"""Every registered network keeps the contract: shapes, keyed weights, no running state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ganbench.catalogue import NETWORKS, OBJECTIVES
from ganbench.fields import FieldError
from ganbench.networks.initialisation import initial_params
from ganbench.training.ensemble import Game
from ganbench.training.optimisers import SGD

SHAPES: list[tuple[int, ...]] = [
    *((1,), (2,), (64,), (1, 4, 4)),
    *((channels, side, side) for channels in (1, 3) for side in (8, 28, 32, 64)),
    *((1, 7, 8), (1, 12, 20)),
]

MADE_FOR = {
    (name, shape): NETWORKS.load(name)().inapplicable(shape) is None for name in NETWORKS.names() for shape in SHAPES
}
"""Whether a network can be made for a shape, as it says itself."""

each_pair = pytest.mark.parametrize(("name", "shape"), [pair for pair, made in MADE_FOR.items() if made])


@pytest.fixture(params=NETWORKS.names())
def network(request: pytest.FixtureRequest) -> Any:
    return NETWORKS.load(request.param)()


def smallest(network: Any) -> tuple[int, ...]:
    """The shape of least samples that a network can be made for."""
    return min((shape for shape in SHAPES if network.inapplicable(shape) is None), key=math.prod)


def modules(network: Any) -> dict[str, nn.Module]:
    shape = smallest(network)
    return {"G": network.generator(3, shape), "D": network.critic(shape, 1)}


def drawn(module: nn.Module) -> set[str]:
    """Names of the parameters whose start depends on the seed."""
    owners = {name: module.get_submodule(name.rpartition(".")[0]) for name, _ in module.named_parameters()}
    return {name for name, owner in owners.items() if not getattr(owner, "fixed_start", False)}


def game(network: Any, objective: str) -> Game:
    return Game(OBJECTIVES.load(objective)(), SGD(), network, None, 3, smallest(network), 16, 2, False, "cpu")


@each_pair
@pytest.mark.parametrize("latent", [1, 5])
def test_a_generator_maps_latents_to_samples(name: str, shape: tuple[int, ...], latent: int):
    assert NETWORKS.load(name)().generator(latent, shape)(torch.zeros(7, latent)).shape == (7, *shape)


@each_pair
@pytest.mark.parametrize("outputs", [2, 16])
def test_a_critic_gives_its_outputs_per_sample(name: str, shape: tuple[int, ...], outputs: int):
    assert NETWORKS.load(name)().critic(shape, outputs)(torch.zeros(7, *shape)).shape == (7, outputs)


@each_pair
def test_a_critic_of_one_output_gives_one_number_per_sample(name: str, shape: tuple[int, ...]):
    assert NETWORKS.load(name)().critic(shape, 1)(torch.zeros(7, *shape)).shape == (7,)


@pytest.mark.parametrize(("name", "shape"), [pair for pair, made in MADE_FOR.items() if not made])
def test_a_network_that_is_inapplicable_to_a_shape_makes_no_player_for_it(name: str, shape: tuple[int, ...]):
    network = NETWORKS.load(name)()
    for make in (lambda: network.generator(3, shape), lambda: network.critic(shape, 1)):
        with pytest.raises(FieldError) as raised:
            make()
        assert raised.value.message == network.inapplicable(shape)


def test_a_critic_scores_each_sample_by_itself(network: Any):
    shape = smallest(network)
    critic, x = network.critic(shape, 1), torch.randn(6, *shape)
    critic.load_state_dict({k: torch.from_numpy(p) for k, p in initial_params(critic, 0, "D").items()})
    torch.testing.assert_close(torch.cat([critic(x[:2]), critic(x[2:])]), critic(x))


def test_a_network_has_no_running_state(network: Any):
    for module in modules(network).values():
        assert not list(module.buffers())
        assert not [name for name, _ in module.named_parameters() if "running" in name]


def test_two_equal_networks_are_one_key(network: Any):
    assert {network: "code"}[type(network)()] == "code"


def test_initial_weights_are_those_of_their_seed(network: Any):
    for player, module in modules(network).items():
        first, again = (initial_params(module, 5, player) for _ in range(2))
        assert all(np.array_equal(first[name], again[name]) for name in first)


def test_initial_weights_differ_between_seeds(network: Any):
    for player, module in modules(network).items():
        first, other = (initial_params(module, seed, player) for seed in (5, 6))
        assert not any(np.array_equal(first[name], other[name]) for name in drawn(module))


def test_a_fixed_start_is_the_same_for_every_seed(network: Any):
    for player, module in modules(network).items():
        made = {name: p.detach().numpy() for name, p in module.named_parameters()}
        start = initial_params(module, 5, player)
        assert all(np.array_equal(start[name], made[name]) for name in made.keys() - drawn(module))


def test_initial_weights_differ_between_players(network: Any):
    module = network.generator(3, smallest(network))
    first, other = (initial_params(module, 5, player) for player in ("G", "D"))
    assert not any(np.array_equal(first[name], other[name]) for name in drawn(module))


def test_the_initial_generator_is_the_same_for_every_objective(network: Any):
    first, *others = (game(network, name).initial_state([5, 6])["G"] for name in OBJECTIVES.names())
    for other in others:
        assert all(torch.equal(p, other[name]) for name, p in first.items())


def test_initial_critics_of_equal_outputs_are_the_same_for_every_objective(network: Any):
    by_outputs: dict[int, dict[str, torch.Tensor]] = {}
    for name in OBJECTIVES.names():
        g = game(network, name)
        first = by_outputs.setdefault(g.objective.critic_outputs(3), g.initial_state([5, 6])["D"])
        assert all(torch.equal(p, first[k]) for k, p in g.initial_state([5, 6])["D"].items())


def test_initial_weights_of_a_seed_do_not_depend_on_its_lane(network: Any):
    g = game(network, "minimax")
    first, other = g.initial_state([5, 6]), g.initial_state([6, 5])
    for player in ("G", "D"):
        assert all(torch.equal(p[0], other[player][name][1]) for name, p in first[player].items())


def test_initial_weights_fill_the_range_of_one_over_the_root_of_the_fan_in(network: Any):
    # 4,096 draws: the largest lies under .99 of the bound with a probability of .99^4096, about 1e-18
    drawn = initial_params(nn.Linear(64, 64), 0, "D")["weight"]
    assert 0.99 / math.sqrt(64) < np.abs(drawn).max() <= 1 / math.sqrt(64)
