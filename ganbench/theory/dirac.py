"""The Dirac-GAN: data at 0, a generator at theta, the critic D(x) = psi x, trained by the library's own loop.

Its truth, which shares no code with the library, stands in `dirac_recursion.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganbench.networks.games import Dirac
from ganbench.networks.parameters import Parameters
from ganbench.objectives.contract import Objective, Regulariser
from ganbench.objectives.regularisers import R1, R2, Consensus, GradientPenalty, InstanceNoise, WeightClipping
from ganbench.targets.mixtures import Gaussian1D
from ganbench.theory.dirac_recursion import (
    FAMILIES,
    ITERATIONS,
    RATE,
    START,
    TABLE,
    Method,
    claimed_schedule,
    half_a_digit,
    iteration_matrix,
)
from ganbench.theory.discriminator import family
from ganbench.theory.finding import Finding
from ganbench.theory.law import Comparison, Law, Subject
from ganbench.training.ensemble import Game, lane, one_step
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import SGD

MESCHEDER = "Mescheder et al. 2018, arXiv:1801.04406"

NODES, WIDEST = 64, 1.5
"""Gauss-Hermite nodes of instance noise, and the largest standard deviation that they resolve to nine digits."""

UPDATES: dict[str, dict[str, Any]] = {
    "simultaneous": {"updates": "simultaneous"},
    "alternating, G first": {"updates": "alternating", "order": "GD"},
    "alternating, D first": {"updates": "alternating", "order": "DG"},
}


def unknown(subject: Subject) -> str | None:
    """Why a subject's losses on this game are not written down here, or None where they are."""
    known = (R1, R2, GradientPenalty, WeightClipping, InstanceNoise, Consensus)
    if family(subject) not in FAMILIES:
        return "its losses on the Dirac-GAN are not stated"
    if subject.objective.packing > 1:
        return "the discriminator sees packs"
    if other := [type(r).__name__ for r in subject.regularisers if not isinstance(r, known)]:
        return f"{other[0]} is not stated on the Dirac-GAN"
    if subject.objective.hold and Method.of(subject).sd > 0:
        return "the weights of a bank are none of a quadrature"
    if Method.of(subject).sd > WIDEST:
        return f"noise beyond a standard deviation of {WIDEST} needs more nodes"
    return None


class Nodes:
    """The same fields in every step of every lane: data and latents at 0, Gauss-Hermite nodes where there is noise."""

    def __init__(self, lanes: int, noisy: bool):
        v, weights = np.polynomial.hermite_e.hermegauss(NODES if noisy else 1)
        nodes, zeros = torch.from_numpy(v)[:, None], torch.zeros(len(v), 1, dtype=torch.float64)
        share = torch.from_numpy(weights / weights.sum())
        noise = dict.fromkeys(("noise", "noise_z", "noise_z2"), nodes) if noisy else {}
        fields = {"x": zeros, "z": zeros, "z2": zeros, "u": zeros[:, 0], "w": share, "r": share, **noise}
        self.fields = {name: v.expand(lanes, *v.shape) for name, v in fields.items()}

    def at(self, step: int) -> dict[str, Tensor]:
        """Fields by name (R, B, ...)."""
        return self.fields


def training(objective: Objective, added: tuple[Regulariser, ...], rates: tuple[float, ...]) -> Training:
    """The game in training from `START`, a lane for each rate, in float64."""
    game = Game(
        objective=objective,
        optimiser=SGD(),
        network=Dirac(*START),
        target=None,
        latent=1,
        shape=(1,),
        batch=NODES,
        width=len(rates),
        compiled=False,
        device="cpu",
        precision="fp64",
        regularisers=added,
    )
    lanes = [Lane(objective, SGD(rate, rate), 0, added) for rate in rates]
    noisy = "noise" in objective.with_added(added).all_draws()
    return Training(game, lanes, Gaussian1D(), draws=Nodes(len(rates), noisy))


def trained_path(trained: Training, iterations: int) -> np.ndarray:
    """(theta, psi) of every lane after 0, 1, ... iterations (R, iterations + 1, 2)."""
    points = [position(trained.state)]
    for i in range(iterations):
        trained.advance(i + 1)
        points.append(position(trained.state))
    return torch.stack(points, 1).numpy()


def position(state: dict) -> Tensor:
    """(theta, psi) of a state (..., 2)."""
    return torch.cat([state["G"]["weight"], state["D"]["weight"].flatten(-2)], dim=-1)


def with_updates(subject: Subject, updates: str) -> Objective:
    """The subject's objective with one step of each player in an order of `UPDATES`."""
    rounds = {"m_steps": 1} if hasattr(subject.objective, "m_steps") else {}
    return dataclasses.replace(subject.objective, **{"d_steps": 1, "g_steps": 1, **rounds, **UPDATES[updates]})


