"""The hinge game: a discriminator that stops at a margin, and a generator on its raw score."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganbench.objectives.contract import Batch, Network, Objective, mean


class Hinge(Objective):
    """D pushes real samples above 1 and generated ones below -1, and no further; G ascends E D(G(z)).

    At its optimum D is the sign of log p_r - log p_g and its loss 2 - 2 TV(p_r, p_g). That D is flat almost everywhere:
    G's gradient lives on what D has not yet reached.

    >>> import torch
    >>> b = Batch(x=torch.full((1, 1), 3.0), z=torch.full((1, 1), 0.5))
    >>> G, D = (lambda z: z), (lambda v: v[:, 0])
    >>> print(Hinge().d_loss(G, D, b).item(), Hinge().g_loss(G, D, b).item())  # max(0, 1-3) + max(0, 1+.5)
    1.5 -0.5
    """

    source = "Lim and Ye 2017, arXiv:1705.02894; Tran et al. 2017, arXiv:1702.08896; as Miyato et al. 2018,"
    source += " arXiv:1802.05957, equations 16 and 17"
    formula = "D: min E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)));  G: max E D(G(z))"
    year = 2017

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return mean(b.w, F.relu(1 - D(b.x))) + mean(b.r, F.relu(1 + D(G(b.z))))

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(b.r, D(G(b.z)))

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio.sign()
