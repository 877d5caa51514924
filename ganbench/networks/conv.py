"""Convolutional generators and critics for images: a plain one after DCGAN and a small residual one.

Every convolution is written as a matrix product over gathered windows, with the channels last inside the network.
Under `vmap` the products of all replicas become one batched product. On a CPU, compiled, 64 images of 8x8 at width 16,
that took .45 ms per replica and iteration, against 1.6 ms for torch's convolutions under `vmap` and 2.8 ms for them in
a loop; suites/peers/conv_strategies.py measures it. At 28x28 a loop over the replicas is the faster: 18 ms, 23 under
`vmap`, 29 in the plain loop with torch's convolutions. Eager, without a compiler, torch's are the faster at that size.

Where spectral norm divides a kernel, flattened to a matrix, by its largest singular value, the slope of a convolution
of stride 2 is at most 2 and of a 3x3 one at most 3, not 1: a pixel lies in 4 or 9 windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganbench.fields import FieldError, ranged
from ganbench.networks.mlp import ACTIVATIONS, BatchStats

SMALLEST, LEAST_STAGES = 4, 2
"""Sides of 8 pixels and more are halved, smaller ones only where there are fewer stages: an 8x8 image has two."""

ROWS = 1024
"""Images whose windows are gathered at once: they fill up to 16 times the memory of the images."""

SLOPES: dict[str, Callable[[], nn.Module]] = {**ACTIVATIONS, "leaky-relu": partial(nn.LeakyReLU, 0.2)}
"""The activations of `mlp`, but leaky-relu has DCGAN's slope of .2."""


