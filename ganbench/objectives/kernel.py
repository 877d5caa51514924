"""Games without a critic: the generator descends a distance between two samples that a kernel defines."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganbench.fields import Swept, ranged
from ganbench.objectives.contract import Batch, Network, Objective

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""The bandwidths that are added, in parts of the field."""


@dataclass(frozen=True)
class TwoSample(Objective):
    """The generator alone descends E k(x, x') + E k(v, v') - 2 E k(x, v), with v = G(z), unbiased.

    Means within a sample leave the pairs of a point with itself out. A batch, or with `packing` its number of packs,
    must hold two at least.
    """

    players = ("G",)
    judged = False
    g_step_uses_real = True

    def kernel(self, a: Float[Tensor, "A *d"], b: Float[Tensor, "B *d"]) -> Float[Tensor, "A B"]:
        """k of every pair."""
        raise NotImplementedError  # the contract of this base: every kernel states it

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        x, v = b.x, G(b.z)
        return within(self.kernel(x, x), b.w) + within(self.kernel(v, v), b.r) - 2 * b.w @ self.kernel(x, v) @ b.r

    def value(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return self.g_loss(G, D, b)


@dataclass(frozen=True)
class MMD(TwoSample):
    """The generator descends the squared maximum mean discrepancy under a sum of five Gaussian kernels.

    Their bandwidths are `bandwidth` times 1/4, 1/2, 1, 2 and 4. Li et al. take its root; the square keeps the estimate
    unbiased. It can be negative.

    >>> import torch
    >>> b = Batch(x=torch.tensor([[0.0], [0.0]]), z=torch.tensor([[99.0], [99.0]]))  # no kernel reaches from 0 to 99
    >>> print(MMD().g_loss(lambda z: z, lambda v: v, b).item())
    10.0
    """

    bandwidth: Swept = ranged(1.0, above=0, unit="data units")

    source = "Li et al. 2015, arXiv:1502.02761; Dziugaite et al. 2015, arXiv:1505.03906"
    formula = "G: min E k(x, x') + E k(v, v') - 2 E k(x, v),  k(a, b) = sum_s exp(-|a - b|^2 / (2 s^2)),  v = G(z)"
    year = 2015

    def kernel(self, a: Tensor, b: Tensor) -> Tensor:
        halves = distances(a, b).square() / (2 * self.bandwidth**2)
        return sum((-halves / s**2).exp() for s in SCALES)  # type: ignore[return-value]  # of five tensors


@dataclass(frozen=True)
class Energy(TwoSample):
    """The generator descends the energy distance 2 E|x - v| - E|x - x'| - E|v - v'| of raw samples, v = G(z).

    It is the maximum mean discrepancy of the kernel -|a - b|: what `cramer` does between embeddings, without a critic.

    >>> import torch
    >>> b = Batch(x=torch.tensor([[0.0], [2.0]]), z=torch.tensor([[0.0], [6.0]]))
    >>> print(Energy().g_loss(lambda z: z, lambda v: v, b).item())  # 2 * (0 + 6 + 2 + 4) / 4 - 2 - 6
    -2.0
    """

    source = "Szekely and Rizzo 2013, J. Stat. Plan. Inference 143, equation 2.1; for generators arXiv:1705.10743"
    formula = "G: min 2 E|x - v| - E|x - x'| - E|v - v'|,  v = G(z)"
    year = 2017

    def kernel(self, a: Tensor, b: Tensor) -> Tensor:
        return -distances(a, b)


def distances(a: Float[Tensor, "A *d"], b: Float[Tensor, "B *d"]) -> Float[Tensor, "A B"]:
    """Euclidean distance of every pair; the gradient of a zero distance is zero."""
    # not |a|^2 + |b|^2 - 2 a.b, which would be faster: it cancels where points are near, and the root multiplies that
    return torch.cdist(a.flatten(1), b.flatten(1), compute_mode="donot_use_mm_for_euclid_dist")


def within(k: Float[Tensor, "B B"], weights: Float[Tensor, "B"]) -> Float[Tensor, ""]:
    """Weighted mean of k over the pairs of two different samples."""
    squares = weights.square()
    return (weights @ k @ weights - squares @ k.diagonal()) / (1 - squares.sum())
