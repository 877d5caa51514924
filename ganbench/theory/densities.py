"""Gaussians on the line as truths: their quadrature through a batch, and divergences between them, in float64 and nats.

The trapezoid rule converges faster than any power for these integrands.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.objectives.contract import Batch, Objective

Number = float | Tensor

REACH, NODES = 12.0, 4001
STANDARD = torch.linspace(-REACH, REACH, NODES, dtype=torch.float64)
"""Quadrature nodes in standard deviations (4001,)."""


def normal_weights(nodes: Tensor) -> Tensor:
    """Weights of evenly spaced nodes under the standard normal (n,), with sum 1."""
    return torch.softmax(-nodes.square() / 2, 0)


WEIGHTS = normal_weights(STANDARD)


@dataclass(frozen=True)
class Gaussian:
    """N(mean, sd²) on the line; the numbers may be tensors of shape (), so that integrals can be differentiated."""

    mean: Number
    sd: Number = 1.0

    def log_density(self, v: Tensor) -> Tensor:
        """Log of the density at v, of v's shape."""
        log_sd = torch.as_tensor(self.sd, dtype=torch.float64).log()
        return -((v - self.mean) / self.sd).square() / 2 - log_sd - math.log(2 * math.pi) / 2

    def at(self, standard: Tensor) -> Tensor:
        """Points of this Gaussian from points of the standard normal; what a generator of it does with latents."""
        return self.mean + self.sd * standard


@dataclass(frozen=True)
class Pair:
    """What a discriminator compares: data p_r and generated samples p_g, both Gaussian."""

    r: Gaussian
    g: Gaussian

    def log_ratio(self, v: Tensor) -> Tensor:
        """log p_r - log p_g at v, of v's shape."""
        return self.r.log_density(v) - self.g.log_density(v)

    def optimum(self, objective: Objective) -> Callable[[Tensor], Tensor]:
        """The critic (B, 1) -> (B,) that an objective says is its best against this pair."""

        def D(v: Tensor) -> Tensor:
            score = objective.optimal_score(self.log_ratio(v[:, 0]))
            assert score is not None, "a law on optima applies to objectives that know theirs"
            return score

        return D

    def generator(self, z: Tensor) -> Tensor:
        """Latents (B, 1) of the standard normal -> samples of p_g (B, 1)."""
        return self.g.at(z)

    def batch(self, nodes: Tensor = STANDARD, weights: Tensor = WEIGHTS) -> Batch:
        """Nodes in the place of real samples and latents, with their weights."""
        return Batch(x=self.r.at(nodes)[:, None], z=nodes[:, None], w=weights, r=weights)

    def d_batch(self, objective: Objective) -> Batch:
        """The batch for a discriminator's loss: latents of equal weight where the objective holds a bank of them.

        The weights r of a held bank are the E-step's and enter the generator's loss alone.
        """
        b = self.batch()
        return Batch(x=b.x, z=equal_masses(EQUAL_NODES)[:, None], w=b.w) if objective.hold else b

    def span(self) -> Tensor:
        """Evenly spaced points (4001,) that hold all mass of both that float64 can tell from none."""
        reaches = [abs(float(p.mean)) + REACH * float(p.sd) for p in (self.r, self.g)]
        return torch.linspace(-max(reaches), max(reaches), NODES, dtype=torch.float64)

    def central(self, mass: float = 0.99) -> Tensor:
        """The points of the span within the central mass of (p_r + p_g) / 2."""
        v = self.span()
        below = (normal_below((v - self.r.mean) / self.r.sd) + normal_below((v - self.g.mean) / self.g.sd)) / 2
        return v[(below >= (1 - mass) / 2) & (below <= (1 + mass) / 2)]

    def frozen(self) -> Pair:
        """The same pair as numbers without gradient."""
        numbers = ((torch.as_tensor(n, dtype=torch.float64).detach() for n in (p.mean, p.sd)) for p in (self.r, self.g))
        return Pair(*(Gaussian(float(mean), float(sd)) for mean, sd in numbers))

    def with_g(self, mean: Number, sd: Number) -> Pair:
        """The same data against other generated samples."""
        return dataclasses.replace(self, g=Gaussian(mean, sd))


EQUAL_NODES = 20_000


def normal_below(v: Tensor) -> Tensor:
    """The distribution function of the standard normal."""
    return torch.special.ndtr(v)


def equal_masses(n: int) -> Tensor:
    """n points of the standard normal in the middle of equal shares of its mass (n,); an integral is their plain mean.

    The mean of v² is wrong by about 4 / n: the mass of an outermost share ends at infinity.
    """
    return torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)


def integral(pair: Pair, integrand: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The integral over the line of a function of log p_r and log p_g, shape ()."""
    v = pair.frozen().span()
    return integrand(pair.r.log_density(v), pair.g.log_density(v)).sum() * (v[1] - v[0])


def kl_to_generated(pair: Pair) -> Tensor:
    """KL(p_r || p_g)."""
    return integral(pair, lambda r, g: r.exp() * (r - g))


def kl_to_data(pair: Pair) -> Tensor:
    """KL(p_g || p_r)."""
    return integral(pair, lambda r, g: g.exp() * (g - r))


def kl_to_middle(pair: Pair) -> Tensor:
    """KL(p_r || m) with m = (p_r + p_g) / 2."""
    return integral(pair, lambda r, g: r.exp() * (r - torch.logaddexp(r, g) + math.log(2)))


def jsd(pair: Pair) -> Tensor:
    """The Jensen-Shannon divergence, between 0 and log 2."""
    return (kl_to_middle(pair) + kl_to_middle(Pair(pair.g, pair.r))) / 2


def pearson(pair: Pair) -> Tensor:
    """The Pearson chi-squared divergence: the integral of (p_r - p_g)² / p_g."""
    return integral(pair, lambda r, g: (2 * r - g).exp() - 2 * r.exp() + g.exp())


def hellinger(pair: Pair) -> Tensor:
    """The squared Hellinger distance as f-GAN has it: the integral of (sqrt p_r - sqrt p_g)², at most 2."""
    return integral(pair, lambda r, g: ((r / 2).exp() - (g / 2).exp()).square())


def triangular(pair: Pair) -> Tensor:
    """The triangular discrimination: the integral of (p_r - p_g)² / (p_r + p_g), at most 2."""
    return integral(pair, lambda r, g: (r.exp() + g.exp()) * torch.tanh((r - g) / 2).square())


def total_variation(pair: Pair) -> Tensor:
    """Half the integral of |p_r - p_g|, at most 1."""
    return integral(pair, lambda r, g: (r.exp() - g.exp()).abs()) / 2
