"""The Cramér game: an embedding critic, and a generator on the energy distance of two samples."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench.fields import Swept, ranged
from ganbench.objectives.contract import Batch, Network, Objective, Regulariser, mean, norm
from ganbench.objectives.regularisers import GradientPenalty


@dataclass(frozen=True)
class Cramer(Objective):
    """The generator descends the energy distance between embeddings h of real and generated samples.

    With x_g = G(z), x'_g = G(z2) and f(v) = |h(v) - h(x'_g)| - |h(v)| the critic ascends E f(x) - E f(x_g) under a
    penalty on the slope of f. Two caveats (Binkowski et al. 2018, arXiv:1801.01401): this surrogate puts the origin in
    the place of one sample and is blind where the energy distance is not, 0 for a point mass at 0 against one at t; and
    the unbiased sample gradient of the energy distance holds for a fixed h only.

    >>> import torch
    >>> b = Batch(x=torch.full((1, 1), 3.0), z=torch.ones(1, 1), z2=torch.zeros(1, 1))
    >>> G = h = lambda v: v
    >>> print(f"{Cramer().g_loss(G, h, b):.4f} {Cramer().d_loss(G, h, b):.4f}")  # |1-3| + |0-3| - |1-0|
    4.0000 0.0000
    """

    d_steps: int = ranged(5, at_least=1, at_most=1000)
    embedding: int = ranged(16, at_least=2, at_most=4096)
    weight: Swept = ranged(10.0, at_least=0)
    slope: Swept = ranged(1.0, at_least=0)

    draws = ("z2",)
    g_step_uses_real = True
    source = "Bellemare et al. 2017, arXiv:1705.10743, algorithm 1"
    formula = (
        "h: max E f(x) - E f(x_g) - weight E (|grad f| - slope)^2;"
        "  G: min E |h(x_g) - h(x)| + |h(x'_g) - h(x)| - |h(x_g) - h(x'_g)|"
    )
    year = 2017

    def regularisers(self) -> tuple[Regulariser, ...]:
        return (GradientPenalty(self.weight, self.slope),)

    def critic_outputs(self, latent: int) -> int:
        return self.embedding

    def score(self, G: Network, D: Network, b: Batch, /) -> Network:
        anchor = D(G(b.z2))

        def f(v: Tensor) -> Tensor:
            h = D(v)
            return norm(h - anchor) - norm(h)

        return f

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        f = self.score(G, D, b)
        return mean(b.r, f(G(b.z))) - mean(b.w, f(b.x))

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        real, fake, other = D(b.x), D(G(b.z)), D(G(b.z2))
        return mean(b.r, norm(fake - real) + norm(other - real) - norm(fake - other))
