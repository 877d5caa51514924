"""The optimisers against torch.optim, and their rates from lane to lane."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from ganbench.catalogue import OPTIMISERS
from ganbench.fields import swept_fields
from ganbench.training.optimisers import SGD, Adam, Optimiser, RMSProp

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
    for lane, optimiser in enumerate((first, second)):
        alone = descended(optimiser, "G" if field == "lr_g" else "D", 5)
        assert all(torch.allclose(lanes[k][lane], alone[k], rtol=0, atol=1e-12) for k in alone)
    assert not torch.equal(lanes["weight"][0], lanes["weight"][1])
