"""Finite sets of images, split by content into a half that players see and a held-out half that metrics use."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ganbench.targets.contract import Target


class FiniteImages(Target):
    """A finite set of images with integer pixels 0 to `levels`, scaled to [-1, 1] and flattened.

    The images are sorted by the BLAKE2b hash of their bytes: the first half is the players', the next, of the same
    size, is held out, an odd last one is left out. So the split depends on nothing but the images.
    Table: `players` (N, c h w) uint8, gathered on the device. `labels` (N,) are the classes of the players' half.
    """

    units: ClassVar[str] = "half the range from black (-1) to white (1)"
    levels: ClassVar[int]
    image_shape: ClassVar[tuple[int, int, int]]
    players: UInt8[Tensor, "N pixels"]
    labels: Int[np.ndarray, " N"]

    def __post_init__(self) -> None:
        images, labels = self._load()
        players, held_out = halves(images)
        # tables, derived once; the held-out half stays in NumPy, for it never travels to a device
        object.__setattr__(self, "players", torch.from_numpy(images[players]))
        object.__setattr__(self, "labels", labels[players])
        object.__setattr__(self, "held_out_labels", labels[held_out])
        object.__setattr__(self, "_held_out", images[held_out])

    def _load(self) -> tuple[UInt8[np.ndarray, "n pixels"], Int[np.ndarray, " n"]]:
        """All images, flattened, and their class labels."""
        raise NotImplementedError  # the contract of this base: every image set knows where its images are

    @property
    def uniforms(self) -> int:
        """One: it chooses the image."""
        return 1

    @property
    def normals(self) -> int:
        return 0

    @property
    def shape(self) -> tuple[int, ...]:
        return (math.prod(self.image_shape),)

    @property
    def modes(self) -> int:
        return len(np.unique(self.labels))

    @property
    def resolution(self) -> float:
        return 2.0 / self.levels

    @cached_property
    def scale(self) -> float:
        return float(np.sqrt(self.training_set.var(axis=0).sum()))

    @property
    def training_set(self) -> Float[np.ndarray, "N pixels"]:
        """The players' half, float64."""
        return self._scaled(self.players).double().cpu().numpy()

    @property
    def held_out(self) -> Float[np.ndarray, "N pixels"]:
        """The half that no player sees, float64."""
        return self._scaled(torch.from_numpy(self._held_out)).double().numpy()  # type: ignore[attr-defined]

    @property
    def reference_limit(self) -> int:
        """The size of each half."""
        return len(self.players)

    def sample(self, u: Float[Tensor, "*n 1"], normal: Float[Tensor, "*n 0"]) -> Float[Tensor, "*n pixels"]:
        size = len(self.players)
        # the clamp: u just under 1 times the size may round up to it
        chosen = (u[..., 0] * size).long().clamp(max=size - 1)
        return self._scaled(self.players[chosen]).to(u.dtype)

    def reference(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n pixels"]:
        return self._without_repetition(self.held_out, rng, n)

    def oracle(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n pixels"]:
        return self._without_repetition(self.training_set, rng, n)

    def _scaled(self, pixels: UInt8[Tensor, "*n pixels"]) -> Float[Tensor, "*n pixels"]:
        return pixels.to(torch.float32) * (2.0 / self.levels) - 1.0

    def _without_repetition(
        self, half: Float[np.ndarray, "N pixels"], rng: np.random.Generator, n: int
    ) -> Float[np.ndarray, "n pixels"]:
        if n > len(half):
            raise ValueError(
                f"{type(self).__name__}: found n = {n}, expected at most {len(half)}, the distinct images of a half"
            )
        return half[rng.permutation(len(half))[:n]]


@dataclass(frozen=True)
class Digits(FiniteImages):
    """The 1,797 real 8x8 images of handwritten digits that ship with scikit-learn, 898 in each half."""

    source: ClassVar[str] = (
        "UCI, Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), by sklearn.load_digits"
    )
    levels: ClassVar[int] = 16
    image_shape: ClassVar[tuple[int, int, int]] = (1, 8, 8)

    def _load(self) -> tuple[UInt8[np.ndarray, "n pixels"], Int[np.ndarray, " n"]]:
        return _digits()


@lru_cache(maxsize=1)
def _digits() -> tuple[UInt8[np.ndarray, "n 64"], Int[np.ndarray, " n"]]:
    from sklearn.datasets import load_digits  # lazy: a second of imports that no other target needs

    digits = load_digits()
    return digits.data.astype(np.uint8), digits.target.astype(np.int64)


def halves(images: UInt8[np.ndarray, "n pixels"]) -> tuple[Int[np.ndarray, " half"], Int[np.ndarray, " half"]]:
    """Indices of the players' half and of the held-out half, of equal size, in the order of the images' hashes.

    Equal images are neighbours in that order, so at most one group of duplicates can lie in both halves.
    """
    digests = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
    order = np.array(sorted(range(len(images)), key=lambda i: (digests[i], i)), dtype=np.int64)
    half = len(images) // 2
    return order[:half], order[half : 2 * half]
