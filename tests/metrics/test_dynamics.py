"""The diagnostics of training on games whose numbers theory knows: points, lines, parabolas and Gaussians.

Over 300 lines: each diagnostic on games whose numbers theory knows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ganbench import catalogue
from ganbench.metrics.dynamics.contract import Diagnostic, View
from ganbench.metrics.dynamics.critics import CriticSlope, DiscriminatorError
from ganbench.metrics.dynamics.densities import log_ratio
from ganbench.metrics.dynamics.gap import DualityGap
from ganbench.metrics.dynamics.gradients import GeneratorGradientNorm, GradientCosine
from ganbench.metrics.dynamics.jacobian import GameJacobian
from ganbench.networks.mlp import MLP
from ganbench.networks.parameters import Parameters
from ganbench.objectives.contract import Objective, Regulariser
from ganbench.objectives.em import EM
from ganbench.objectives.minimax import Minimax, NonSaturating
from ganbench.objectives.regularisers import R1, Consensus, SpectralNorm
from ganbench.objectives.wasserstein import WassersteinClip
from ganbench.targets.contract import Target
from ganbench.targets.mixtures import Gaussian1D, Ring8
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import SGD, Adam

WIDTH = 2


@dataclass(frozen=True)
class Origin(Target):
    """The distribution that is always 0."""

    @property
    def uniforms(self) -> int:
        return 0

    @property
    def normals(self) -> int:
        return 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (1,)

    def sample(self, u: Tensor, normal: Tensor) -> Tensor:
        return 0 * normal


class Affine(nn.Module):
    """Latents (B, 1) -> mean + sd z (B, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 2))  # mean, standard deviation

    def forward(self, z: Tensor) -> Tensor:
        return self.weight[:, :1] + self.weight[:, 1:] * z


class Point(nn.Module):
    """Latents (B, 1) -> one point (B, 1), held in the box."""

    def __init__(self, box: float) -> None:
        super().__init__()
        self.box = box
        self.weight = nn.Parameter(torch.zeros(1, 1))

    def forward(self, z: Tensor) -> Tensor:
        return self.weight.clamp(-self.box, self.box) + 0 * z


class Line(nn.Module):
    """Samples (B, 1) -> b x (B,)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1))

    def forward(self, v: Tensor) -> Tensor:
        return (v * self.weight).flatten()


class Parabola(nn.Module):
    """Samples (B, 1) -> a + b x + c x^2 (B,)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 3))

    def forward(self, v: Tensor) -> Tensor:
        return (torch.cat([v**0, v, v**2], dim=1) * self.weight).sum(1)


