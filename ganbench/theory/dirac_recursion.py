"""The truth of the Dirac-GAN: a recursion on plain numbers, its linear part, and the table of radii.

It shares no code with the library's losses, penalties and steps: the losses' derivatives in the score t = psi v are
written out below, and the numbers are those that the subject's fields claim.
"""

from __future__ import annotations

import dataclasses
import decimal
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ganbench.objectives.contract import Objective
from ganbench.objectives.regularisers import R1, R2, Consensus, GradientPenalty, InstanceNoise, WeightClipping
from ganbench.theory.discriminator import family
from ganbench.theory.law import Subject

RATE, ITERATIONS, START = 0.2, 500, (1.0, -1.0)
"""Step size h of both players; theta and psi at the start."""


def sigmoid(t: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-t)."""
    return 1 / (1 + np.exp(-t))


def bump(t: np.ndarray) -> np.ndarray:
    """The sigmoid's slope."""
    return sigmoid(t) * sigmoid(-t)


@dataclass(frozen=True)
class Scores:
    """Slopes and curvatures in a score t of L_D's term on real samples, of its term on generated ones, and of L_G."""

    real: Callable[[np.ndarray], np.ndarray]
    fake: Callable[[np.ndarray], np.ndarray]
    generator: Callable[[np.ndarray], np.ndarray]
    real_2: Callable[[np.ndarray], np.ndarray]
    fake_2: Callable[[np.ndarray], np.ndarray]
    generator_2: Callable[[np.ndarray], np.ndarray]


MINIMAX = Scores(lambda t: -sigmoid(-t), sigmoid, lambda t: -sigmoid(t), bump, bump, lambda t: -bump(t))
NON_SATURATING = dataclasses.replace(MINIMAX, generator=lambda t: -sigmoid(-t), generator_2=bump)
WASSERSTEIN = Scores(
    *(lambda t: -np.ones_like(t), np.ones_like, lambda t: -np.ones_like(t)),
    *(np.zeros_like, np.zeros_like, np.zeros_like),
)
FAMILIES = {
    "minimax": MINIMAX,
    "non-saturating": NON_SATURATING,
    "em": NON_SATURATING,
    "wasserstein-clip": WASSERSTEIN,
    "wasserstein-gp": WASSERSTEIN,
}
"""Registered name -> its losses. All latents give one point, which em weighs equally: it is non-saturating there."""


@dataclass(frozen=True)
class Method:
    """What a subject claims to be: a family with the numbers of its regularisers, each absent at its default."""

    family: str
    clip: float = math.inf
    penalties: tuple[tuple[float, float], ...] = ()  # weight and slope of each gradient penalty
    gamma: float = 0.0  # of R1 and R2 together: on a line both are gamma psi² / 2
    sd: float = 0.0  # of instance noise
    consensus: float = 0.0

    @classmethod
    def of(cls, subject: Subject) -> Method:
        """The method of a subject to which `unknown` has no objection."""
        objective, added = subject.objective, subject.regularisers
        numbers = {f.name: getattr(objective, f.name) for f in dataclasses.fields(objective)}
        penalties = [(r.weight, r.slope) for r in added if isinstance(r, GradientPenalty)]
        if family(subject) == "wasserstein-gp":
            penalties.append((numbers["weight"], numbers["slope"]))
        bounds = [r.bound for r in added if isinstance(r, WeightClipping)]
        return cls(
            family=family(subject),
            clip=min([numbers.get("clip", math.inf), *bounds]),
            penalties=tuple(penalties),
            gamma=sum(r.weight for r in added if isinstance(r, R1 | R2)),
            sd=sum(r.sd for r in added if isinstance(r, InstanceNoise)),
            consensus=sum(r.weight for r in added if isinstance(r, Consensus)),
        )

    def gradients(self, theta: float, psi: float) -> tuple[float, float]:
        """Gradient of G's loss in theta and of D's in psi, penalties included."""
        noise, weights = trapezoid(self.sd)
        scores, real, fake = FAMILIES[self.family], noise, theta + noise
        t = psi * fake
        b, c = scores.fake(t), scores.generator(t)
        of_d = weights @ (scores.real(psi * real) * real + b * fake)
        of_g = weights @ (c * psi)
        # derivatives of both gradients, of which consensus descends the square
        b_2, c_2 = scores.fake_2(t), scores.generator_2(t)
        d_psi = weights @ (scores.real_2(psi * real) * real**2 + b_2 * fake**2)
        d_theta = weights @ (b + b_2 * psi * fake)
        g_psi = weights @ (c + c_2 * psi * fake)
        g_theta = weights @ (c_2 * psi**2)
        # the library's norm: with |psi| in its place radii of the table move by up to 2e-7 relative, as psi crosses 0
        slope = math.hypot(psi, 1e-6)
        penalty = self.gamma * psi + sum(2 * w * (slope - k) * psi / slope for w, k in self.penalties)
        return (
            float(of_g + self.consensus * (of_d * d_theta + of_g * g_theta)),
            float(of_d + self.consensus * (of_d * d_psi + of_g * g_psi) + penalty),
        )

    @property
    def rate(self) -> float:
        """The table's step size, or a smaller one at which stiff penalties do not throw psi about."""
        stiffness = self.gamma + self.consensus + sum(2 * weight for weight, _ in self.penalties)
        return min(RATE, 0.5 / stiffness) if stiffness else RATE

    def path(self, schedule: tuple[str, ...], rate: float, iterations: int) -> np.ndarray:
        """(theta, psi) after 0, 1, ... iterations of a schedule (iterations + 1, 2)."""
        theta, psi = START
        points = [START]
        for _ in range(iterations):
            for step in schedule:
                of_g, of_d = self.gradients(theta, psi)
                if "G" in step:
                    theta -= rate * of_g
                if "D" in step:
                    psi = min(max(psi - rate * of_d, -self.clip), self.clip)
            points.append((theta, psi))
        return np.array(points)


