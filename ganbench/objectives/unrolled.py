"""Unrolled GAN: the generator descends its loss against the discriminator that some steps from here will be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.fields import Swept, ranged
from ganbench.objectives.contract import Batch, Network, Player
from ganbench.objectives.minimax import Minimax


@dataclass(frozen=True)
class Unrolled(Minimax):
    """Minimax whose generator descends V against D after `unroll` gradient steps of D's own on the same batch.

    G's gradient goes through these steps, so that it sees how D will answer. They are plain gradient steps of rate
    `lr_unroll` as in the paper's equation 8, on D's loss without penalties; the paper's code for toys unrolls Adam with
    its moments. D itself takes no step in them. V keeps the term of the real samples, on which the later D depends.

    >>> from torch import nn
    >>> G = Player(nn.Identity(), {})
    >>> linear = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Flatten(0))
    >>> D = Player(linear, {"0.weight": torch.zeros(1, 1)})  # an indifferent discriminator
    >>> b = Batch(x=torch.ones(1, 1), z=-torch.ones(1, 1))
    >>> print(Unrolled(unroll=1, lr_unroll=0.5).ahead(G, D, b).params["0.weight"].item())  # V has a slope of 1
    0.5
    """

    unroll: int = ranged(5, at_least=1, at_most=100)
    lr_unroll: Swept = ranged(0.1, above=0)

    g_step_uses_real = True
    source = "Metz et al. 2017, arXiv:1611.02163, equations 7 to 10"
    formula = "D: max V(G, D);  G: min V(G, D_k),  D_0 = D,  D_{i+1} = D_i + lr_unroll grad_D V(G, D_i),  k = unroll"
    year = 2017

    @property
    def inner_steps(self) -> int:  # type: ignore[override]  # a class attribute where it is constant
        """Gradient steps of D inside one of G."""
        return self.unroll

    def ahead(self, G: Network, D: Player, b: Batch) -> Player:
        """D after its steps, as a function of both players' parameters."""
        for _ in range(self.unroll):
            D0 = D  # a loop's variable is read when the function is called
            slopes = torch.func.grad(lambda p: self.d_loss(G, D0.with_params(p), b))(D.params)  # noqa: B023
            D = D.with_params({k: p - self.lr_unroll * slopes[k] for k, p in D.params.items()})
        return D

    def g_loss(self, G: Network, D: Player, b: Batch, /) -> Tensor:  # type: ignore[override]
        return self.value(G, self.ahead(G, D, b), b)
