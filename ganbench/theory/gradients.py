"""The generator's gradient at the optimal discriminator: of which divergence it is, by quadrature on the line.

The discriminator is held fixed, as in a generator's step. The truths are derivatives of integrals over the line that
share no code with the losses.

Over 250 lines: the laws of one theme with what each measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganbench.objectives.contract import Batch, Objective
from ganbench.theory.densities import (
    Gaussian,
    Pair,
    integral,
    jsd,
    kl_to_data,
    kl_to_generated,
    kl_to_middle,
    total_variation,
    triangular,
)
from ganbench.theory.discriminator import F_DIVERGENCES, as_probability, family, named, without_optimum
from ganbench.theory.finding import Finding
from ganbench.theory.law import Comparison, Law, Subject

MUS = (0.5, 1.0, 2.0, 4.0)
TABLE: dict[str, tuple[float, ...]] = {
    "minimax": (0.235264, 0.397973, 0.449600, 0.137195),
    "non-saturating": (0.264736, 0.602027, 1.550400, 3.862805),
    "em": (0.25, 0.5, 1.0, 2.0),
    "ml": (0.5, 1.0, 2.0, 4.0),
}
"""Registered name -> gradient in mu of the generator's loss, for N(0, 1) against N(mu, 1)."""

PAIRS = tuple(
    Pair(Gaussian(*r), Gaussian(*g))
    for r, g in (
        ((0.0, 1.0), (1.0, 1.0)),
        ((0.0, 1.0), (0.7, 1.25)),
        ((0.3, 1.2), (-0.5, 1.0)),
        ((1.0, 0.5), (0.6, 0.6)),
    )
)
"""Equal and unequal means and variances; no sd is sqrt 2 times the other: every divergence is finite."""

TRICKS: dict[str, Callable[[Pair], Tensor]] = {
    "kl": kl_to_data,
    "reverse-kl": lambda pair: integral(pair, lambda r, g: (2 * g - r).exp() / 2),
    "pearson": lambda pair: 2 * kl_to_generated(pair),
    "hellinger": lambda pair: integral(pair, lambda r, g: (1.5 * g - 0.5 * r).exp() * 2 / 3),
    "js": lambda pair: kl_to_data(pair) - 2 * jsd(pair),
}
"""What f-gan's generator = "trick" descends: the integral over p_g of -f'(p_r / p_g), up to a constant."""

Truth = Callable[[Objective, Pair, Tensor], Tensor]
"""Objective, pair with p_g to differentiate, E D* at the held optimum -> the divergence whose gradient it is."""


def _minimax(objective: Objective, pair: Pair, accepted: Tensor) -> Tensor:
    return 2 * jsd(pair)


def _non_saturating(objective: Objective, pair: Pair, accepted: Tensor) -> Tensor:
    return kl_to_data(pair) - 2 * jsd(pair)


def _em(objective: Objective, pair: Pair, accepted: Tensor) -> Tensor:
    # with importance weights D/(1-D) = p_r/p_g the bank is a sample of p_r, and D weighs each gradient as in minimax
    return 2 * jsd(pair) if getattr(objective, "weights", "") == "importance" else kl_to_middle(pair) / accepted


def _f_gan(objective: Objective, pair: Pair, accepted: Tensor) -> Tensor:
    table = F_DIVERGENCES if getattr(objective, "generator", "value") == "value" else TRICKS
    return table[str(getattr(objective, "divergence", ""))](pair)


def _least_squares(objective: Objective, pair: Pair, accepted: Tensor) -> Tensor:
    # (D* - c)² = (low + width p_r / (p_r + p_g))², integrated term by term in p_g
    a, b, c = (getattr(objective, name, default) for name, default in (("a", 0.0), ("b", 1.0), ("c", 1.0)))
    low, width = a - c, b - a
    return -low * width * kl_to_middle(pair) - width**2 / 8 * triangular(pair)


def _hinge(objective: Objective, pair: Pair, accepted: Tensor) -> Tensor:
    return 2 * total_variation(pair)


