"""What a target is: the distribution to learn, as a map from keyed uniform and normal draws to samples.

Read this first. A target draws nothing itself: `sample` is a pure function of the draws it is given, in torch
operations, so that any device can run it and every objective sees the same data for the same seed.
"""

from __future__ import annotations

import copy
from typing import ClassVar, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganbench import streams

# not typing.Self: checkers that decorate methods at run time cannot resolve it
Kind = TypeVar("Kind", bound="Target")


class Target:
    """A distribution on arrays of shape `shape`; subclasses are frozen dataclasses whose fields a suite can set.

    `uniforms` and `normals` say how many draws of each kind one sample consumes. Tensors that `__post_init__` sets on
    the instance are tables: `to` moves them, and equality and hash, which see fields only, ignore them.
    """

    source: ClassVar[str]
    units: ClassVar[str]
    most_in_snapshot: ClassVar[int] = 500

    @property
    def uniforms(self) -> int:
        """Uniform draws that one sample consumes."""
        raise NotImplementedError  # the contract: every target states it

    @property
    def normals(self) -> int:
        """Standard normal draws that one sample consumes."""
        raise NotImplementedError  # the contract: every target states it

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        raise NotImplementedError  # the contract: every target states it

    @property
    def scale(self) -> float:
        """Root mean squared distance of a sample from the mean, in the target's units."""
        raise NotImplementedError  # the contract: every target states it

    @property
    def modes(self) -> int | None:
        """Number of modes or classes; None where the distribution is one connected piece."""
        return None

    @property
    def rounding(self) -> float:
        """Step to which values are rounded, in the target's units; 0 where they are continuous."""
        return 0.0

    def sample(self, u: Float[Tensor, "*n uniforms"], normal: Float[Tensor, "*n normals"]) -> Float[Tensor, "*n *d"]:
        """What the players see, as a deterministic map of its draws; differentiable in nothing.

        Built of gathers and the four basic operations alone: cosines and their like round differently in vector tails,
        so a sample would depend on how a block of draws was split.
        """
        raise NotImplementedError  # the contract: every target states it

    def to(self: Kind, device: torch.device | str) -> Kind:
        """The same target with its tables on a device."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                object.__setattr__(moved, name, value.to(device))
        return moved

    @property
    def reference_limit(self) -> int | None:
        """Most distinct samples that `reference` and `oracle` can give; None where they never run out."""
        return None

    @property
    def snapshot_samples(self) -> int:
        """Samples in a snapshot: a cloud of points, or a few images; never more than the target can give."""
        limit = self.reference_limit
        return self.most_in_snapshot if limit is None else min(self.most_in_snapshot, limit)

    def reference(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n *d"]:
        """n true samples that metrics compare with, float64; a finite set gives held-out ones without repetition.

        Raises ValueError where n exceeds `reference_limit`.
        """
        u = torch.from_numpy(streams.uniform(rng, n, self.uniforms))
        z = torch.from_numpy(streams.normal(rng, n, self.normals))
        return self.to("cpu").sample(u, z).double().numpy()

    def oracle(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n *d"]:
        """n true samples that a perfect generator would give, float64; a finite set gives its players' half."""
        return self.reference(rng, n)
