"""At the optimal discriminator the losses are divergences: between Gaussians on the line, by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from small_games import variants
from torch import Tensor

from ganbench.catalogue import OBJECTIVES
from ganbench.objectives.contract import Batch, Objective
from ganbench.objectives.em import EM
from ganbench.objectives.fgan import DIVERGENCES, FGAN
from ganbench.objectives.hinge import Hinge
from ganbench.objectives.lsgan import LSGAN, LSGANSigmoid
from ganbench.objectives.minimax import Minimax, NonSaturating
from ganbench.objectives.ml import MaximumLikelihood
from ganbench.objectives.relativistic import Relativistic
from ganbench.theory.densities import (
    Gaussian,
    Pair,
    hellinger,
    jsd,
    kl_to_data,
    kl_to_generated,
    pearson,
    total_variation,
    triangular,
)

MUS = (0.5, 1.0, 2.0, 4.0)
JSD = dict(zip(MUS, (0.030311, 0.111421, 0.336831, 0.632720), strict=True))
MINIMAX = (0.235264, 0.397973, 0.449600, 0.137195)
NON_SATURATING = (0.264736, 0.602027, 1.550400, 3.862805)
GRADIENTS = {
    "minimax": (Minimax(), MINIMAX),
    "non-saturating": (NonSaturating(), NON_SATURATING),
    "em": (EM(), (0.25, 0.5, 1.0, 2.0)),
    "ml": (MaximumLikelihood(), MUS),
    "kl": (FGAN(divergence="kl"), MUS),
    "reverse-kl": (FGAN(divergence="reverse-kl"), MUS),
    # exp(mu²) - 1 and 2 - 2 exp(-mu²/8)
    "pearson": (FGAN(divergence="pearson"), tuple(2 * mu * math.exp(mu**2) for mu in MUS[:2])),
    "hellinger": (FGAN(divergence="hellinger"), tuple(mu / 2 * math.exp(-(mu**2) / 8) for mu in MUS)),
    "js": (FGAN(divergence="js"), MINIMAX),
    "js by the trick": (FGAN(divergence="js", generator="trick"), NON_SATURATING),
    "reverse-kl by the trick": (
        # G ascends -E p_g / p_r, which moves by mu E p_g / p_r = mu exp(mu²)
        FGAN(divergence="reverse-kl", generator="trick"),
        tuple(mu * math.exp(mu**2) for mu in MUS[:2]),
    ),
}
EXPECTED = [(name, mu, g) for name, (_, gs) in GRADIENTS.items() for mu, g in zip(MUS, gs, strict=False)]

PAIR = Pair(Gaussian(0.5, 1.0), Gaussian(-0.3, 1.3))
"""p_g is wide enough for all divergences to be finite."""

DISTURBANCES: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda v: torch.ones_like(v),
    lambda v: v,
    lambda v: torch.sin(3 * v),
    lambda v: torch.exp(-v.square()),
)


KNOWING = {
    name: objective
    for registered in OBJECTIVES.names()
    for name, objective in variants(OBJECTIVES.load(registered)).items()
    if objective.packing == 1 and objective.optimal_score(torch.zeros(1)) is not None
}
"""Name -> objective, for every one that states its optimum, with each choice of a field."""


def quadrature(objective: Objective, pair: Pair) -> Batch:
    """The pair's nodes, weighted by the E-step where there is one."""
    b = pair.batch()
    if not objective.hold:
        return b
    r = b.r * objective.e_step(pair.generator, pair.optimum(objective), b)
    return Batch(x=b.x, z=b.z, w=b.w, r=r / r.sum())


def gradient_in_the_mean(objective: Objective, pair: Pair) -> float:
    """Of the generator's loss, with the optimal discriminator held."""
    b, D = quadrature(objective, pair), pair.optimum(objective)

    def loss(mean: Tensor) -> Tensor:
        return objective.g_loss(pair.with_g(mean, pair.g.sd).generator, D, b)

    return float(torch.func.grad(loss)(torch.tensor(float(pair.g.mean), dtype=torch.float64)))


@pytest.mark.parametrize(("name", "mu", "expected"), EXPECTED)
def test_the_generator_s_gradient_has_its_closed_form(name: str, mu: float, expected: float):
    pair = Pair(Gaussian(0.0), Gaussian(mu))
    assert gradient_in_the_mean(GRADIENTS[name][0], pair) == pytest.approx(expected, abs=1e-6, rel=1e-6)


def test_with_importance_weights_em_moves_by_what_the_data_s_own_points_say():
    # r ∝ p_r/p_g turns the bank into the data: the gradient of -E_r log D* in a shift of the points is mu E_r (1 - D*)
    mu, pair = 1.0, Pair(Gaussian(0.0), Gaussian(1.0))
    v = pair.r.at(pair.batch().x[:, 0])
    expected = mu * (pair.batch().w * torch.sigmoid(-pair.log_ratio(v))).sum()
    assert gradient_in_the_mean(EM(weights="importance"), pair) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("mu", MUS)