def trapezoid(sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of N(0, sd²) by the trapezoid rule, other ones than the library is given."""
    if sd == 0:
        return np.zeros(1), np.ones(1)
    v = np.linspace(-9, 9, 181)
    weights = np.exp(-(v**2) / 2)
    return sd * v, weights / weights.sum()


def claimed_schedule(objective: Objective) -> tuple[str, ...]:
    """The steps that an objective's fields claim."""
    rounds = getattr(objective, "m_steps", 1)  # a field of em
    if objective.updates == "simultaneous":
        return ("DG",) * rounds
    steps = {"D": ("D",) * objective.d_steps, "G": ("G",) * objective.g_steps}
    return (steps[objective.order[0]] + steps[objective.order[1]]) * rounds


TABLE: dict[Method, dict[str, str]] = {
    Method("minimax"): {"simultaneous": "3.09695", "alternating, G first": "1.42102"},
    Method("non-saturating"): {"simultaneous": ".640207", "alternating, G first": ".283923"},
    Method("wasserstein-clip", clip=1.0): {"simultaneous": "1.002", "alternating, G first": "1.024"},
    Method("wasserstein-gp", penalties=((0.35, 1.0),)): {"simultaneous": "1.80", "alternating, G first": "1.22"},
    Method("minimax", gamma=0.3): {"simultaneous": "2.64e-6", "alternating, G first": "2.30e-7"},
    Method("minimax", gamma=1.0): {"simultaneous": "9.5e-22", "alternating, G first": "7.5e-17"},
    Method("minimax", sd=0.7): {"simultaneous": "5.73e-5", "alternating, G first": "4.00e-6"},
    Method("minimax", consensus=1.0): {"simultaneous": "2.58e-10", "alternating, G first": "1.72e-11"},
}
"""Radii after 500 iterations of rate .2 from (1, -1), to the digits given."""


def half_a_digit(digits: str) -> float:
    """Half of the last digit of a number as it is printed, "1.80" or "2.64e-6"."""
    return 0.5 * 10.0 ** float(decimal.Decimal(digits).as_tuple().exponent) * (1 + 1e-9)


def descent_matrix(method: Method) -> np.ndarray:
    """Derivatives at (0, 0) of the gradients that G and D descend, in (theta, psi) (2, 2).

    With f the losses' f(t) = -log(1 + e^-t), or t for Wasserstein: a = f'(0), and noise brakes psi by 2 |f''(0)| sd².
    """
    a, curvature = (1.0, 0.0) if FAMILIES[method.family] is WASSERSTEIN else (0.5, 0.25)
    M = np.array([[0.0, -a], [a, 2 * curvature * method.sd**2]])
    brake = method.gamma + sum(2 * weight for weight, _ in method.penalties)
    return M + method.consensus * M.T @ M + np.diag([0.0, brake])


def iteration_matrix(method: Method, schedule: tuple[str, ...], rate: float) -> np.ndarray:
    """The linear part of one iteration at (0, 0) (2, 2)."""
    N, whole = descent_matrix(method), np.eye(2)
    for step in schedule:
        moves = np.diag([float("G" in step), float("D" in step)])
        whole = (np.eye(2) - rate * moves @ N) @ whole
    return whole
