"""EM-style alternation: the latents of one bank are weighted by how real their samples look, then both players step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench.fields import FieldError, Swept, ranged
from ganbench.objectives.contract import Batch, Network, Objective, Step, mean
from ganbench.objectives.minimax import Minimax

# finite, so that a bank wholly outside the box keeps uniform weights instead of becoming NaN
OUTSIDE_THE_BOX = -30.0


@dataclass(frozen=True)
class EM(Minimax):
    """EM-style alternation on the event y = 1, "the discriminator says real", with P(y=1 | z) = D(G(z)).

    The generator's log-likelihood is l = log E_z D(G(z)), z latent. E-step, both players frozen:
    r = softmax(log D(G(z)) / T) over the held bank of B latents; T = 1 is EM, a large T gives the non-saturating loss
    on a held bank. M-step, r frozen: G ascends Q = sum r log D(G(z)), and D the log-likelihood of its labels with
    uniform weights over the bank; one round of steps is repeated `m_steps` times, with fresh real samples at every
    discriminator step. `prior` adds the log weight of a data point inside the softmax: a box of half-width
    `prior_scale`, a Gaussian of that standard deviation around zero, or the target's own density. With
    weights = "importance" D / (1 - D) takes the place of D in the E-step, at the best D the ratio p_r / p_g: the
    importance-weighted GAN of Hu et al. 2018 (arXiv:1706.00550, section 4.1), and none of what follows holds.

    For fixed D and bank and T = 1, the change of l over an M-step is the change of Q plus KL(r_old || r_new), so a step
    that does not lower Q raises l. The players share no likelihood (G takes its samples as y = 1, D labels them 0), so
    the joint procedure has no monotone bound: that is why it is called EM-style. The weights can collapse onto few
    latents; the effective sample size 1 / sum r^2 is recorded.

    >>> b = Batch(x=torch.zeros(2, 1), z=torch.tensor([[0.0], [40.0]]))
    >>> G, D = (lambda z: z), (lambda v: v[:, 0])  # D(G(z)) = 1/2 and 1
    >>> [round(r, 4) for r in EM().e_step(G, D, b).tolist()]
    [0.3333, 0.6667]
    """

    m_steps: int = ranged(1, at_least=1, at_most=1000)
    temperature: Swept = ranged(1.0, above=0)
    prior: str = ranged("none", choices=("none", "box", "gaussian", "target"))
    prior_scale: Swept = ranged(1.0, above=0)
    weights: str = ranged("posterior", choices=("posterior", "importance"))

    hold = True
    source = "Dempster, Laird and Rubin 1977 (EM), applied to the game of Goodfellow et al. 2014, arXiv:1406.2661"
    formula = "E: r = softmax(log D(G(z)) / T);  G: max sum r log D(G(z));  D: max E log D(x) + E log(1 - D(G(z)))"
    year = 2014

    @property
    def needs_target(self) -> bool:  # type: ignore[override]  # a class attribute where it is constant
        return self.prior == "target"

    def bind(self, target: Any) -> Objective:
        """The same objective knowing its target. Raises FieldError where the prior is a density that is not known."""
        if self.needs_target and not hasattr(target, "log_density"):
            raise FieldError("prior", 'the density of this target is not known; use "none", "box" or "gaussian"')
        return super().bind(target)

    def schedule(self) -> tuple[Step, ...]:
        return super().schedule() * self.m_steps

    def e_step(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        v = G(b.z)
        # log D / (1 - D) is the logit itself
        log_weight = F.logsigmoid(D(v)) if self.weights == "posterior" else D(v)
        return torch.softmax(log_weight / self.temperature + self.log_prior(v), dim=0)

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(b.w, F.logsigmoid(D(b.x))) - F.logsigmoid(-D(G(b.z))).mean()

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(b.r, F.logsigmoid(D(G(b.z))))

    def log_prior(self, v: Tensor) -> Tensor | float:
        """Log weight of each data point, or of each pack of them (B,), up to a constant."""
        match self.prior:
            case "none":
                return 0.0
            case "box":
                return OUTSIDE_THE_BOX * (v.flatten(1).abs() > self.prior_scale).any(1)
            case "gaussian":
                return -v.flatten(1).square().sum(1) / (2 * self.prior_scale**2)
        # of a pack, the sum over its samples, as for a Gaussian
        each = v.reshape(self.packing * v.shape[0], -1, *v.shape[2:])
        return self.target.log_density(each).reshape(v.shape[0], self.packing).sum(1)
