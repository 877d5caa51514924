"""The two games of the first GAN paper: one discriminator, two generators' losses."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganbench.objectives.contract import Batch, Network, Objective, mean


class Minimax(Objective):
    """The saturating game: D ascends V(G, D), G descends the same V.

    V(G, D) = E log D(x) + E log(1 - D(G(z))), with D the sigmoid of the discriminator's logit.
    At the optimal discriminator the generator descends 2 JSD - log 4.

    >>> import torch
    >>> b = Batch(x=torch.zeros(2, 1), z=torch.zeros(2, 1))
    >>> G, D = (lambda z: z), (lambda v: 0 * v[:, 0])  # an indifferent discriminator
    >>> print(f"{Minimax().d_loss(G, D, b):.4f} {Minimax().g_loss(G, D, b):.4f}")
    1.3863 -0.6931
    """

    source = "Goodfellow et al. 2014, arXiv:1406.2661, equation 1"
    formula = "D: max E log D(x) + E log(1 - D(G(z)));  G: min E log(1 - D(G(z)))"
    year = 2014

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(b.w, F.logsigmoid(D(b.x))) - mean(b.r, F.logsigmoid(-D(G(b.z))))

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return mean(b.r, F.logsigmoid(-D(G(b.z))))

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio


class NonSaturating(Minimax):
    """The discriminator of minimax against a generator that ascends E log D(G(z)).

    Its gradient does not vanish where D rejects every sample. At the optimal discriminator it equals the gradient of
    KL(p_g || p_r) - 2 JSD (Arjovsky and Bottou 2017, arXiv:1701.04862, theorem 2.5).

    >>> import torch
    >>> b = Batch(x=torch.zeros(2, 1), z=torch.zeros(2, 1))
    >>> G, D = (lambda z: z), (lambda v: 0 * v[:, 0])
    >>> print(f"{NonSaturating().g_loss(G, D, b):.4f}")
    0.6931
    """

    source = "Goodfellow et al. 2014, arXiv:1406.2661, section 3"
    formula = "D: max E log D(x) + E log(1 - D(G(z)));  G: max E log D(G(z))"

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(b.r, F.logsigmoid(D(G(b.z))))
