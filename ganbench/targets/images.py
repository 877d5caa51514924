"""Image targets: what all of them offer to metrics, and finite sets of which players see one half only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ganbench.targets.contract import Target
from ganbench.targets.imageset import ImageSet, image_set


def pixels(samples: Float[np.ndarray, "*n"]) -> UInt8[np.ndarray, "*n"]:
    """Samples in [-1, 1], clipped to it, as grey levels 0 to 255."""
    return np.rint((np.clip(samples, -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)


class Images(Target):
    """A distribution of images (c, h, w) in [-1, 1] that stands on a finite set of single images in two halves.

    A sample consists of one or several single images, which are what a classifier sees. `levels` is the largest grey
    level of the set's integer pixels. Table: `players` (N, c', h, w) uint8, the players' half, gathered on the device.
    """

    units: ClassVar[str] = "half the range from black (-1) to white (1)"
    most_in_snapshot: ClassVar[int] = 64
    levels: ClassVar[int] = 255
    players: UInt8[Tensor, "N c h w"]
    content: ImageSet

    def hold(self, content: ImageSet) -> None:
        """Sets the table and the set behind it; the held-out half stays in NumPy, for it never travels to a device."""
        object.__setattr__(self, "content", content)
        object.__setattr__(self, "players", torch.from_numpy(content.images[content.players]))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a sample."""
        channels, height, width = self.content.images.shape[1:]
        return channels, height, width

    @property
    def shape(self) -> tuple[int, ...]:
        return self.image_shape

    @property
    def normals(self) -> int:
        return 0

    @property
    def rounding(self) -> float:
        return 2.0 / self.levels

    @property
    def data_name(self) -> str:
        """Name of the set of single images, fit for a file's name."""
        raise NotImplementedError  # the contract of this base: every image target states it

    @property
    def sha256(self) -> str:
        """Digest of the single images' and labels' content and shape."""
        return self.content.sha256

    def labelled(self) -> tuple[UInt8[np.ndarray, "N c h w"], Int[np.ndarray, " N"]] | None:
        """All single images of both halves, 0 to 255, and their classes, in a fixed order; None without labels."""
        if self.content.labels is None:
            return None
        images = self.content.images
        return (images if self.levels == 255 else pixels(self._scaled(torch.from_numpy(images)).numpy())), (
            self.content.labels
        )

    def singles(self, images: np.ndarray) -> np.ndarray:
        """The single images (n s, c', h, w) of images (n, c, h, w) of any type: what a classifier classifies."""
        return images

    def mode_of(self, classes: Int[np.ndarray, " singles"]) -> Int[np.ndarray, " n"]:
        """Mode of each image from the classes of its single images."""
        return classes

    @property
    def modes(self) -> int | None:
        """Number of classes, or of combinations of classes; None without labels."""
        return None if self.content.labels is None else self.content.classes

    @property
    def mode_probabilities(self) -> Float[np.ndarray, " modes"] | None:
        """Share of each mode in the players' data; None without labels."""
        if self.content.labels is None:
            return None
        counts = np.bincount(self.content.labels[self.content.players], minlength=self.content.classes)
        return counts / counts.sum()

    @property
    def training_set(self) -> Float[np.ndarray, "N c h w"]:
        """The single images of the players' half, float64."""
        return self._doubles(self.content.images[self.content.players])

    @property
    def held_out(self) -> Float[np.ndarray, "N c h w"]:
        """The single images that no player sees, float64."""
        return self._doubles(self.content.images[self.content.held_out])

    def _scaled(self, grey: UInt8[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return grey.to(torch.float32) * (2.0 / self.levels) - 1.0

    def _doubles(self, grey: UInt8[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        return self._scaled(torch.from_numpy(grey)).double().numpy()

    def _gathered(self, half: UInt8[Tensor, "N c h w"], u: Float[Tensor, "*n"]) -> Float[Tensor, "*n c h w"]:
        """The images of a half that uniform draws choose, gathered as bytes and then scaled."""
        # never rounded up to the size: u ends 2^-24 under 1, and times a size lacks more than half a float's step
        return self._scaled(half[(u * len(half)).long()]).to(u.dtype)


class FiniteImages(Images):
    """A finite set of single images; `reference` and `oracle` give those of a half without repetition."""

    @property
    def uniforms(self) -> int:
        """One: it chooses the image."""
        return 1

    @cached_property
    def scale(self) -> float:
        return self.content.moments()[1] * self.rounding

    @property
    def reference_limit(self) -> int:
        """The size of each half."""
        return self.content.half

    def sample(self, u: Float[Tensor, "*n 1"], normal: Float[Tensor, "*n 0"]) -> Float[Tensor, "*n c h w"]:
        return self._gathered(self.players, u[..., 0])

    def reference(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n c h w"]:
        return self._without_repetition(self.content.held_out, rng, n)

    def oracle(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n c h w"]:
        return self._without_repetition(self.content.players, rng, n)

    def _without_repetition(self, half: slice, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n c h w"]:
        images = self.content.images[half]
        if n > len(images):
            raise ValueError(
                f"{type(self).__name__}: found n = {n}, expected at most {len(images)}, the distinct images of a half"
            )
        return self._doubles(images[rng.permutation(len(images))[:n]])


@dataclass(frozen=True)
class Digits(FiniteImages):
    """The 1,797 real 8x8 images of handwritten digits that ship with scikit-learn, 898 in each half."""

    source: ClassVar[str] = (
        "UCI, Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), by sklearn.load_digits"
    )
    levels: ClassVar[int] = 16

    def __post_init__(self) -> None:
        self.hold(digits())

    @property
    def data_name(self) -> str:
        return "digits"


@lru_cache(maxsize=1)
def digits() -> ImageSet:
    """The digits of scikit-learn with their labels."""
    from sklearn.datasets import load_digits  # lazy: a second of imports that no other target needs

    found = load_digits()
    return image_set(found.images[:, None].astype(np.uint8), found.target.astype(np.int64))
