"""The optimisers against torch.optim, hand-worked steps and the law of a bilinear game, alone and from lane to lane."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from ensembles import SMALL, WIDTH, lane, same_bits, trained
from torch import Tensor
from torch.func import vmap

from ganbench.catalogue import OPTIMISERS
from ganbench.fields import swept_fields
from ganbench.networks.games import Dirac
from ganbench.objectives.minimax import NonSaturating
from ganbench.objectives.wasserstein import WassersteinClip
from ganbench.training.ensemble import Game, lifted
from ganbench.training.optimisers import SGD, Adam, ExtraAdam, Optimiser, OptimisticAdam, RMSProp

RATE = 0.05
PEERS: dict[str, tuple[Optimiser, Callable[[list[Tensor]], torch.optim.Optimizer]]] = {
    "sgd": (SGD(lr_d=RATE), lambda p: torch.optim.SGD(p, lr=RATE)),
    "rmsprop": (
        RMSProp(lr_d=RATE, alpha=0.8, eps=1e-3),
        lambda p: torch.optim.RMSprop(p, lr=RATE, alpha=0.8, eps=1e-3),
    ),
    "adam": (
        Adam(lr_d=RATE, beta1=0.7, beta2=0.95, eps=1e-3),
        lambda p: torch.optim.Adam(p, lr=RATE, betas=(0.7, 0.95), eps=1e-3),
    ),
}
SWEPT = [(name, field) for name in OPTIMISERS.names() for field in swept_fields(OPTIMISERS.load(name))]


def start() -> dict[str, Tensor]:
    values = {"weight": [1.3, -0.4, 0.2], "bias": [-0.7, 0.9, 2.1]}
    return {name: torch.tensor(v, dtype=torch.float64) for name, v in values.items()}


def loss(params: dict[str, Tensor]) -> Tensor:
    """Curved, coupled, with gradients that change sign."""
    return (params["weight"].square() + torch.sin(3 * params["bias"]) * params["weight"]).sum()


def descended(optimiser: Optimiser, player: str, steps: int) -> dict[str, Tensor]:
    params = start()
    state = optimiser.initial_state(params)
    for _ in range(steps):
        params, state = optimiser.step(player, params, torch.func.grad(loss)(params), state)
    return params


@pytest.mark.parametrize("name", PEERS)
def test_fifty_steps_are_those_of_torch(name: str):
    ours, theirs = PEERS[name]
    params = {k: p.requires_grad_() for k, p in start().items()}
    peer = theirs(list(params.values()))
    for _ in range(50):
        peer.zero_grad()
        loss(params).backward()
        peer.step()
    for k, p in descended(ours, "D", 50).items():
        torch.testing.assert_close(p, params[k].detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMISERS.names())
def test_an_optimiser_states_its_source_and_summary(name: str):
    assert OPTIMISERS.load(name).source
    assert OPTIMISERS.summary(name)


@pytest.mark.parametrize("name", OPTIMISERS.names())
def test_each_player_has_its_own_rate(name: str):
    ours = OPTIMISERS.load(name)(lr_d=0.01, lr_g=0.07)
    swapped = OPTIMISERS.load(name)(lr_d=0.07, lr_g=0.01)
    assert torch.equal(descended(ours, "D", 3)["weight"], descended(swapped, "G", 3)["weight"])
    assert not torch.equal(descended(ours, "D", 3)["weight"], descended(ours, "G", 3)["weight"])


@pytest.mark.parametrize(("name", "field"), SWEPT)
def test_a_swept_number_differs_from_lane_to_lane(name: str, field: str):
    first = OPTIMISERS.load(name)(lr_d=RATE, lr_g=RATE)
    second = dataclasses.replace(first, **{field: getattr(first, field) / 2})
    fields: dict[str, Any] = {
        f: torch.tensor([getattr(o, f) for o in (first, second)], dtype=torch.float64)
        for f in swept_fields(type(first))
    }

    def both(numbers: dict[str, Tensor]) -> dict[str, Tensor]:
        return descended(first.with_swept(numbers), "G" if field == "lr_g" else "D", 5)

    lanes = vmap(both)(fields)
    for index, optimiser in enumerate((first, second)):
        alone = descended(optimiser, "G" if field == "lr_g" else "D", 5)
        assert all(torch.allclose(lanes[k][index], alone[k], rtol=0, atol=1e-12) for k in alone)
    assert not torch.equal(lanes["weight"][0], lanes["weight"][1])


def test_optimistic_adam_s_first_two_steps_are_those_worked_by_hand():
    optimiser = OptimisticAdam(lr_d=0.1, beta1=0.5, beta2=0.5, eps=1.0)
    params = {"p": torch.tensor([0.0], dtype=torch.float64)}
    state = optimiser.initial_state(params)
    params, state = optimiser.step("D", params, {"p": torch.tensor([2.0], dtype=torch.float64)}, state)
    assert params["p"].item() == pytest.approx(-0.1 * 2 * (2 / 3))  # m / (sqrt(v) + eps) = 2 / (2 + 1)
    params, state = optimiser.step("D", params, {"p": torch.tensor([1.0], dtype=torch.float64)}, state)
    # m = .5 * 1 + .5 * 1 = 1, corrected by 3/4; v = .5 * 2 + .5 * 1 = 1.5, corrected by 3/4
    move = (1 / 0.75) / (math.sqrt(1.5 / 0.75) + 1)
    assert params["p"].item() == pytest.approx(-0.1 * 2 * (2 / 3) - 0.1 * (2 * move - 2 / 3))


START, BATCH = (1.0, -1.0), 4


def bilinear(
    optimiser: Optimiser, iterations: int, updates: str = "simultaneous", clip: float = math.inf
) -> list[tuple[float, float]]:
    """(theta, psi) of the game theta psi from (1, -1) after 0, 1, 2, ... iterations of the library's own step."""
    objective = WassersteinClip(d_steps=1, updates=updates, clip=clip)
    game = Game(objective, optimiser, Dirac(*START), None, 1, (1,), BATCH, 2, False, "cpu", precision="fp64")
    zeros = torch.zeros(2, BATCH, 1, dtype=torch.float64)
    state = game.initial_state([3, 4])
    swept = game.swept([objective] * 2, [optimiser] * 2, [(), ()])
    fields, points = {"x": zeros, "z": zeros, "t": zeros[:, 0, 0]}, [START]
    with torch.no_grad():
        for _ in range(iterations):
            for step in objective.schedule():
                state = lifted(game, step, (state, swept, fields))(state, swept, fields)
            points.append((state["G"]["weight"][0].item(), state["D"]["weight"][0].item()))
    return points


