"""Ensembles of the size that the shipped suites train, for tests of bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Objective
from ganbench.objectives.minimax import NonSaturating
from ganbench.targets.mixtures import Ring8
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import Adam, Optimiser

WIDTH = 8
BIG = {"network": MLP(width=64), "batch": 256}
SMALL = {"network": MLP(width=8), "batch": 16}
ADAM = Adam()


def new(lanes: list[Lane], size: dict[str, Any], compiled: bool = False, name: str = "") -> Training:
    """An ensemble before its first iteration, padded with copies of its first lane."""
    target, first = Ring8(), lanes[0]
    game = Game(
        objective=first.objective,
        optimiser=first.optimiser,
        network=size["network"],
        target=None,
        latent=2,
        shape=target.shape,
        batch=size["batch"],
        width=WIDTH,
        compiled=compiled,
        device="cpu",
    )
    return Training(game, lanes + lanes[:1] * (WIDTH - len(lanes)), target, name=name)


def trained(
    seeds: list[int],
    iterations: int,
    objective: Objective | None = None,
    optimiser: Optimiser = ADAM,
    size: dict[str, Any] = SMALL,
    compiled: bool = False,
) -> Training:
    """Seeds of one objective after some iterations."""
    training = new([Lane(objective or NonSaturating(), optimiser, seed) for seed in seeds], size, compiled)
    training.advance(iterations)
    return training


def lane(training: Training, index: int) -> list[Tensor]:
    """Everything that one lane has: weights, optimiser states, whether it lives."""
    return [leaf[index] for leaf in pytree.tree_leaves(training.state)]


def same_bits(a: list[Tensor], b: list[Tensor]) -> bool:
    """Whether two lanes are equal to the last bit; NaN equals NaN of the same bits."""
    return all(torch.equal(p, q) or p.numpy().tobytes() == q.numpy().tobytes() for p, q in zip(a, b, strict=True))