def radii(subject: Subject) -> Iterator[Comparison]:
    """Distances from the equilibrium after some iterations, of training, of the recursion and of the table."""
    method = Method.of(subject)
    rates = (method.rate, method.rate / 2)
    ways = {way: (with_updates(subject, way), n) for way, n in LENGTHS.items()}
    if len(given := claimed_schedule(subject.objective)) > 2:
        ways["as given"] = subject.objective, max(1, AS_GIVEN // len(given))
    for way, (objective, iterations) in ways.items():
        trained = training(objective, subject.regularisers, rates)
        trained.advance(iterations)
        measured = position(trained.state).norm(dim=1).tolist()
        for rate, radius in zip(rates, measured, strict=True):
            expected = float(np.linalg.norm(method.path(claimed_schedule(objective), rate, iterations)[-1]))
            about = f"recursion, {way}, h={rate:g}, {iterations} iterations"
            tolerance = 1e-6 * expected + 1e-15 * (method.sd > 0)  # noise: terms of size 1 cancel to their rounding
            yield Comparison(expected, radius, tolerance, about=about)
        if (digits := TABLE.get(method, {}).get(way)) and iterations == ITERATIONS:
            yield Comparison(float(digits), measured[0], half_a_digit(digits), about=f"table, {way}")


LENGTHS = {"simultaneous": ITERATIONS, "alternating, G first": ITERATIONS, "alternating, D first": 100}
"""Iterations of each order; the table has none with D first."""
AS_GIVEN = 300
"""Steps of an objective's own schedule, where that has more than one of each player."""


def without_moduli(subject: Subject) -> str | None:
    """Why an iteration has no known linear part at the equilibrium, or None where it has."""
    if reason := unknown(subject):
        return reason
    return "its penalty has a kink" if any(slope > 0 for _, slope in Method.of(subject).penalties) else None


def one_iteration(trained: Training) -> Callable[[Tensor], Tensor]:
    """(theta, psi) (2,) -> (theta, psi) after one iteration of the library's steps, in the first lane."""
    game, schedule = trained.game, trained.game.objective.schedule()
    codes = {step: one_step(game, step) for step in dict.fromkeys(schedule)}
    state, swept = lane(trained.state, 0), lane(trained.swept, 0)
    fields = lane({**trained._draws.at(0), "t": torch.ones(game.width, dtype=torch.float64)}, 0)

    def run(point: Tensor) -> Tensor:
        G, D = Parameters.joined({"weight": point[:1]}), Parameters.joined({"weight": point[1:, None]})
        now = {**state, "G": G, "D": D}
        for step in schedule:
            now = codes[step](now, swept, fields)
        return position(now)

    return run


def moduli(subject: Subject) -> Iterator[Comparison]:
    """Moduli of the eigenvalues of one iteration at the equilibrium, by differentiating the library's own steps."""
    method = Method.of(subject)
    for updates in UPDATES:
        objective = with_updates(subject, updates)
        run = one_iteration(training(objective, subject.regularisers, (RATE, RATE)))
        jacobian = torch.func.jacrev(run)(torch.zeros(2, dtype=torch.float64)).numpy()
        expected = np.linalg.eigvals(iteration_matrix(method, claimed_schedule(objective), RATE))
        pairs = zip(sorted(np.abs(expected)), sorted(np.abs(np.linalg.eigvals(jacobian))), strict=True)
        for size, (modulus, measured) in zip(("smaller", "larger"), pairs, strict=True):
            # a double eigenvalue moves by the root of a rounding error
            yield Comparison(float(modulus), float(measured), 1e-6, about=f"{size} modulus, {updates}")


RADII = Law(
    "dirac-gan, radius",
    "After up to 500 iterations the distance from the Dirac-GAN's equilibrium is that of a recursion on plain numbers",
    f"{MESCHEDER}, section 3; radii of the table by recursion",
    radii,
    unknown,
)
MODULI = Law(
    "dirac-gan, eigenvalues",
    "The eigenvalues of one iteration at the equilibrium of the Dirac-GAN have the moduli that theory derives",
    f"{MESCHEDER}, sections 2 and 3; consensus: Mescheder et al. 2017, arXiv:1705.10461",
    moduli,
    without_moduli,
)
LAWS: tuple[Law, ...] = (RADII, MODULI)

GRID = np.linspace(-2, 2, 17)


@dataclass(frozen=True)
class DiracPortraits(Finding):
    """Phase portraits of the Dirac-GAN, each subject simultaneous beside alternating, G first, at a rate of .2.

    `trajectories` (subjects, 2, 501, 2): (theta, psi) after 0, 1, ... iterations from (1, -1). `grid` (17,) and `flow`
    (subjects, 17, 17, 2): where a small joint step leads from (grid[i], grid[j]), over its size, in (theta, psi).
    """

    source = f"{MESCHEDER}, section 3"
    laws = LAWS
    subjects = (
        "minimax",
        "non-saturating",
        "wasserstein-clip[clip=1]",
        "wasserstein-gp[weight=.35]",
        "minimax + r1[weight=.3]",
        "minimax + r1[weight=1]",
        "minimax + r2[weight=1]",
        "minimax + instance-noise[sd=.7]",
        "minimax + consensus[weight=1]",
    )

    def arrays(self, seed: int) -> dict[str, np.ndarray]:
        from ganbench.theory.subjects import subject

        subjects = [subject(text) for text in self.subjects]
        ways = ("simultaneous", "alternating, G first")
        return {
            "trajectories": np.array([[portrait(s, way) for way in ways] for s in subjects]),
            "grid": GRID,
            "flow": np.array([flow(s) for s in subjects]),
        }


def portrait(subject: Subject, updates: str) -> np.ndarray:
    """(theta, psi) along training (501, 2)."""
    return trained_path(training(with_updates(subject, updates), subject.regularisers, (RATE, RATE)), ITERATIONS)[0]


def flow(subject: Subject) -> np.ndarray:
    """Moves of one joint step over its size on the grid (17, 17, 2)."""
    run = one_iteration(training(with_updates(subject, "simultaneous"), subject.regularisers, (RATE, RATE)))
    points = torch.cartesian_prod(torch.from_numpy(GRID), torch.from_numpy(GRID))
    moved = torch.func.vmap(run)(points)
    return ((moved - points) / RATE).reshape(len(GRID), len(GRID), 2).detach().numpy()
