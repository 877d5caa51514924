"""The batches of an ensemble: keyed draws of many steps at once, stacked over the replicas, on the device.

Streams are keyed by replica seed and step, both players' steps counted together: step 17 of a seed sees the same data
and latents whatever the objective, the schedule and the other replicas.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ganbench import streams
from ganbench.streams import STEPS_PER_BLOCK
from ganbench.targets.contract import Target


class Draws:
    """Batch fields by step number; holds one block of steps at a time. A `prefix` makes streams beside training's."""

    def __init__(
        self,
        seeds: list[int],
        target: Target,
        batch: int,
        latent: int,
        extra: frozenset[str],
        device: str,
        prefix: str = "",
    ):
        self.seeds = seeds
        self.prefix = prefix
        self.target = target.to(device)
        self.device = device
        d = math.prod(target.shape)
        sizes = {"z": (latent,), "z2": (latent,), "u": ()}
        self.shapes = {name: (batch, *sizes.get(name, (d,))) for name in ("z", *sorted(extra))}
        self.batch = batch
        self._number = -1
        self._block: dict[str, Tensor] = {}

    def at(self, step: int) -> dict[str, Tensor]:
        """Fields of one gradient step, each (R, B, ...)."""
        number, offset = divmod(step, STEPS_PER_BLOCK)
        if number != self._number:
            self._block, self._number = self._draw(number), number
        return {name: values[offset] for name, values in self._block.items()}

    def _draw(self, block: int) -> dict[str, Tensor]:
        u = self._stream("x.uniform", block, (self.batch, self.target.uniforms), streams.uniform)
        normal = self._stream("x.normal", block, (self.batch, self.target.normals), streams.normal)
        fields = {"x": self.target.sample(u, normal)}
        for name, shape in self.shapes.items():
            law = streams.uniform if name == "u" else streams.normal
            values = self._stream(name, block, shape, law)
            fields[name] = values.reshape(*values.shape[:3], *self.target.shape) if name.startswith("noise") else values
        return fields

    def _stream(self, name: str, block: int, shape: tuple[int, ...], law) -> Tensor:
        # replicas second: a step's fields are then contiguous
        values = np.empty((STEPS_PER_BLOCK, len(self.seeds), *shape), dtype=np.float32)
        for lane, seed in enumerate(self.seeds):
            values[:, lane] = law(streams.generator(seed, f"{self.prefix}{name}", block), STEPS_PER_BLOCK, *shape)
        return torch.from_numpy(values).to(self.device)


def latents(seeds: list[int], stream: str, block: int, n: int, latent: int, device: str) -> Tensor:
    """Keyed standard normal latents (R, n, latent) outside training."""
    each = [streams.normal(streams.generator(seed, stream, block), n, latent) for seed in seeds]
    return torch.from_numpy(np.stack(each)).to(device)
