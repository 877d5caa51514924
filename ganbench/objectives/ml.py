"""The maximum-likelihood cost: the generator whose gradient at the best discriminator is that of KL(p_r || p_g)."""

from __future__ import annotations

from torch import Tensor

from ganbench.objectives.contract import Batch, Network, mean
from ganbench.objectives.minimax import Minimax


class MaximumLikelihood(Minimax):
    """The discriminator of minimax against a generator that descends -E exp(logit) = -E D / (1 - D).

    At the optimal discriminator, held fixed, its gradient is that of KL(p_r || p_g). A few samples that look real bear
    almost all of it: its variance is large, and a logit of 89 is beyond single precision, which ends the replica.

    >>> import torch
    >>> b = Batch(x=torch.zeros(2, 1), z=torch.zeros(2, 1))
    >>> G, D = (lambda z: z), (lambda v: 0 * v[:, 0])
    >>> print(MaximumLikelihood().g_loss(G, D, b).item())
    -1.0
    """

    source = "Goodfellow 2014, arXiv:1412.6515; as Goodfellow 2016, arXiv:1701.00160, section 3.2.4, without its half"
    formula = "D: max E log D(x) + E log(1 - D(G(z)));  G: max E D(G(z)) / (1 - D(G(z)))"
    year = 2014

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(b.r, D(G(b.z)).exp())
