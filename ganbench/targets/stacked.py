"""Three single images as the three channels of one: a thousand modes from ten classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganbench import streams
from ganbench.targets.images import Images, digits

CHANNELS = 3


class Stacked(Images):
    """Three independent single images of one channel each, stacked; its modes are the triples of their classes.

    Classes a, b, c of k in the order of the channels are mode a k² + b k + c. Players' stacks are made of the players'
    half, reference ones of the held-out half: neither runs out.
    """

    @property
    def uniforms(self) -> int:
        """Three: each chooses the image of a channel."""
        return CHANNELS

    @property
    def image_shape(self) -> tuple[int, int, int]:
        _, height, width = self.content.images.shape[1:]
        return CHANNELS, height, width

    @cached_property
    def scale(self) -> float:
        return CHANNELS**0.5 * self.content.moments()[1] * self.rounding

    @property
    def modes(self) -> int | None:
        classes = super().modes
        return None if classes is None else classes**CHANNELS

    @property
    def mode_probabilities(self) -> Float[np.ndarray, " modes"] | None:
        p = super().mode_probabilities
        return None if p is None else np.einsum("a,b,c->abc", p, p, p).ravel()

    def singles(self, images: np.ndarray) -> np.ndarray:
        n, channels, height, width = images.shape
        return images.reshape(n * channels, 1, height, width)

    def mode_of(self, classes: Int[np.ndarray, " singles"]) -> Int[np.ndarray, " n"]:
        place = self.content.classes ** np.arange(CHANNELS - 1, -1, -1)
        return classes.reshape(-1, CHANNELS) @ place

    def sample(self, u: Float[Tensor, "*n 3"], normal: Float[Tensor, "*n 0"]) -> Float[Tensor, "*n 3 h w"]:
        return self._stacked(self.players, u)

    def reference(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n 3 h w"]:
        return self._drawn(self.content.held_out, rng, n)

    def oracle(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n 3 h w"]:
        return self._drawn(self.content.players, rng, n)

    def _drawn(self, half: slice, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n 3 h w"]:
        u = torch.from_numpy(streams.uniform(rng, n, CHANNELS))
        return self._stacked(torch.from_numpy(self.content.images[half]), u).double().numpy()

    def _stacked(self, half: Tensor, u: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3 h w"]:
        return torch.cat([self._gathered(half, u[..., channel]) for channel in range(CHANNELS)], dim=-3)


@dataclass(frozen=True)
class StackedDigits(Stacked):
    """Three random 8x8 digits of scikit-learn as the three channels of an image: 1,000 modes, a digit per channel."""

    source: ClassVar[str] = "after stacked MNIST, Metz et al. 2017, arXiv:1611.02163, with the digits of scikit-learn"
    levels: ClassVar[int] = 16

    def __post_init__(self) -> None:
        self.hold(digits())

    @property
    def data_name(self) -> str:
        return "digits"
