"""Duality gaps that are known in closed form: the bilinear Dirac game in a box, and Gaussians against their shift."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ganbench.networks.games import Dirac
from ganbench.objectives.contract import Batch, Objective, Player
from ganbench.theory.densities import Gaussian, Pair, jsd
from ganbench.theory.discriminator import accuracy, family
from ganbench.theory.finding import Finding
from ganbench.theory.law import Comparison, Law, Subject

GRNAROVA = "Grnarova et al. 2019, arXiv:1811.05512"

BILINEAR = ("wasserstein-clip", "wasserstein-gp", "wasserstein-sn")
"""Registered names of the game whose value is E D(x) - E D(G(z)), before any bound of the slope."""

LOGISTIC = ("minimax", "non-saturating", "em", "ml")
"""Registered names of objectives whose D ascends E log D(x) + E log(1 - D(G(z)))."""

BOXES = (0.5, 2.0)
"""Half-widths c of the boxes that theta and psi may not leave."""

POINTS = ((0.3, -0.4), (-0.5, 0.0), (0.2, 0.5), (0.0, 0.0))
"""(theta, psi) in both boxes."""

SHIFTS = {0.5: 0.030311, 1.0: 0.111421, 2.0: 0.336831, 4.0: 0.632720}
"""mu -> JSD of N(0, 1) and N(mu, 1), in nats, by quadrature."""


def not_bilinear(subject: Subject) -> str | None:
    """Why the Dirac game of a subject is not the bilinear one, or None where it is."""
    if family(subject) not in BILINEAR:
        return "its value on the Dirac-GAN is not bilinear"
    return "the critic sees packs" if subject.objective.packing > 1 else None


def not_logistic(subject: Subject) -> str | None:
    """Why a subject's value is not that of the first GAN paper, or None where it is."""
    if family(subject) not in LOGISTIC:
        return "its value is not that of the game whose gap is known"
    return "the discriminator sees packs" if subject.objective.packing > 1 else None


def dirac_value(objective: Objective, theta: float, psi: float) -> float:
    """The objective's own value on the Dirac-GAN."""
    zero = torch.zeros(1, 1, dtype=torch.float64)
    G = Player(Dirac().generator(1, (1,)), {"weight": zero[0] + theta})
    D = Player(Dirac().critic((1,), 1), {"weight": zero + psi})
    return float(objective.value(G, D, Batch(x=zero, z=zero)))


def dirac_gap(objective: Objective, theta: float, psi: float, c: float) -> float:
    """The best critic's value against theta less the best generator's against psi, both in [-c, c]."""
    return best_critic(objective, theta, c) - best_generator(objective, psi, c)


def best_critic(objective: Objective, theta: float, c: float) -> float:
    """The largest value against a generator, over 41 points of the box."""
    return max(dirac_value(objective, theta, psi) for psi in np.linspace(-c, c, 41))


def best_generator(objective: Objective, psi: float, c: float) -> float:
    """The smallest value against a critic, over 41 points of the box."""
    return min(dirac_value(objective, theta, psi) for theta in np.linspace(-c, c, 41))


def in_boxes(subject: Subject) -> Iterator[Comparison]:
    """The gap of the Dirac game at points of boxes."""
    for c in BOXES:
        for theta, psi in POINTS:
            expected = c * (abs(theta) + abs(psi))
            measured = dirac_gap(subject.objective, theta, psi, c)
            yield Comparison(expected, measured, 1e-12, about=f"theta={theta:g}, psi={psi:g}, c={c:g}")


def shifted(mu: float) -> Pair:
    """N(0, 1) as data against N(mu, 1)."""
    return Pair(Gaussian(0.0), Gaussian(mu))


def half_value(objective: Objective, pair: Pair, at: Pair) -> float:
    """M = V / 2 of a pair against the discriminator that is best for another."""
    return float(objective.value(pair.generator, at.optimum(objective), pair.d_batch(objective))) / 2


def of_shifts(subject: Subject) -> Iterator[Comparison]:
    """max_D M for shifted Gaussians, and the gap against discriminators of other shifts, which JSD bounds below."""
    objective, tolerance = subject.objective, max(accuracy(subject.objective), 1e-6)
    for mu, divergence in SHIFTS.items():
        pair = shifted(mu)
        best = half_value(objective, pair, pair)
        yield Comparison(divergence - math.log(2), best, tolerance, about=f"max_D M, mu={mu:g}")
        for other in (0.0, 1.0, -2.0):
            # the generator that is the data is in its class, so the least M against a D is at most the one there
            against = half_value(objective, shifted(0.0), shifted(other))
            about = f"gap >= JSD, mu={mu:g}, D best for a shift of {other:g}"
            yield Comparison(divergence, best - against, tolerance, ">=", about)


BOX = Law(
    "duality gap, bilinear game",
    "On the Dirac-GAN in a box of half-width c the duality gap of the Wasserstein value is c(|theta|+|psi|)",
    f"{GRNAROVA}; derived",
    in_boxes,
    not_bilinear,
)
SHIFT = Law(
    "duality gap, shifted Gaussians",
    "With M = V/2 the maximum over D is -log 2 + JSD, and no duality gap lies under the JSD",
    f"{GRNAROVA}; Goodfellow et al. 2014, arXiv:1406.2661, theorem 1",
    of_shifts,
    not_logistic,
)
LAWS: tuple[Law, ...] = (BOX, SHIFT)


@dataclass(frozen=True)
class DualityGaps(Finding):
    """Known duality gaps: of the bilinear game over the box [-1, 1]², and of Gaussians against their shift.

    `grid` (9,) of theta and psi and `gap` (9, 9) at (grid[i], grid[j]); `mu` (n,) in data units with `maximum`, the
    maximum of M = V/2 over D plus log 2, and `jsd`, both (n,) in nats.
    """

    source = GRNAROVA
    laws = LAWS
    subjects = ("wasserstein-clip", "minimax")

    def arrays(self, seed: int) -> dict[str, np.ndarray]:
        from ganbench.theory.subjects import subject

        bilinear, logistic = (subject(text).objective for text in self.subjects)
        grid, mu = np.linspace(-1, 1, 9), np.linspace(0, 4, 17)
        pairs = [shifted(float(shift)) for shift in mu]
        return {
            "grid": grid,
            "gap": np.subtract.outer(
                [best_critic(bilinear, theta, 1.0) for theta in grid],
                [best_generator(bilinear, psi, 1.0) for psi in grid],
            ),
            "mu": mu,
            "maximum": np.array([half_value(logistic, pair, pair) + math.log(2) for pair in pairs]),
            "jsd": np.array([float(jsd(pair)) for pair in pairs]),
        }
