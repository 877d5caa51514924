"""Least squares in the place of cross-entropy: as the paper has it, and as a large study's code does."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.fields import FieldError, Swept, ranged
from ganbench.objectives.contract import Batch, Network, Objective, mean


@dataclass(frozen=True)
class LSGAN(Objective):
    """Least squares on D's raw output: D aims at b on real and a on generated samples, G at c on its own.

    At its optimum D is (b p_r + a p_g) / (p_r + p_g). The defaults a=0, b=c=1 are equation 9, with which the paper
    trains. With b - c = 1 and b - a = 2, as in a=-1, b=1, c=0 of equation 8, E (D(x) - c)^2 + E (D(G(z)) - c)^2 is at
    that D the Pearson divergence of p_r + p_g and 2 p_g. `lsgan-sigmoid` takes the squares of a probability instead.

    Raises FieldError where a equals b.

    >>> import torch
    >>> b = Batch(x=torch.full((1, 1), 3.0), z=torch.full((1, 1), 2.0))
    >>> G, D = (lambda z: z), (lambda v: v[:, 0])
    >>> print(LSGAN().d_loss(G, D, b).item(), LSGAN().g_loss(G, D, b).item())  # (3-1)^2/2 + (2-0)^2/2, (2-1)^2/2
    4.0 0.5
    """

    a: Swept = ranged(0.0)
    b: Swept = ranged(1.0)
    c: Swept = ranged(1.0)

    source = "Mao et al. 2017, arXiv:1611.04076, equations 2 and 9"
    formula = "D: min E (D(x) - b)^2 / 2 + E (D(G(z)) - a)^2 / 2;  G: min E (D(G(z)) - c)^2 / 2"
    year = 2017

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.a == self.b:
            raise FieldError("a", f"found {self.a:g}, as b; expected two codes, or D has nothing to learn; change one")

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return (mean(b.w, (D(b.x) - self.b).square()) + mean(b.r, (D(G(b.z)) - self.a).square())) / 2

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return mean(b.r, (D(G(b.z)) - self.c).square()) / 2

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return self.a + (self.b - self.a) * torch.sigmoid(log_ratio)


class LSGANSigmoid(Objective):
    """Least squares on the sigmoid of D's output, real samples coded 1 and generated ones 0.

    So does the code of Lucic et al. 2018 (arXiv:1711.10337), whose tables say LSGAN; the paper of that name, and
    `lsgan` here, take the raw output. Where D is sure of either side the gradient vanishes, which the raw output's
    does not.

    >>> import torch
    >>> b = Batch(x=torch.zeros(1, 1), z=torch.zeros(1, 1))
    >>> G, D = (lambda z: z), (lambda v: v[:, 0])  # an indifferent discriminator
    >>> print(LSGANSigmoid().d_loss(G, D, b).item(), LSGANSigmoid().g_loss(G, D, b).item())
    0.25 0.125
    """

    source = "Mao et al. 2017, arXiv:1611.04076, equation 9, with the sigmoid of the code of arXiv:1711.10337"
    formula = "D: min E (D(x) - 1)^2 / 2 + E D(G(z))^2 / 2;  G: min E (D(G(z)) - 1)^2 / 2;  D a sigmoid"
    year = 2018

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        # 1 - sigmoid(v) as sigmoid(-v): the difference would round to 0
        return (mean(b.w, torch.sigmoid(-D(b.x)).square()) + mean(b.r, torch.sigmoid(D(G(b.z))).square())) / 2

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return mean(b.r, torch.sigmoid(-D(G(b.z))).square()) / 2

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio
