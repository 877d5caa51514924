"""Players and batches in float64 for tests of losses: smooth, small, keyed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganbench.fields import FieldError, build, settable
from ganbench.networks.initialisation import initial_params
from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Batch, Objective, Player
from ganbench.targets.mixtures import Ring8

LATENT, DIMENSION = 3, 2
NETWORK = MLP(width=8, depth=2, activation="softplus")


OF_THE_SCHEDULE = ("updates", "order")


def variants(cls: type[Objective]) -> dict[str, Objective]:
    """Name -> objective: the class by its defaults, with each choice that its losses have, and in packs of two."""
    given = [{}, {"packing": 2}]
    for name, field in settable(cls).items():
        if name not in OF_THE_SCHEDULE:
            given += [{name: choice} for choice in field.metadata.get("choices") or () if choice != field.default]
    return {
        f"{cls.__name__}{''.join(f'-{v}' for v in values.values())}": objective.bind(Ring8())
        for values in given
        if (objective := accepted(cls, values)) is not None
    }


def accepted(cls: type[Objective], values: dict[str, Any]) -> Objective | None:
    """The objective with these values, or None where it refuses them."""
    try:
        return build(cls, values)
    except FieldError:
        return None


def players(objective: Objective, seed: int = 0) -> tuple[Player, Player]:
    """Generator and critic of an objective, with the initial weights of a seed; as the losses see them where packed."""
    m = objective.packing
    generator = NETWORK.generator(LATENT, (DIMENSION,))
    critic = NETWORK.critic((m * DIMENSION,), objective.critic_outputs(m * LATENT))
    D = _player(critic, seed, "D") if "D" in objective.players else Player(torch.nn.Identity(), {})
    return _player(generator, seed, "G", m), D


def _player(module: torch.nn.Module, seed: int, name: str, packing: int = 1) -> Player:
    params = initial_params(module, seed, name)
    return Player(module, {k: torch.from_numpy(v).double() for k, v in params.items()}, packing)


def fields(samples: int = 6, seed: int = 0) -> dict[str, Tensor]:
    """Every field of a batch, with weights that differ from sample to sample."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(samples, *shape, generator=rng, dtype=torch.float64)

    return {
        "x": normal(DIMENSION),
        "z": normal(LATENT),
        "z2": normal(LATENT),
        "u": torch.rand(samples, generator=rng, dtype=torch.float64),
        "noise": normal(DIMENSION),
        "noise_z": normal(DIMENSION),
        "noise_z2": normal(DIMENSION),
        "w": normal().softmax(0),
        "r": normal().softmax(0),
        "t": torch.tensor(1.0, dtype=torch.float64),
    }


def batch(samples: int = 6, seed: int = 0) -> Batch:
    """A batch with every field."""
    return Batch(**fields(samples, seed))


def linear(*slopes: float) -> Player:
    """The critic v -> slopes . v in float64, whose one parameter is "0.weight"."""
    module = torch.nn.Sequential(torch.nn.Linear(len(slopes), 1, bias=False), torch.nn.Flatten(0))
    return Player(module, {"0.weight": torch.tensor([slopes], dtype=torch.float64)})


def point(theta: float) -> Player:
    """The generator z -> theta + 0 z of points on the line in float64; theta is its "bias"."""
    params = {"weight": torch.zeros(1, 1, dtype=torch.float64), "bias": torch.tensor([theta], dtype=torch.float64)}
    return Player(torch.nn.Linear(1, 1), params)


def column(*v: float) -> Tensor:
    """Points on the line (B, 1) in float64."""
    return torch.tensor(v, dtype=torch.float64)[:, None]