def test_the_game_s_value_at_the_optimum_is_2_jsd_minus_log_4(mu: float):
    pair = Pair(Gaussian(0.0), Gaussian(mu))
    value = Minimax().value(pair.generator, pair.optimum(Minimax()), pair.batch())
    assert float(value) == pytest.approx(2 * JSD[mu] - math.log(4), abs=2e-6)


@pytest.mark.parametrize("name", KNOWING)
@pytest.mark.parametrize("i", range(len(DISTURBANCES)))
def test_no_small_change_of_the_optimal_discriminator_lowers_its_loss(name: str, i: int):
    objective, b = KNOWING[name], PAIR.d_batch(KNOWING[name])
    best, disturbance = PAIR.optimum(objective), DISTURBANCES[i]

    def loss(size: float) -> float:
        return float(objective.d_loss(PAIR.generator, lambda v: best(v) + size * disturbance(v[:, 0]), b))

    # .05 is beyond what the plain mean of a held bank is wrong by
    assert loss(0.0) <= min(loss(0.05), loss(-0.05))


def divergence_of(objective: Objective) -> float:
    return float(objective.value(PAIR.generator, PAIR.optimum(objective), PAIR.batch()))


@pytest.mark.parametrize(
    ("name", "divergence"),
    [("kl", kl_to_generated), ("reverse-kl", kl_to_data), ("pearson", pearson), ("hellinger", hellinger)],
)
def test_the_dual_of_an_f_divergence_reaches_it_at_the_optimum(name: str, divergence: Callable[[Pair], Tensor]):
    assert divergence_of(FGAN(divergence=name)) == pytest.approx(float(divergence(PAIR)), rel=1e-9)


def test_the_js_dual_reaches_twice_the_jensen_shannon_divergence():
    assert divergence_of(FGAN(divergence="js")) == pytest.approx(2 * float(jsd(PAIR)), rel=1e-9)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_an_f_divergence_of_equal_densities_is_zero(name: str):
    objective, equal = FGAN(divergence=name), Pair(PAIR.r, PAIR.r)
    value = objective.value(equal.generator, equal.optimum(objective), equal.batch())
    assert float(value) == pytest.approx(0, abs=1e-12)


def test_the_hinge_loss_at_the_optimum_is_2_minus_twice_the_total_variation():
    # nodes on both sides of the step of D* leave an error of their distance, 24/4000, times a density
    assert divergence_of(Hinge()) == pytest.approx(2 * float(total_variation(PAIR)) - 2, abs=5e-3)


@pytest.mark.parametrize(("objective", "scale"), [(LSGAN(), 1), (LSGANSigmoid(), 1), (LSGAN(a=-1.0, c=0.0), 4)])
def test_the_least_squares_loss_at_the_optimum_is_the_triangular_discrimination(objective: Objective, scale: float):
    # (b - a)²/2 times the integral of p_r p_g / (p_r + p_g), which is (2 - triangular) / 4
    assert divergence_of(objective) == pytest.approx(-scale * (2 - float(triangular(PAIR))) / 8, rel=1e-9)


def test_least_squares_coded_minus_1_0_1_descend_a_pearson_divergence():
    # of p_r + p_g and 2 p_g, which is the triangular discrimination of p_r and p_g
    objective, D, b = LSGAN(a=-1.0, b=1.0, c=0.0), PAIR.optimum(LSGAN(a=-1.0, b=1.0, c=0.0)), PAIR.batch()
    of_real = (b.w * D(b.x).square()).sum()
    of_generated = 2 * objective.g_loss(PAIR.generator, D, b)
    assert float(of_real + of_generated) == pytest.approx(float(triangular(PAIR)), rel=1e-9)


def test_no_small_change_but_a_constant_moves_the_relativistic_loss_at_the_log_ratio():
    nodes = torch.linspace(-6, 6, 201, dtype=torch.float64)
    masses = torch.softmax(-nodes.square() / 2, 0)
    i, j = (grid.flatten() for grid in torch.meshgrid(torch.arange(201), torch.arange(201), indexing="ij"))
    every_pair = Batch(x=PAIR.r.at(nodes[i])[:, None], z=nodes[j][:, None], w=masses[i], r=masses[j])

    def loss(disturbance: Callable[[Tensor], Tensor], size: float) -> float:
        def D(v: Tensor) -> Tensor:
            return PAIR.log_ratio(v[:, 0]) + size * disturbance(v[:, 0])

        return float(Relativistic().d_loss(PAIR.generator, D, every_pair))

    constant, *others = DISTURBANCES
    assert loss(constant, 0.05) == pytest.approx(loss(constant, 0.0), rel=1e-12)
    for disturbance in others:
        assert loss(disturbance, 0.0) < min(loss(disturbance, 0.01), loss(disturbance, -0.01))
