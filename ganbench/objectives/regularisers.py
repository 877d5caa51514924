"""Regularisers of the critic's slope: gradient penalty, weight clipping, spectral norm."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.fields import Swept
from ganbench.objectives.contract import Batch, Network, Objective, Player, Regulariser, mean, norm


@dataclass(frozen=True)
class GradientPenalty(Regulariser):
    """weight * E (|grad f(v)| - slope)^2 at v between real and generated samples, f the objective's score.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, equation 3.
    """

    weight: Swept = 10.0
    slope: Swept = 1.0
    draws = ("u",)

    def d_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor:
        fake = G(b.z).detach()
        u = b.u.reshape(-1, *[1] * (b.x.dim() - 1))
        score = objective.score(G, D, b)
        # a sample's score depends on no other sample, so the gradient of the sum holds each sample's own gradient
        slopes = torch.func.grad(lambda v: score(v).sum())(u * b.x + (1 - u) * fake)
        return self.weight * mean(b.w, (norm(slopes) - self.slope).square())


@dataclass(frozen=True)
class WeightClipping(Regulariser):
    """Every parameter of the critic clamped to [-bound, bound] after each of its steps.

    Source: Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1.
    """

    bound: Swept = 0.01

    def project(self, critic: Player) -> Player:
        return critic.with_params({k: p.clamp(-self.bound, self.bound) for k, p in critic.params.items()})


class SpectralNorm(Regulariser):
    """Every weight matrix of the critic divided by its largest singular value.

    Source: Miyato et al. 2018, arXiv:1802.05957, equation 8; without stored state, see `largest_singular_value`.
    """

    def reparametrise(self, critic: Player) -> Player:
        divided = {k: p / largest_singular_value(p.flatten(1)) if p.dim() > 1 else p for k, p in critic.params.items()}
        return critic.with_params(divided)


def largest_singular_value(W: Tensor) -> Tensor:
    """|W v| with v from seven squarings of W'W, that is from 128 power iterations; never above the true value.

    The gradient flows through W alone, v being held, as in the paper. Shape (); a zero matrix gives the square root of
    the smallest normal number, not NaN.
    """
    tiny = torch.finfo(W.dtype).tiny
    if 1 in W.shape:
        return (W.square().sum() + tiny).sqrt()
    W0 = W.detach()
    wide = W.shape[0] < W.shape[1]
    A = W0 @ W0.mT if wide else W0.mT @ W0
    for _ in range(7):
        A = A / (A.diagonal().sum() + tiny)
        A = A @ A
    # the column with the largest diagonal entry cannot be orthogonal to the leading eigenvector
    v = A.index_select(1, A.diagonal().argmax().reshape(1)).squeeze(1)
    v = v / (v.square().sum() + tiny).sqrt()
    return (((W.mT if wide else W) @ v).square().sum() + tiny).sqrt()
