"""Players and batches in float64 for tests of losses: smooth, small, keyed."""

from __future__ import annotations

import torch
from torch import Tensor

from ganbench.networks.initialisation import initial_params
from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Batch, Objective, Player

LATENT, DIMENSION = 3, 2
NETWORK = MLP(width=8, depth=2, activation="softplus")


def players(objective: Objective, seed: int = 0) -> tuple[Player, Player]:
    """Generator and critic of an objective, with the initial weights of a seed."""
    generator = NETWORK.generator(LATENT, (DIMENSION,))
    critic = NETWORK.critic((DIMENSION,), objective.critic_outputs(LATENT))
    return _player(generator, seed, "G"), _player(critic, seed, "D")


def _player(module: torch.nn.Module, seed: int, name: str) -> Player:
    params = initial_params(module, seed, name)
    return Player(module, {k: torch.from_numpy(v).double() for k, v in params.items()})


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
        "w": normal().softmax(0),
        "r": normal().softmax(0),
        "t": torch.tensor(1.0, dtype=torch.float64),
    }


def batch(samples: int = 6, seed: int = 0) -> Batch:
    """A batch with every field."""
    return Batch(**fields(samples, seed))
