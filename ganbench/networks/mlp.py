"""Fully connected generator and critic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganbench.fields import ranged

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


@dataclass(frozen=True)
class MLP:
    """`depth` hidden layers of `width` units; activations of slope at most 1.

    `batch_stats` normalises the generator's hidden layers by the statistics of its batch, without running state; before
    sampling they are taken from a fixed set of latents. The critic has none: a penalty needs scores of single samples.
    """

    width: int = ranged(64, at_least=1, at_most=65_536)
    depth: int = ranged(2, at_least=1, at_most=64)
    activation: str = ranged("relu", choices=tuple(ACTIVATIONS))
    batch_stats: bool = False

    def inapplicable(self, shape: tuple[int, ...]) -> str | None:
        """Why the network cannot be made for samples of a shape, or None where it can."""
        return None

    def generator(self, latent: int, shape: tuple[int, ...]) -> nn.Module:
        """Latents (B, latent) -> samples (B, *shape)."""
        layers = self._hidden(latent, self.batch_stats)
        return nn.Sequential(*layers, nn.Linear(self.width, math.prod(shape)), nn.Unflatten(1, shape))

    def critic(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Samples (B, *shape) -> (B, outputs), or (B,) where outputs is 1."""
        layers = [nn.Flatten(1), *self._hidden(math.prod(shape), False), nn.Linear(self.width, outputs)]
        return nn.Sequential(*layers, *([nn.Flatten(0)] if outputs == 1 else []))

    def _hidden(self, inputs: int, batch_stats: bool) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for i in range(self.depth):
            layers.append(nn.Linear(inputs if i == 0 else self.width, self.width))
            if batch_stats:
                layers.append(BatchStats(self.width))
            layers.append(ACTIVATIONS[self.activation]())
        return layers


class BatchStats(nn.Module):
    """Batch normalisation without running state: statistics of the first `reference` rows, of all rows where that is 0.

    The last axis holds the units or channels; the statistics of a channel are over all its pixels.
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1.
    """

    fixed_start = True

    def __init__(self, width: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.reference = 0

    def forward(self, v: Float[Tensor, "B *pixels width"]) -> Float[Tensor, "B *pixels width"]:
        v = v.to(torch.promote_types(v.dtype, torch.float32))  # bfloat16 has too few digits for a variance
        rows = v[: self.reference] if self.reference else v
        variance, centre = torch.var_mean(rows.flatten(0, -2), dim=0, correction=0)
        return (v - centre) * (variance + 1e-5).rsqrt() * self.gain + self.bias