@dataclass(frozen=True)
class Curved:
    """A Gaussian generator and a quadratic critic: five numbers."""

    def generator(self, latent: int, shape: tuple[int, ...]) -> nn.Module:
        return Affine()

    def critic(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        return Parabola()

    def generator_log_density(self, params: dict[str, Tensor], x: Tensor) -> Tensor:
        mean, sd = params["weight"][0]
        return -((x[:, 0] - mean) ** 2) / (2 * sd**2) - sd.log() - 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Dirac:
    """The generator of a point and a linear critic: two numbers."""

    box: float = math.inf

    def generator(self, latent: int, shape: tuple[int, ...]) -> nn.Module:
        return Point(self.box)

    def critic(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        return Line()


CURVED, DIRAC = Curved(), Dirac()


def ensemble(
    objective: Objective,
    generator: tuple[float, ...],
    critic: tuple[float, ...],
    target: Target | None = None,
    regularisers: tuple[Regulariser, ...] = (),
    batch: int = 16,
    network: Any = CURVED,
) -> Training:
    """Two replicas in float64 at given weights: mean and sd of G, or a point; constant, slope and curvature of D."""
    optimiser = SGD(lr_d=0.2, lr_g=0.2)
    game = Game(
        objective,
        optimiser,
        network,
        None,
        1,
        (1,),
        batch,
        WIDTH,
        False,
        "cpu",
        precision="fp64",
        regularisers=regularisers,
    )
    training = Training(game, [Lane(objective, optimiser, s, regularisers) for s in (3, 4)], target or Origin())
    for player, weights in (("G", generator), ("D", critic)):
        own = {"weight": torch.tensor([[weights]] * WIDTH, dtype=torch.float64)}
        training.state = {**training.state, player: Parameters.joined(own, leading=1)}
    return training


def measured(diagnostic: Diagnostic, training: Training, target: Target | None = None) -> dict[str, float]:
    """Name -> value of the first replica."""
    found = diagnostic.observe(training, target or Origin(), number=0)
    return {about["metric"]: float(values[0]) for about, values in found}


def sigmoid(t: float) -> float:
    return 1 / (1 + math.exp(-t))


def test_the_generator_s_gradient_is_that_of_the_dirac_game():
    # the loss log(1 + exp(-D)) of non-saturating, at D(x) = -x and the point 1, has the slope sigmoid(1)
    found = measured(GeneratorGradientNorm(), ensemble(NonSaturating(), (1,), (-1,), network=DIRAC))
    assert found["generator_gradient_norm"] == pytest.approx(sigmoid(1), rel=1e-12)


def test_the_generator_s_gradient_is_that_of_its_loss_with_regularisers():
    # consensus adds half of |grad_D L_D|^2 + |grad_G L_G|^2, here of D(x) = b x at the point g: with s = sigmoid(b g),
    # (s g)^2 + (s b)^2 for minimax; at b = 0 and s = 1/2 its slope in g is g / 4
    training = ensemble(Minimax(), (2,), (0,), network=DIRAC, regularisers=(Consensus(weight=1.0),))
    assert measured(GeneratorGradientNorm(), training)["generator_gradient_norm"] == pytest.approx(2 / 4, rel=1e-12)


def test_the_generator_s_gradient_of_em_is_under_the_weights_of_its_e_step():
    training = ensemble(EM(), (1, 0.5), (0, 1, 0))
    z = View(training, Origin(), "GeneratorGradientNorm.0").fields()["z"][0, :, 0]
    # that of -log E D(G(z)), with D the sigmoid of mean + sd z
    real = torch.sigmoid(1 + 0.5 * z)
    slopes = real * (1 - real) / real.mean()
    expected = math.hypot(float(slopes.mean()), float((slopes * z).mean()))
    assert measured(GeneratorGradientNorm(), training)["generator_gradient_norm"] == pytest.approx(expected, rel=1e-9)


def test_a_critic_s_slope_is_taken_at_real_and_at_generated_samples():
    # D = 3 x^2 has slope 0 at the data, 0, and 12 at the generator's 2
    found = measured(CriticSlope(), ensemble(Minimax(), (2, 0), (0, 0, 3)))
    assert found == pytest.approx({"critic_slope_mean": 6, "critic_slope_max": 12}, abs=1e-5)


def test_a_critic_s_slope_is_that_of_the_critic_that_the_losses_see():
    found = measured(CriticSlope(), ensemble(Minimax(), (2, 0), (0, 5, 0), regularisers=(SpectralNorm(),)))
    assert found == pytest.approx({"critic_slope_mean": 1, "critic_slope_max": 1})


def optimum(mean: float, sd: float) -> tuple[float, float, float]:
    """Constant, slope and curvature of log p_r - log p_g for a standard normal target."""
    return mean**2 / (2 * sd**2) + math.log(sd), -mean / sd**2, 1 / (2 * sd**2) - 0.5


GAUSSIAN = Gaussian1D()


@pytest.mark.parametrize("objective", [Minimax(), NonSaturating(), EM()])
def test_at_the_optimal_discriminator_the_generator_follows_its_divergence(objective: Objective):
    training = ensemble(objective, (1.5, 0.7), optimum(1.5, 0.7), GAUSSIAN)
    assert measured(GradientCosine(), training, GAUSSIAN)["gradient_cosine"] == pytest.approx(1, abs=1e-9)
    assert measured(DiscriminatorError(), training, GAUSSIAN)["discriminator_error"] == pytest.approx(0, abs=1e-9)


def test_the_divergence_s_gradient_of_em_is_under_the_weights_of_the_optimal_discriminator():
    training = ensemble(EM(), (1.5, 0.7), (0.3, -2.0, 0.4), GAUSSIAN)
    z = View(training, GAUSSIAN, "GradientCosine.0").fields()["z"][0, :, 0]
    v = 1.5 + 0.7 * z

    def gradient(a: float, b: float, c: float) -> Tensor:
        # of -log E D(G(z)) in the mean and in the deviation: the slope of log D is (1 - D) (b + 2 c v)
        real = torch.sigmoid(a + b * v + c * v**2)
        slopes = -real * (1 - real) * (b + 2 * c * v) / real.sum()
        return torch.stack([slopes.sum(), (slopes * z).sum()])

    expected = torch.cosine_similarity(gradient(0.3, -2.0, 0.4), gradient(*optimum(1.5, 0.7)), dim=0)
    found = measured(GradientCosine(), training, GAUSSIAN)["gradient_cosine"]
    assert found == pytest.approx(float(expected), rel=1e-9)


def test_a_discriminator_of_the_wrong_sign_sends_the_generator_away():
    a, b, c = optimum(1.5, 1.0)
    training = ensemble(Minimax(), (1.5, 1.0), (-a, -b, -c), GAUSSIAN, batch=512)
    assert measured(GradientCosine(), training, GAUSSIAN)["gradient_cosine"] < -0.5


def test_the_optimal_discriminator_of_packs_adds_the_log_ratios_of_their_samples():
    training = ensemble(Minimax(packing=2), (1.5, 0.7), (0, 0, 0), GAUSSIAN)
    params = {"weight": training.state["G"]["weight"][0]}
    a, b, c = optimum(1.5, 0.7)
    x = torch.tensor([[0.5, -1.0], [2.0, 0.1]], dtype=torch.float64)
    expected = (a + b * x + c * x**2).sum(1)
    torch.testing.assert_close(log_ratio(training.game, GAUSSIAN, params, x), expected)


def test_an_indifferent_discriminator_errs_by_half_the_total_variation():
    training = ensemble(Minimax(), (1, 1), (0, 0, 0), GAUSSIAN, batch=512)
    found = measured(DiscriminatorError(), training, GAUSSIAN)["discriminator_error"]
    total_variation = math.erf(1 / (2 * math.sqrt(2)))  # 2 Phi(mu / 2) - 1
    # a standard error of .002 from 4,096 points
    assert found == pytest.approx(total_variation / 2, abs=0.006)


A = 0.5  # the slope of log sigmoid at 0


@pytest.mark.parametrize(
    ("regularisers", "real", "imaginary"),
    [
        ((), 0, A),
        ((R1(weight=0.3),), -0.15, math.sqrt(A**2 - 0.15**2)),
        ((Consensus(weight=1.0),), -(A**2), A),
    ],
    ids=["none", "r1", "consensus"],
)
def test_eigenvalues_at_the_dirac_game_s_equilibrium_are_the_known_ones(
    regularisers: tuple[Regulariser, ...], real: float, imaginary: float
):
    found = measured(GameJacobian(), ensemble(Minimax(), (0,), (0,), regularisers=regularisers, network=DIRAC))
    assert found["game_jacobian_real"] == pytest.approx(real, abs=1e-9)
    assert found["game_jacobian_imaginary"] == pytest.approx(imaginary, abs=1e-9)


def dirac(generator: float, critic: float, added: tuple[Regulariser, ...] = ()) -> Training:
    """The bilinear game in boxes of half-width 1: a clipped critic, a clamped generator."""
    return ensemble(WassersteinClip(clip=1.0), (generator,), (critic,), regularisers=added, network=Dirac(box=1.0))


@pytest.mark.parametrize(("generator", "critic"), [(0.3, -0.7), (-0.9, 0.2), (0.5, 0.5)])
def test_the_duality_gap_of_the_bilinear_game_in_boxes_is_the_known_one(generator: float, critic: float):
    found = measured(DualityGap(), dirac(generator, critic))
    assert found["duality_gap"] == pytest.approx(abs(generator) + abs(critic), rel=1e-9)


def test_an_equilibrium_has_no_duality_gap():
    assert measured(DualityGap(), dirac(0.0, 0.0)) == {"duality_gap": 0}


def test_fewer_inner_steps_find_less_of_the_gap():
    few, many = (measured(DualityGap(steps=n), dirac(0.3, -0.7))["duality_gap"] for n in (2, 100))
    # two steps of rate .2: the critic moves by .06 a step, the generator by .14
    assert few == pytest.approx(0.3 * 0.12 + 0.7 * 0.28)
    assert few < many


def test_worst_case_players_step_on_batches_of_their_own_and_end_on_a_held_out_one():
    training = ensemble(WassersteinClip(clip=9.0), (0.3,), (0.5,), GAUSSIAN, network=DIRAC)
    view = View(training, GAUSSIAN, "DualityGap.0")
    stepped, held_out = (float(fields["x"][0].mean()) for fields in (view.step_fields(0), view.fields(first=1)))
    # V = psi (E x - theta); a step of rate .2 each
    psi, theta = 0.5 + 0.2 * (stepped - 0.3), 0.3 + 0.2 * 0.5
    expected = psi * (held_out - 0.3) - 0.5 * (held_out - theta)
    assert measured(DualityGap(steps=1), training, GAUSSIAN)["duality_gap"] == pytest.approx(expected, rel=1e-9)


def test_a_regulariser_of_the_joint_game_is_no_bound_of_the_worst_case_players():
    with_it, without = (measured(DualityGap(), dirac(0.3, -0.7, added)) for added in ((Consensus(),), ()))
    assert with_it == without


@pytest.mark.parametrize("name", catalogue.DIAGNOSTICS.names())
def test_a_diagnostic_leaves_the_training_as_it_was(name: str):
    training = ensemble(Minimax(), (1, 1), (0.1, 0.2, 0.3), GAUSSIAN)
    before = pytree.tree_map(Tensor.clone, training.state)
    catalogue.DIAGNOSTICS.load(name)().observe(training, GAUSSIAN, number=0)
    assert all(
        torch.equal(a, b) for a, b in zip(pytree.tree_leaves(before), pytree.tree_leaves(training.state), strict=True)
    )


@pytest.mark.parametrize("name", catalogue.DIAGNOSTICS.names())
def test_a_diagnostic_states_its_source_and_readings_that_begin_with_its_name(name: str):
    cls = catalogue.DIAGNOSTICS.load(name)
    assert cls.source
    assert catalogue.DIAGNOSTICS.summary(name)
    assert all(r.name.startswith(name) and r.unit and r.direction in ("", "lower", "higher") for r in cls.readings)


@pytest.mark.parametrize("name", ["generator_gradient_norm", "critic_slope", "duality_gap"])
def test_a_seed_s_readings_are_the_same_alone_and_in_a_crowd_of_packs(name: str):
    def readings(seeds: list[int]) -> list[np.ndarray]:
        game = Game(NonSaturating(packing=2), Adam(), MLP(width=8), None, 2, (2,), 16, 8, False, "cpu")
        lanes = [Lane(NonSaturating(packing=2), Adam(), seed) for seed in seeds]
        training = Training(game, lanes + lanes[:1] * (8 - len(lanes)), Ring8())
        return [values for _, values in catalogue.DIAGNOSTICS.load(name)().observe(training, Ring8(), number=1)]

    crowd, alone = readings([0, 1, 2, 3, 4, 5, 6, 7]), readings([5])
    assert [values[5] for values in crowd] == [values[0] for values in alone]
    assert all(len(np.unique(values)) == 8 for values in crowd)


def test_a_later_evaluation_has_draws_of_its_own():
    training = ensemble(NonSaturating(), (1, 1), (0, 1, 1), GAUSSIAN)
    first, again, later = (GeneratorGradientNorm().observe(training, GAUSSIAN, number=n)[0][1][0] for n in (0, 0, 1))
    assert first == again != later
