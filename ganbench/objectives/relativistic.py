"""The paired relativistic game: D judges how much more real one sample is than another."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganbench.objectives.contract import Batch, Network, Objective


class Relativistic(Objective):
    """D ascends E log sigmoid(D(x) - D(G(z))) over pairs of a real and a generated sample, G the same, both swapped.

    The i-th real sample is paired with the i-th latent; a pair's weight is the product of both. Only differences
    count: the best D is log p_r - log p_g up to a constant, so `optimal_score` gives none. With `r1` and `r2` of one
    weight it is the loss of R3GAN (Huang et al. 2024, arXiv:2501.05441).

    >>> import torch
    >>> b = Batch(x=torch.full((1, 1), 7.0), z=torch.full((1, 1), 7.0))  # G's samples look as real as the data
    >>> G, D = (lambda z: z), (lambda v: v[:, 0])
    >>> print(f"{Relativistic().d_loss(G, D, b):.4f} {Relativistic().g_loss(G, D, b):.4f}")
    0.6931 0.6931
    """

    g_step_uses_real = True
    source = "Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4.1 (RSGAN)"
    formula = "D: max E log sigmoid(D(x) - D(G(z)));  G: max E log sigmoid(D(G(z)) - D(x))"
    year = 2018

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return paired(b, F.softplus(D(G(b.z)) - D(b.x)))

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return paired(b, F.softplus(D(b.x) - D(G(b.z))))


def paired(b: Batch, v: Tensor) -> Tensor:
    """Mean over pairs (B,) whose weights are the products of their samples' weights."""
    weights = b.w * b.r
    return (weights * v).sum() / weights.sum()
