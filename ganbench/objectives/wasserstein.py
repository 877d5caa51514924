"""The Wasserstein game under three bounds of the critic's slope: clipping, gradient penalty, spectral norm."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench.fields import Swept, ranged
from ganbench.objectives.contract import Batch, Network, Objective, Regulariser, mean
from ganbench.objectives.regularisers import GradientPenalty, SpectralNorm, WeightClipping


@dataclass(frozen=True)
class Wasserstein(Objective):
    """The critic ascends E D(x) - E D(G(z)), the generator ascends E D(G(z)); D is no probability.

    Under a bound L on the critic's slope the value never exceeds L times the Wasserstein-1 distance. It is a bound, not
    the distance, and is never reported as W1.

    >>> import torch
    >>> b = Batch(x=torch.full((2, 1), 3.0), z=torch.ones(2, 1))
    >>> G, D = (lambda z: z), (lambda v: v[:, 0])
    >>> print(Wasserstein().d_loss(G, D, b).item(), Wasserstein().g_loss(G, D, b).item())
    -2.0 -1.0
    """

    d_steps: int = ranged(5, at_least=1, at_most=1000)

    source = "Arjovsky et al. 2017, arXiv:1701.07875, equations 2 and 3"
    formula = "D: max E D(x) - E D(G(z));  G: max E D(G(z))"
    year = 2017

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return mean(b.r, D(G(b.z))) - mean(b.w, D(b.x))

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(b.r, D(G(b.z)))


@dataclass(frozen=True)
class WassersteinClip(Wasserstein):
    """The Wasserstein game with every parameter of the critic clamped to [-clip, clip] after each of its steps.

    >>> WassersteinClip(clip=0.1).regularisers()
    (WeightClipping(bound=0.1),)
    """

    clip: Swept = ranged(0.01, above=0)

    source = "Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1"
    formula = "D: max E D(x) - E D(G(z)), |parameters| <= c;  G: max E D(G(z))"

    def regularisers(self) -> tuple[Regulariser, ...]:
        return (WeightClipping(self.clip),)


@dataclass(frozen=True)
class WassersteinGP(Wasserstein):
    """The Wasserstein game with a penalty on slopes other than `slope` between real and generated samples.

    The paper states a weight of 10; its code for two-dimensional toys uses .1, which `wasserstein-gp-toy` has.

    >>> WassersteinGP(weight=0.1).regularisers()
    (GradientPenalty(weight=0.1, slope=1.0),)
    """

    weight: Swept = ranged(10.0, at_least=0)
    slope: Swept = ranged(1.0, at_least=0)

    source = "Gulrajani et al. 2017, arXiv:1704.00028, equation 3"
    formula = "D: max E D(x) - E D(G(z)) - weight E (|grad D| - slope)^2;  G: max E D(G(z))"

    def regularisers(self) -> tuple[Regulariser, ...]:
        return (GradientPenalty(self.weight, self.slope),)


@dataclass(frozen=True)
class WassersteinGPToy(WassersteinGP):
    """`wasserstein-gp` with the penalty's weight of .1 that the published code for two-dimensional toys has.

    The paper states 10 and says nothing of another weight for toys.

    >>> WassersteinGPToy().regularisers()
    (GradientPenalty(weight=0.1, slope=1.0),)
    """

    weight: Swept = ranged(0.1, at_least=0)

    source = "Gulrajani et al. 2017, arXiv:1704.00028, equation 3, with the weight of its code (gan_toy.py)"


@dataclass(frozen=True)
class WassersteinSN(Wasserstein):
    """The Wasserstein game with every weight matrix of the critic divided by its largest singular value.

    With activations of slope at most 1 a critic of dense layers has a slope of at most 1. A kernel is flattened to a
    matrix, as in section 4 of the paper, which bounds the slope of a convolution of kernel 4 and stride 2 by 2, of a
    3x3 one by 3 and of a residual block of two such by 10. The paper pairs spectral norm with other losses; this is its
    bound in the Wasserstein game.

    >>> [type(r).__name__ for r in WassersteinSN().regularisers()]
    ['SpectralNorm']
    """

    source = "Miyato et al. 2018, arXiv:1802.05957, equation 8, in the game of arXiv:1701.07875"
    formula = "D: max E D(x) - E D(G(z)), |W|_2 = 1 in each layer;  G: max E D(G(z))"
    year = 2018

    def regularisers(self) -> tuple[Regulariser, ...]:
        return (SpectralNorm(),)