def test_extra_adam_s_first_step_is_the_one_worked_by_hand():
    # the critic descends theta psi, the generator -theta psi; betas 0 and 1/2, eps 1, rate .1
    (theta, psi) = bilinear(ExtraAdam(lr_d=0.1, lr_g=0.1, beta1=0.0, beta2=0.5, eps=1.0), 1)[1]
    # gradients at (1, -1): 1 for psi, 1 for theta; both second moments are 1 when corrected, so a move is .1 / 2
    ahead_theta, ahead_psi = 1 - 0.05, -1 - 0.05
    # second moments hold both gradients: (.5 * .5 + .5 * g^2) / .75
    for found, start, gradient in ((psi, -1.0, ahead_theta), (theta, 1.0, -ahead_psi)):
        second = (0.25 + 0.5 * gradient**2) / 0.75
        assert found == pytest.approx(start - 0.1 * gradient / (math.sqrt(second) + 1), rel=1e-12)


def test_the_point_ahead_has_a_critic_within_its_bound():
    # psi would go on to -1.05: clipped at -1, where it stands, it gives theta the gradient 1 a second time
    (theta, psi) = bilinear(ExtraAdam(lr_d=0.1, lr_g=0.1, beta1=0.0, beta2=0.5, eps=1.0), 1, clip=1.0)[1]
    assert psi == -1
    assert theta == pytest.approx(1 - 0.05, rel=1e-12)


