"""Regularisers that compose with any objective: penalties on slopes, bounded critics, noise on inputs, consensus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganbench.fields import Swept, ranged
from ganbench.objectives.contract import Batch, Network, Objective, Player, Regulariser, mean, norm


@dataclass(frozen=True)
class GradientPenalty(Regulariser):
    """A penalty on slopes of the critic other than `slope`, at points v between real and generated samples.

    With a slope of 0 it is the zero-centred one of Thanh-Tung et al. 2019, arXiv:1902.03984.
    """

    weight: Swept = ranged(10.0, at_least=0)
    slope: Swept = ranged(1.0, at_least=0)

    draws = ("u",)
    source = "Gulrajani et al. 2017, arXiv:1704.00028, equation 3"
    formula = "D: + weight E (|grad f(v)| - slope)^2,  v = u x + (1 - u) G(z)"
    year = 2017

    def d_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor:
        fake = G(b.z).detach()
        u = b.u.reshape(-1, *[1] * (b.x.dim() - 1))
        slopes = gradients(objective.score(G, D, b), u * b.x + (1 - u) * fake)
        return self.weight * mean(b.w, (norm(slopes) - self.slope).square())


@dataclass(frozen=True)
class R1(Regulariser):
    """A zero-centred penalty on the critic's slope at real samples."""

    weight: Swept = ranged(1.0, at_least=0)

    source = "Mescheder et al. 2018, arXiv:1801.04406, equation 9"
    formula = "D: + weight / 2 E |grad f(x)|^2"
    year = 2018

    def d_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor:
        slopes = gradients(objective.score(G, D, b), b.x)
        return self.weight / 2 * mean(b.w, slopes.flatten(1).square().sum(1))


@dataclass(frozen=True)
class R2(Regulariser):
    """A zero-centred penalty on the critic's slope at generated samples."""

    weight: Swept = ranged(1.0, at_least=0)

    source = "Mescheder et al. 2018, arXiv:1801.04406, equation 10"
    formula = "D: + weight / 2 E |grad f(G(z))|^2"
    year = 2018

    def d_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor:
        slopes = gradients(objective.score(G, D, b), G(b.z).detach())
        return self.weight / 2 * mean(b.r, slopes.flatten(1).square().sum(1))


def gradients(score: Network, v: Float[Tensor, "B *d"]) -> Float[Tensor, "B *d"]:
    """The gradient of each sample's score in that sample."""
    # a sample's score depends on no other sample, so the gradient of the sum holds each sample's own gradient
    return torch.func.grad(lambda v: score(v).sum())(v)


@dataclass(frozen=True)
class WeightClipping(Regulariser):
    """Every parameter of the critic clamped to [-bound, bound] after each of its steps."""

    bound: Swept = ranged(0.01, above=0)

    source = "Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1"
    formula = "D: |parameters| <= bound"
    year = 2017

    def project(self, critic: Player) -> Player:
        return critic.with_params({k: p.clamp(-self.bound, self.bound) for k, p in critic.params.items()})


class SpectralNorm(Regulariser):
    """Every weight matrix of the critic divided by its largest singular value.

    Without stored state, see `largest_singular_value`.
    """

    source = "Miyato et al. 2018, arXiv:1802.05957, equation 8"
    formula = "D: |W|_2 = 1 in each layer"
    year = 2018

    def reparametrise(self, critic: Player) -> Player:
        divided = {k: p / largest_singular_value(p.flatten(1)) if p.dim() > 1 else p for k, p in critic.params.items()}
        return critic.with_params(divided)


@dataclass(frozen=True)
class InstanceNoise(Regulariser):
    """Gaussian noise of standard deviation `sd`, in the data's units, on every input of the critic, real or generated.

    The critic so compares the two distributions after the same blur, and their supports overlap.
    """

    sd: Swept = ranged(0.1, at_least=0)

    draws = ("noise", "noise_z", "noise_z2")
    source = "Sønderby et al. 2017, arXiv:1610.04490, section 3; Arjovsky and Bottou 2017, arXiv:1701.04862, section 3"
    formula = "x + sd noise and G(z) + sd noise in the place of x and G(z)"
    year = 2017

    def inputs(self, G: Player, b: Batch) -> tuple[Player, Batch]:
        return Blurred(G, b, self.sd), b.with_x(b.x + self.sd * b.noise)


class Blurred(Player):
    """A generator whose samples of a batch's latents carry noise, the same however often they are asked for."""

    def __init__(self, G: Player, b: Batch, sd: Tensor | float):
        super().__init__(G.module, G.params, G.packing)
        self.generator, self.batch, self.sd = G, b, sd

    def answer(self, v: Tensor) -> Tensor:
        noise = self.batch.noise_z2 if v is getattr(self.batch, "z2", None) else self.batch.noise_z
        return self.generator(v) + self.sd * noise

    def with_params(self, params: Mapping[str, Tensor]) -> Player:
        return Blurred(self.generator.with_params(params), self.batch, self.sd)


@dataclass(frozen=True)
class Consensus(Regulariser):
    """Both players descend half the squared norm of the joint gradient of their unpenalised losses as well.

    The gradient of that norm is exact, through second derivatives. Beside `sn` the joint gradient is in the normalised
    weights, as the losses see them.
    """

    weight: Swept = ranged(1.0, at_least=0)

    source = "Mescheder et al. 2017, arXiv:1705.10461, section 4"
    formula = "D, G: + weight / 2 (|grad_D L_D|^2 + |grad_G L_G|^2)"
    year = 2017

    def d_term(self, objective: Objective, G: Player, D: Player, b: Batch) -> Tensor:  # type: ignore[override]
        grads_d = torch.func.grad(lambda p: objective.d_loss(G, D.with_params(p), b))(D.params)
        grads_g = torch.func.grad(lambda p: objective.g_loss(G.with_params(p), D, b))(G.params)
        return self.weight / 2 * sum(g.square().sum() for g in (*grads_d.values(), *grads_g.values()))

    def g_term(self, objective: Objective, G: Player, D: Player, b: Batch) -> Tensor:  # type: ignore[override]
        return self.d_term(objective, G, D, b)


def largest_singular_value(W: Tensor) -> Tensor:
    """|W v| with v from seven squarings of W'W, that is from 128 power iterations; never above the true value.

    The gradient flows through W alone, v being held, as in the paper. Shape (); a zero matrix gives the square root of
    the smallest normal number, not NaN.
    """
    tiny = torch.finfo(W.dtype).tiny
    if 1 in W.shape:
        return (W.square().sum() + tiny).sqrt()
    W0 = W.detach()
    wide = W.shape[0] < W.shape[1]
    A = W0 @ W0.mT if wide else W0.mT @ W0
    for _ in range(7):
        A = A / (A.diagonal().sum() + tiny)
        A = A @ A
    # where the column of the largest diagonal entry is orthogonal to the leading eigenvector, the second singular value
    # is within a factor n^(1/256) of the first: 1.03 at n = 2,000
    v = A.index_select(1, A.diagonal().argmax().reshape(1)).squeeze(1)
    v = v / (v.square().sum() + tiny).sqrt()
    return (((W.mT if wide else W) @ v).square().sum() + tiny).sqrt()