@dataclass(frozen=True)
class Conv:
    """Convolutions of stride 2 while both sides are even, from 8x8 to 2x2, 28x28 to 7x7, 32x32 and 64x64 to 4x4.

    `width` counts the channels next to the image; each halving doubles them. The generator ends in tanh: images lie in
    [-1, 1]. `batch_stats` normalises the generator's hidden layers, per channel; the critic has none: a penalty needs
    scores of single samples.
    Source: Radford et al. 2016, arXiv:1511.06434, without running statistics and without normalisation in the critic.
    """

    width: int = ranged(16, at_least=1, at_most=4096)
    activation: str = ranged("leaky-relu", choices=tuple(SLOPES))
    batch_stats: bool = False

    def inapplicable(self, shape: tuple[int, ...]) -> str | None:
        """Why the network cannot be made for samples of a shape, or None where it can."""
        if len(shape) != 3:
            return f"convolutions need images (channels, height, width), found samples of shape {shape}; use mlp"
        if halvings(shape) == 0:
            return (
                f"convolutions of stride 2 need sides that are even and at least {SMALLEST}, found images of"
                f" {shape[1]}x{shape[2]} pixels; use mlp or resize the images"
            )
        return None

    def generator(self, latent: int, shape: tuple[int, ...]) -> nn.Module:
        """Latents (B, latent) -> images (B, *shape) in [-1, 1]. Raises FieldError where the shape is no image's."""
        widths, height, breadth = self._stages(shape)
        channels = widths[-1]
        layers = [nn.Linear(latent, height * breadth * channels), nn.Unflatten(1, (height, breadth, channels))]
        for wide, narrow in zip(widths[::-1], [*widths[-2::-1], shape[0]], strict=True):
            layers += [*self._between(wide, self.batch_stats), Doubling(wide, narrow)]
        return nn.Sequential(*layers, ChannelsFirst(), nn.Tanh())

    def critic(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Images (B, *shape) -> (B, outputs), or (B,) where outputs is 1. Raises FieldError as the generator does."""
        widths, height, breadth = self._stages(shape)
        layers: list[nn.Module] = [ChannelsLast()]
        for narrow, wide in zip([shape[0], *widths[:-1]], widths, strict=True):
            layers += [Halving(narrow, wide), *self._between(wide, False)]
        layers += [nn.Flatten(1), nn.Linear(height * breadth * widths[-1], outputs)]
        return nn.Sequential(*layers, *([nn.Flatten(0)] if outputs == 1 else []))

    def _between(self, channels: int, batch_stats: bool) -> list[nn.Module]:
        """What stands between two convolutions of stride 2."""
        return [*([BatchStats(channels)] if batch_stats else []), SLOPES[self.activation]()]

    def _stages(self, shape: tuple[int, ...]) -> tuple[list[int], int, int]:
        """Channels from the image inwards, and the sides of the smallest stage."""
        reason = self.inapplicable(shape)
        if reason is not None:
            raise FieldError("shape", reason)
        n = halvings(shape)
        return [self.width * 2**i for i in range(n)], shape[1] >> n, shape[2] >> n


@dataclass(frozen=True)
class ResNet(Conv):
    """`conv` with `blocks` residual blocks of two 3x3 convolutions at every resolution but the image's own.

    Source: He et al. 2016, arXiv:1603.05027 (identity skips, activation first).
    """

    blocks: int = ranged(1, at_least=1, at_most=64)

    def _between(self, channels: int, batch_stats: bool) -> list[nn.Module]:
        around = super()._between
        blocks = (Residual(channels, partial(around, channels, batch_stats)) for _ in range(self.blocks))
        return [*blocks, *around(channels, batch_stats)]


def halvings(shape: tuple[int, ...]) -> int:
    """How often both sides of an image are halved."""
    height, breadth, n = *shape[1:], 0
    while height % 2 == breadth % 2 == 0 and min(height, breadth) >= (SMALLEST if n < LEAST_STAGES else 2 * SMALLEST):
        height, breadth, n = height // 2, breadth // 2, n + 1
    return n


class Windowed(nn.Module):
    """A convolution with channels last: (B, h, w, inputs) -> (B, H, W, outputs), computed in one of two ways."""

    way = "products"

    def __init__(self, outputs: int, *weight: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(*weight))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, v: Float[Tensor, "B h w inputs"]) -> Float[Tensor, "B H W outputs"]:
        if self.way == "torch":
            return self.of_torch(v.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) + self.bias
        if v.shape[0] <= ROWS:
            return self.product(v) + self.bias
        return torch.cat([self.product(part) for part in v.split(ROWS)]) + self.bias

    def product(self, v: Tensor) -> Tensor:
        """Without the bias, as a matrix product over gathered windows."""
        raise NotImplementedError  # the contract: every convolution states it

    def of_torch(self, v: Tensor) -> Tensor:
        """Without the bias, by torch's function; channels first."""
        raise NotImplementedError  # the contract: every convolution states it


class Halving(Windowed):
    """torch's conv2d of kernel 4, stride 2, padding 1; `weight` (outputs, inputs, 4, 4).

    Pixels are first gathered in blocks of 2x2, so that a window is four blocks and its rows are copied in runs.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(outputs, outputs, inputs, 4, 4)

    def product(self, v: Tensor) -> Tensor:
        B, h, w, c = v.shape
        H, W, o = h // 2, w // 2, self.weight.shape[0]
        blocks = F.pad(v, (0, 0, 1, 1, 1, 1)).reshape(B, H + 1, 2, W + 1, 2, c).transpose(2, 3).flatten(3)
        # row 2a + i and column 2b + j of the kernel lie in block (a, b)
        windows = torch.cat([blocks[:, a : a + H, b : b + W] for a in (0, 1) for b in (0, 1)], dim=3)
        kernel = self.weight.reshape(o, c, 2, 2, 2, 2).permute(2, 4, 3, 5, 1, 0).reshape(16 * c, o)
        return (windows.reshape(B * H * W, 16 * c) @ kernel).reshape(B, H, W, o)

    def of_torch(self, v: Tensor) -> Tensor:
        return F.conv2d(v, self.weight, stride=2, padding=1)


class Doubling(Windowed):
    """torch's conv_transpose2d of kernel 4, stride 2, padding 1; entry (c, o, 2a + i, 2b + j) of its weight is ours
    at ((i, j, o), c, a, b), the first three as one index: the fan in of a pixel is then that of a row, 4 inputs.

    Each pixel makes four blocks of 2x2, and blocks that fall on one place are added.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(outputs, 4 * outputs, inputs, 2, 2)

    def product(self, v: Tensor) -> Tensor:
        B, h, w, c = v.shape
        o = self.bias.shape[0]
        kernel = self.weight.permute(1, 2, 3, 0).reshape(c, 16 * o)
        made = (v.reshape(B * h * w, c) @ kernel).reshape(B, h, w, 2, 2, 4 * o)
        placed = [F.pad(made[:, :, :, a, b], (0, 0, b, 1 - b, a, 1 - a)) for a in (0, 1) for b in (0, 1)]
        blocks = (placed[0] + placed[1] + placed[2] + placed[3]).reshape(B, h + 1, w + 1, 2, 2, o)
        return blocks.transpose(2, 3).reshape(B, 2 * h + 2, 2 * w + 2, o)[:, 1:-1, 1:-1]

    def of_torch(self, v: Tensor) -> Tensor:
        c, o = v.shape[1], self.bias.shape[0]
        kernel = self.weight.reshape(2, 2, o, c, 2, 2).permute(3, 2, 4, 0, 5, 1).reshape(c, o, 4, 4)
        return F.conv_transpose2d(v, kernel, stride=2, padding=1)


class Mixing(Windowed):
    """torch's conv2d of kernel 3, stride 1, padding 1; `weight` (channels, channels, 3, 3)."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, channels, 3, 3)

    def product(self, v: Tensor) -> Tensor:
        B, h, w, c = v.shape
        padded = F.pad(v, (0, 0, 1, 1, 1, 1))
        windows = torch.cat([padded[:, a : a + h, b : b + w] for a in range(3) for b in range(3)], dim=3)
        kernel = self.weight.permute(2, 3, 1, 0).reshape(9 * c, c)
        return (windows.reshape(B * h * w, 9 * c) @ kernel).reshape(B, h, w, c)

    def of_torch(self, v: Tensor) -> Tensor:
        return F.conv2d(v, self.weight, padding=1)


class Residual(nn.Module):
    """v plus a branch of two 3x3 convolutions, each after what `around` makes; without the branch the identity."""

    def __init__(self, channels: int, around: Callable[[], list[nn.Module]]):
        super().__init__()
        self.branch = nn.Sequential(*around(), Mixing(channels), *around(), Mixing(channels))

    def forward(self, v: Float[Tensor, "B h w c"]) -> Float[Tensor, "B h w c"]:
        return v + self.branch(v)


class ChannelsLast(nn.Module):
    """(B, c, h, w) -> (B, h, w, c)."""

    def forward(self, v: Float[Tensor, "B c h w"]) -> Float[Tensor, "B h w c"]:
        return v.permute(0, 2, 3, 1)


class ChannelsFirst(nn.Module):
    """(B, h, w, c) -> (B, c, h, w)."""

    def forward(self, v: Float[Tensor, "B h w c"]) -> Float[Tensor, "B c h w"]:
        return v.permute(0, 3, 1, 2)