# with beta1 = 0 and eps = E far above every gradient Adam is gradient descent at h = lr / E, to about |gradient| / E
H, E = 0.2, 5e3
PLAIN = {"lr_d": H * E, "lr_g": H * E, "beta1": 0.0, "beta2": 0.9, "eps": E}


def modulus_of_optimism(h: float) -> float:
    """Of the larger root of l^2 - l (1 + 2 h i) + h i, the optimistic step on the game's eigenvalue -i."""
    return float(max(abs(np.roots([1, -(1 + 2j * h), 1j * h]))))


@pytest.mark.parametrize(
    ("optimiser", "modulus"),
    [
        (Adam(**PLAIN), math.sqrt(1 + H**2)),
        (ExtraAdam(**PLAIN), math.sqrt((1 - H**2) ** 2 + H**2)),
        (OptimisticAdam(**PLAIN), modulus_of_optimism(H)),
    ],
    ids=["adam", "extra-adam", "optimistic-adam"],
)
def test_on_the_bilinear_game_an_iteration_multiplies_the_radius_as_theory_says(optimiser: Optimiser, modulus: float):
    points = bilinear(optimiser, 60)
    later, earlier = math.hypot(*points[60]), math.hypot(*points[20])
    assert (later / earlier) ** (1 / 40) == pytest.approx(modulus, abs=1e-4)


@pytest.mark.parametrize("optimiser", [ExtraAdam(**PLAIN), OptimisticAdam(**PLAIN)], ids=["extra", "optimistic"])
def test_looking_ahead_converges_where_descent_leaves_the_bilinear_game(optimiser: Optimiser):
    start = math.hypot(*START)
    assert math.hypot(*bilinear(SGD(lr_d=H, lr_g=H), 200)[-1]) > 40 * start
    assert math.hypot(*bilinear(optimiser, 200)[-1]) < start / 40


@pytest.mark.parametrize("name", ["extra-adam", "optimistic-adam"])
@pytest.mark.parametrize("updates", ["alternating", "simultaneous"])
@pytest.mark.parametrize("averaged", [0.0, 0.9])
def test_a_seed_has_the_same_bits_alone_and_in_a_crowd(name: str, updates: str, averaged: float):
    play = partial(
        trained, iterations=5, objective=NonSaturating(updates=updates), optimiser=OPTIMISERS.load(name)(ema=averaged)
    )
    crowd = play(list(range(WIDTH)), size=SMALL)
    for seed in (0, 5):
        assert same_bits(lane(play([seed], size=SMALL), 0), lane(crowd, seed))


def test_an_extrapolating_optimiser_takes_two_gradients_in_a_step():
    assert {name: OPTIMISERS.load(name)().gradients_per_step for name in OPTIMISERS.names()} == {
        **dict.fromkeys(OPTIMISERS.names(), 1),
        "extra-adam": 2,
    }


def test_averaged_weights_follow_their_recursion():
    decay, weights = 0.75, []
    training = trained([0], 0, optimiser=Adam(ema=decay))
    weights.append({k: p[0].clone() for k, p in training.state["G"].items()})
    for stop in range(1, 6):
        training.advance(stop)
        weights.append({k: p[0].clone() for k, p in training.state["G"].items()})
    # the start and each later generator, the last with weight 1 - decay
    shares = [decay**5, *((1 - decay) * decay ** (5 - i) for i in range(1, 6))]
    for k, averaged in training.state["averaged_G"].items():
        expected = sum(share * w[k].double() for share, w in zip(shares, weights, strict=True))
        torch.testing.assert_close(averaged[0].double(), expected, rtol=0, atol=1e-6)


def test_averaging_leaves_the_players_as_they_are():
    plain, averaged = (trained([0], 6, optimiser=Adam(ema=ema)) for ema in (0.0, 0.9))
    averaged.state = {name: own for name, own in averaged.state.items() if name != "averaged_G"}
    assert averaged.state.keys() == plain.state.keys()
    assert same_bits(lane(plain, 0), lane(averaged, 0))