DIVERGENCES: dict[str, Truth] = {
    "minimax": _minimax,
    "non-saturating": _non_saturating,
    "em": _em,
    "ml": lambda objective, pair, accepted: kl_to_generated(pair),
    "f-gan": _f_gan,
    "lsgan": _least_squares,
    "lsgan-sigmoid": _least_squares,
    "hinge": _hinge,
}
"""Registered name -> the divergence whose gradient the generator follows at the optimal discriminator.

Least squares: 2 KL(p_r||m) - triangular / 2 for a = -1, b = 1, c = 0. The Pearson divergence of the paper is that of
the loss with the discriminator following the generator, see `pearson_of_least_squares`.
"""


def without_divergence(subject: Subject) -> str | None:
    """Why the generator's gradient is not known, or None where it is."""
    objective = subject.objective
    if reason := without_optimum(subject):
        return reason
    if family(subject) not in DIVERGENCES:
        return "theory names no divergence for it"
    if objective.hold and (
        getattr(objective, "temperature", 1.0) != 1 or getattr(objective, "prior", "none") != "none"
    ):
        return "a temperature or a prior moves the weights"
    return None


def without_row(subject: Subject) -> str | None:
    """Why the table has no row for a subject, or None where it has."""
    reason = without_divergence(subject)
    if reason is None and (family(subject) not in TABLE or getattr(subject.objective, "weights", "") == "importance"):
        return "the table has no row for it"
    return reason


def gradient(objective: Objective, pair: Pair) -> tuple[float, float]:
    """Of the objective's own g_loss in the mean and in the sd of p_g, the discriminator held at its optimum."""
    D = pair.optimum(objective)
    if as_probability(objective, torch.zeros(1)) is None:
        return _through_weights(objective, pair, D)
    mean, sd = _free(pair)
    b = pair.batch()
    if objective.hold:
        r = b.r * objective.e_step(pair.generator, D, b)
        b = Batch(x=b.x, z=b.z, w=b.w, r=(r / r.sum()).detach())
    loss = objective.g_loss(pair.with_g(mean, sd).generator, D, b)
    return _gradients(loss, mean, sd)


