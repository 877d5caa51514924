"""f-GAN: any f-divergence through its variational dual, five of them in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganbench.fields import ranged
from ganbench.objectives.contract import Batch, Network, Objective, mean

LOG_2 = 0.6931471805599453

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Divergence:
    """A row of the paper's tables 2 and 6, as functions of D's raw output V.

    `activation` is g_f, increasing in V; `conjugate` is f*(g_f(V)) in one, as the exponential within a logarithm would
    overflow; `optimum` is the V with g_f(V) = f'(p_r / p_g), as a function of log p_r - log p_g.
    """

    activation: Function
    conjugate: Function
    optimum: Function


DIVERGENCES = {
    # f(u) = u log u
    "kl": Divergence(lambda V: V, lambda V: (V - 1).exp(), lambda s: 1 + s),
    # f(u) = -log u
    "reverse-kl": Divergence(lambda V: -(-V).exp(), lambda V: V - 1, lambda s: s),
    # f(u) = (u - 1)^2
    "pearson": Divergence(lambda V: V, lambda V: V.square() / 4 + V, lambda s: 2 * s.expm1()),
    # f(u) = (sqrt(u) - 1)^2
    "hellinger": Divergence(lambda V: -(-V).expm1(), lambda V: V.expm1(), lambda s: s / 2),
    # f(u) = u log u - (u + 1) log((u + 1) / 2)
    "js": Divergence(lambda V: LOG_2 + F.logsigmoid(V), lambda V: F.softplus(V) - LOG_2, lambda s: s),
}


@dataclass(frozen=True)
class FGAN(Objective):
    """D ascends the dual bound E g(V(x)) - E f*(g(V(G(z)))) of the divergence D_f(p_r || p_g), G descends it.

    V is D's raw output and g the output activation that keeps it in the domain of the conjugate f*. At the optimal V
    the value is the divergence: "kl" KL(p_r || p_g), "reverse-kl" KL(p_g || p_r), "pearson" the integral of
    (p_r - p_g)^2 / p_g, "hellinger" that of (sqrt p_r - sqrt p_g)^2. "js" is 2 JSD, as f of the paper's table gives it,
    though the table's integral has half of that: with D = sigmoid(V) it is the game of minimax, its value higher by
    log 4. With generator = "trick" G ascends E g(V(G(z))) instead, section 3.2: non-saturating, less exact.

    >>> import torch
    >>> b = Batch(x=torch.zeros(1, 1), z=torch.zeros(1, 1))
    >>> G, D = (lambda z: z), (lambda v: 1 + v[:, 0])  # the optimum for kl where both densities are equal
    >>> print(f"{FGAN().d_loss(G, D, b):.4f} {FGAN().g_loss(G, D, b):.4f}")
    0.0000 -1.0000
    """

    divergence: str = ranged("kl", choices=tuple(DIVERGENCES))
    generator: str = ranged("value", choices=("value", "trick"))

    source = "Nowozin et al. 2016, arXiv:1606.00709, equation 6, tables 2 and 6, section 3.2"
    formula = "D: max E g(V(x)) - E f*(g(V(G(z))));  G: min -E f*(g(V(G(z)))), by the trick max E g(V(G(z)))"
    year = 2016

    @property
    def functions(self) -> Divergence:
        """The row of the table that the divergence names."""
        return DIVERGENCES[self.divergence]

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        f = self.functions
        return mean(b.r, f.conjugate(D(G(b.z)))) - mean(b.w, f.activation(D(b.x)))

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        f, V = self.functions, D(G(b.z))
        return -mean(b.r, f.conjugate(V) if self.generator == "value" else f.activation(V))

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return self.functions.optimum(log_ratio)
