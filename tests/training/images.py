"""Small ensembles of convolutional replicas on digits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganbench.catalogue import OBJECTIVES
from ganbench.fields import settable
from ganbench.networks.conv import Conv
from ganbench.objectives.contract import Objective
from ganbench.targets.images import Digits, digits
from ganbench.targets.imageset import image_set
from ganbench.training.ensemble import Game, lifted
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import SGD

WIDTH, BATCH, LATENT = 4, 8, 4
"""Their product is a multiple of 32: elsewhere the bits of a lane depend on its neighbours."""
SMALL = Conv(width=4)
DIGITS = Digits()
TRAINED = OBJECTIVES.names()


class Middles(Digits):
    """The 4x4 pixels in the middle of the digits: a convolutional network of one stage compiles in seconds."""

    def __post_init__(self) -> None:
        self.hold(image_set(digits().images[:, :, 2:6, 2:6], None))


def short(name: str, **settings: Any) -> Objective:
    """An objective by name that takes one step of each player and clips no weight that is as it was drawn."""
    cls = OBJECTIVES.load(name)
    return cls(d_steps=1, **({"clip": 1.0} if "clip" in settable(cls) else {}), **settings)


def ensemble(
    seeds: list[int],
    objective: Objective,
    network: Any = SMALL,
    lift: str = "vmap",
    precision: str = "fp32",
    compiled: bool = False,
    convolution: str = "products",
    target: Digits = DIGITS,
) -> Training:
    """Replicas of one objective with these seeds before their first iteration, padded with copies of the first."""
    optimiser = SGD(lr_d=0.01, lr_g=0.01)
    game = Game(
        objective=objective,
        optimiser=optimiser,
        network=network,
        target=target if objective.needs_target else None,
        latent=LATENT,
        shape=target.shape,
        batch=BATCH,
        width=WIDTH,
        compiled=compiled,
        device="cpu",
        lift=lift,
        precision=precision,
        convolution=convolution,
    )
    lanes = [Lane(objective, optimiser, seed) for seed in seeds]
    return Training(game, lanes + lanes[:1] * (WIDTH - len(lanes)), target)


def one_step(training: Training, step: str) -> dict[str, Any]:
    """The state after one step "D", "G" or "DG"; the training stays as it is."""
    example = (training.state, training.swept, training._fields(0, 1))
    with torch.no_grad():
        return lifted(training.game, step, example)(*example)


def weights(training: Training, player: str) -> dict[str, Tensor]:
    """Parameter name -> values, stacked over the replicas."""
    return training.state[player]


def movement(training: Training, step: str) -> Tensor:
    """How far all parameters move in one step, in one row."""
    after = one_step(training, step)
    return torch.cat([(after[p][k] - v).flatten() for p in ("D", "G") for k, v in weights(training, p).items()])


def apart(found: Tensor, expected: Tensor) -> float:
    """The length of the difference, in parts of what is expected."""
    return float((found - expected).norm() / expected.norm())