def _through_weights(objective: Objective, pair: Pair, D: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """The same where D* jumps: p_g moves as weights of fixed samples, as no sample sees the slope of a jump."""
    mean, sd = _free(pair)
    v = pair.span()
    r = pair.with_g(mean, sd).g.log_density(v).exp() * (v[1] - v[0])
    w = pair.r.log_density(v).exp() * (v[1] - v[0])
    return _gradients(objective.g_loss(lambda z: z, D, Batch(x=v[:, None], z=v[:, None], w=w, r=r)), mean, sd)


def _free(pair: Pair) -> tuple[Tensor, Tensor]:
    mean, sd = (torch.tensor(float(n), dtype=torch.float64, requires_grad=True) for n in (pair.g.mean, pair.g.sd))
    return mean, sd


def _gradients(loss: Tensor, mean: Tensor, sd: Tensor) -> tuple[float, float]:
    d_mean, d_sd = torch.autograd.grad(loss, (mean, sd))
    return float(d_mean), float(d_sd)


def divergence_gradient(subject: Subject, pair: Pair) -> tuple[float, float]:
    """Of the divergence that theory names, in the mean and in the sd of p_g."""
    accepted = integral(pair, lambda r, g: g.exp() * torch.sigmoid(r - g))
    mean, sd = _free(pair)
    divergence = DIVERGENCES[family(subject)](subject.objective, pair.with_g(mean, sd), accepted)
    return _gradients(divergence, mean, sd)


def rows(subject: Subject) -> Iterator[Comparison]:
    """Gradients in mu beside the table's."""
    for mu, expected in zip(MUS, TABLE[family(subject)], strict=True):
        measured, _ = gradient(subject.objective, Pair(Gaussian(0.0), Gaussian(mu)))
        yield Comparison(expected, measured, 1e-6, about=f"in mu, N(0, 1) against N({mu:g}, 1)")


def by_quadrature(subject: Subject) -> Iterator[Comparison]:
    """Gradients in the mean and in the sd of the generator beside those of the divergence."""
    for pair in PAIRS:
        both = zip(divergence_gradient(subject, pair), gradient(subject.objective, pair), ("mean", "sd"), strict=True)
        for expected, measured, parameter in both:
            # summed over other nodes than the loss; where D* jumps both are sums over the same ones
            tolerance = 1e-6 * max(1.0, abs(expected))
            yield Comparison(expected, measured, tolerance, about=f"in the {parameter}, {named(pair)}")


def without_pearson(subject: Subject) -> str | None:
    """Why the paper's theorem does not hold, or None where it does."""
    if family(subject) != "lsgan":
        return "a theorem on least squares"
    a, b, c = (getattr(subject.objective, name) for name in "abc")
    if (b - c, b - a) != (1.0, 2.0):
        return "b - c = 1 and b - a = 2 are its conditions"
    return without_optimum(subject)


def pearson_of_least_squares(subject: Subject) -> Iterator[Comparison]:
    """The generator's loss on generated and on real samples, at the optimum, beside half the Pearson divergence."""
    objective = subject.objective
    for pair in PAIRS:
        D, b = pair.optimum(objective), pair.batch()
        both = objective.g_loss(pair.generator, D, b) + objective.g_loss(pair.r.at, D, b)
        # (p_r + p_g - 2 p_g)² / (p_r + p_g), the reference measure being p_r + p_g as in the paper
        expected = triangular(pair) / 2
        yield Comparison(float(expected), float(both), 1e-9, about=named(pair))


TABLE_LAW = Law(
    "generator's gradient, table",
    "At the optimal discriminator the generator's gradient in mu, for N(0,1) against N(mu,1), is the table's",
    "Goodfellow et al. 2014, arXiv:1406.2661; Arjovsky and Bottou 2017, arXiv:1701.04862, theorem 2.5; quadrature",
    rows,
    without_row,
)
QUADRATURE = Law(
    "generator's gradient, any Gaussians",
    "With D held at its optimum the generator's gradient is that of the divergence that theory names",
    "Arjovsky and Bottou 2017, arXiv:1701.04862, theorem 2.5; Nowozin et al. 2016, arXiv:1606.00709; derived",
    by_quadrature,
    without_divergence,
)
PEARSON = Law(
    "least squares and Pearson",
    "With b-c=1 and b-a=2 the least-squares loss at D* is the Pearson divergence of p_r+p_g and 2 p_g",
    "Mao et al. 2017, arXiv:1611.04076, theorem 1",
    pearson_of_least_squares,
    without_pearson,
)
LAWS: tuple[Law, ...] = (TABLE_LAW, QUADRATURE, PEARSON)


@dataclass(frozen=True)
class GeneratorGradients(Finding):
    """The generator's gradient in mu at the optimal discriminator, N(0, 1) against N(mu, 1), and the divergence's.

    `mu` (n,) in data units; `measured` and `divergence` (subjects, n), per data unit, in the order of `subjects`.
    """

    source = "Arjovsky and Bottou 2017, arXiv:1701.04862, theorem 2.5"
    laws = LAWS
    subjects = ("minimax", "non-saturating", "em")

    def arrays(self, seed: int) -> dict[str, np.ndarray]:
        from ganbench.theory.subjects import subject

        subjects = [subject(text) for text in self.subjects]
        mus = np.linspace(0.25, 5, 20)
        pairs = [Pair(Gaussian(0.0), Gaussian(float(mu))) for mu in mus]
        return {
            "mu": mus,
            "measured": np.array([[gradient(s.objective, pair)[0] for pair in pairs] for s in subjects]),
            "divergence": np.array([[divergence_gradient(s, pair)[0] for pair in pairs] for s in subjects]),
        }
