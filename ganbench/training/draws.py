"""The batches of an ensemble: keyed draws of many steps at once, stacked over the replicas, on the device.

Streams are keyed by replica seed and step, both players' steps counted together: step 17 of a seed sees the same data
and latents whatever the objective, the schedule and the other replicas.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ganbench import streams
from ganbench.streams import STEPS_PER_BLOCK
from ganbench.targets.contract import Target
from ganbench.training import philox


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
        self._block: dict[str, tuple[Tensor, ...]] = {}

    def at(self, step: int) -> dict[str, Tensor]:
        """Fields of one gradient step, each (R, B, ...)."""
        number, offset = divmod(step, STEPS_PER_BLOCK)
        if number != self._number:
            # taken apart once: between two steps, whose data fill the caches, each call of torch is a slow one
            self._block, self._number = {name: v.unbind() for name, v in self._draw(number).items()}, number
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


class CounterDraws:
    """The same fields from a counter-based generator, drawn on the device for one step at a time, without the host.

    Streams are keyed as those of `Draws`, by seed, name and step, and hold other values: NumPy's normal values cannot
    be drawn out of turn. On every device they are equal but for the rounding of logarithms, sines and cosines.
    """

    def __init__(self, seeds: list[int], target: Target, batch: int, latent: int, extra: frozenset[str], device: str):
        self.target = target.to(device)
        d = math.prod(target.shape)
        sizes = {"z": (latent,), "z2": (latent,), "u": ()}
        self.shapes = {name: (batch, *sizes.get(name, (d,))) for name in ("z", *sorted(extra))}
        self.batch, self.device = batch, device
        keys = torch.tensor([_words(f"seed/{seed}", 2) for seed in seeds], dtype=torch.int64, device=device)
        self.keys = keys[:, 0, None], keys[:, 1, None]
        most = max(math.prod(shape) for shape in (*self.shapes.values(), (batch, target.uniforms + target.normals)))
        # a tensor, since a compiler for GPUs takes counted numbers for 32-bit ones, whose products are lost
        self._index = torch.arange(-(-most // philox.WORDS), dtype=torch.int64, device=device)

    def at(self, step: int) -> dict[str, Tensor]:
        """Fields of one gradient step, each (R, B, ...)."""
        return self.drawn(torch.tensor(step, dtype=torch.int64, device=self.device))

    def drawn(self, step: Tensor) -> dict[str, Tensor]:
        """Fields of the step whose number a tensor of shape () holds on the device."""
        u = self._stream("x.uniform", step, (self.batch, self.target.uniforms), philox.uniform)
        normal = self._stream("x.normal", step, (self.batch, self.target.normals), philox.normal)
        fields = {"x": self.target.sample(u, normal)}
        for name, shape in self.shapes.items():
            values = self._stream(name, step, shape, philox.uniform if name == "u" else philox.normal)
            fields[name] = values.reshape(*values.shape[:2], *self.target.shape) if name.startswith("noise") else values
        return fields

    def _stream(self, name: str, step: Tensor, shape: tuple[int, ...], law: Callable[..., Tensor]) -> Tensor:
        count = math.prod(shape)
        index = self._index[: -(-count // philox.WORDS)]
        (stream,) = _words(f"stream/{name}", 1)
        counter = index, step & philox.WORD, (step >> 32) & philox.WORD, torch.full_like(step, stream)
        return law(philox.words(counter, self.keys)).flatten(1)[:, :count].unflatten(1, shape)


def _words(text: str, count: int) -> tuple[int, ...]:
    digest = hashlib.blake2b(text.encode(), digest_size=4 * count).digest()
    return tuple(int.from_bytes(digest[4 * i : 4 * i + 4], "little") for i in range(count))


def latents(seeds: list[int], stream: str, block: int, n: int, latent: int, device: str) -> Tensor:
    """Keyed standard normal latents (R, n, latent) outside training."""
    each = [streams.normal(streams.generator(seed, stream, block), n, latent) for seed in seeds]
    return torch.from_numpy(np.stack(each)).to(device)
