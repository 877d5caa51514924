"""The Dirac-GAN of Mescheder et al. 2018 through the whole lift: D(x) = psi x, p_g = delta_theta, data delta_0."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from ganbench.objectives.contract import Objective
from ganbench.objectives.minimax import Minimax, NonSaturating
from ganbench.training.ensemble import Game, lifted
from ganbench.training.optimisers import SGD

WIDTH, BATCH, RATE = 2, 4, 0.2
START = (1.0, -1.0)  # theta, psi; psi is high on real samples


class Point(nn.Module):
    """Latents (B, 1) -> theta (B, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1))

    def forward(self, z: Tensor) -> Tensor:
        return self.weight + 0 * z


class Line(nn.Module):
    """Samples (B, 1) -> psi x (B,)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1))

    def forward(self, v: Tensor) -> Tensor:
        return (v * self.weight).flatten()


@dataclass(frozen=True)
class Dirac:
    """The two networks of the game, one number each."""

    def generator(self, latent: int, shape: tuple[int, ...]) -> nn.Module:
        return Point()

    def critic(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        return Line()


def path(objective: Objective, iterations: int) -> list[tuple[float, float]]:
    """(theta, psi) after 0, 1, 2, ... iterations of plain gradient descent in float64."""
    game = Game(objective, SGD(), Dirac(), None, 1, (1,), BATCH, WIDTH, False, "cpu")
    state, zeros = game.initial_state([3, 4]), torch.zeros(WIDTH, BATCH, 1, dtype=torch.float64)
    state |= {"G": {"weight": zeros[:, :1] + START[0]}, "D": {"weight": zeros[:, :1] + START[1]}}
    rate = torch.full((WIDTH,), RATE, dtype=torch.float64)
    swept = {"objective": {}, "optimiser": {"lr_d": rate, "lr_g": rate}, "regularisers": []}
    fields = {"x": zeros, "z": zeros, "t": zeros[:, 0, 0]}
    points = [START]
    with torch.no_grad():
        for _ in range(iterations):
            for step in objective.schedule():
                state = lifted(game, step, (state, swept, fields))(state, swept, fields)
            points.append((float(state["G"]["weight"][0]), float(state["D"]["weight"][0])))
    return points


def sigmoid(t: float) -> float:
    return 1 / (1 + math.exp(-t))


def test_simultaneous_minimax_spirals_out_by_its_exact_law():
    points = path(Minimax(updates="simultaneous"), 50)
    for (theta, psi), (later_theta, later_psi) in itertools.pairwise(points):
        factor = 1 + RATE**2 * sigmoid(theta * psi) ** 2
        assert later_theta**2 + later_psi**2 == pytest.approx((theta**2 + psi**2) * factor, rel=1e-12)


def test_the_generator_s_step_sees_the_discriminator_before_a_joint_step():
    _, (theta, psi) = path(Minimax(updates="simultaneous"), 1)
    # both from (1, -1): d = sigmoid(-1)
    assert (theta, psi) == pytest.approx((1 - RATE * sigmoid(-1.0), -1 - RATE * sigmoid(-1.0)), rel=1e-12)


def test_an_alternating_discriminator_sees_the_generator_s_new_point():
    _, (theta, psi) = path(Minimax(order="GD"), 1)
    moved = 1 - RATE * sigmoid(-1.0)
    assert theta == pytest.approx(moved, rel=1e-12)
    assert psi == pytest.approx(-1 - RATE * sigmoid(-moved) * moved, rel=1e-12)


# radius after 500 iterations with h = .2 from (1, -1), each checked against a recursion on plain floats
RADII = [
    (Minimax(updates="simultaneous"), 3.09695),
    (Minimax(order="GD"), 1.42102),
    (Minimax(), 1.412598),
    (NonSaturating(updates="simultaneous"), 0.640207),
    (NonSaturating(order="GD"), 0.283923),
]


@pytest.mark.parametrize(("objective", "radius"), RADII)
def test_after_500_iterations_the_radius_is_the_known_one(objective: Objective, radius: float):
    assert math.hypot(*path(objective, 500)[-1]) == pytest.approx(radius, rel=5e-6)
