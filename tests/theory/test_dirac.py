"""The Dirac-GAN of Mescheder et al. 2018: the recursion against the table, the library against the recursion."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench.objectives.contract import Batch, Network, Objective, Regulariser, mean
from ganbench.objectives.minimax import Minimax, NonSaturating
from ganbench.objectives.regularisers import R1
from ganbench.objectives.wasserstein import WassersteinGP
from ganbench.theory import dirac
from ganbench.theory.dirac import MODULI, RADII, DiracPortraits
from ganbench.theory.dirac_recursion import TABLE, Method, descent_matrix, half_a_digit, iteration_matrix, sigmoid
from ganbench.theory.law import Law, Subject
from ganbench.theory.subjects import subject

H = 0.2
SCHEDULES = {"simultaneous": ("DG",), "alternating, G first": ("G", "D"), "alternating, D first": ("D", "G")}
ROWS = [(method, way, digits) for method, ways in TABLE.items() for way, digits in ways.items()]


def radius(method: Method, way: str, iterations: int = 500) -> float:
    return float(np.linalg.norm(method.path(SCHEDULES[way], H, iterations)[-1]))


def holds(law: Law, of: Subject) -> bool:
    return all(c.holds for c in law.measure(of))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Radii after 12 iterations, which the table does not give."""
    monkeypatch.setattr(dirac, "LENGTHS", dict.fromkeys(SCHEDULES, 12))


@pytest.mark.parametrize(("method", "way", "digits"), ROWS)
def test_the_recursion_gives_the_table(method: Method, way: str, digits: str):
    assert radius(method, way) == pytest.approx(float(digits), abs=half_a_digit(digits))


def test_with_the_discriminator_first_minimax_circles_at_another_radius():
    assert radius(Method("minimax"), "alternating, D first") == pytest.approx(1.412598, abs=5e-7)


def test_half_a_digit_is_half_of_the_last_one():
    assert half_a_digit("2.64e-6") == pytest.approx(5e-9)
    assert half_a_digit("1.80") == pytest.approx(5e-3)


@pytest.mark.parametrize(
    ("method", "way", "modulus"),
    [
        (Method("minimax"), "simultaneous", math.sqrt(1 + H**2 / 4)),
        (Method("minimax"), "alternating, G first", 1.0),
        (Method("non-saturating"), "simultaneous", math.sqrt(1 + H**2 / 4)),
        (Method("wasserstein-clip", clip=1.0), "simultaneous", math.sqrt(1 + H**2)),
        (Method("minimax", gamma=0.3), "simultaneous", math.sqrt(1 - 0.3 * H + H**2 / 4)),
        (Method("minimax", gamma=0.3), "alternating, G first", math.sqrt(1 - 0.3 * H)),
        (Method("minimax", gamma=1.0), "simultaneous", math.sqrt(1 - H + H**2 / 4)),
        (Method("minimax", sd=0.7), "simultaneous", math.sqrt(1 - 2 * H * 0.49 / 4 + H**2 / 4)),
        (Method("minimax", sd=0.7), "alternating, G first", math.sqrt(1 - 2 * H * 0.49 / 4)),
        (Method("minimax", consensus=1.0), "simultaneous", math.hypot(1 - H / 4, H / 2)),
        (Method("minimax", consensus=1.0), "alternating, G first", 0.95),
    ],
)
def test_both_eigenvalues_of_an_iteration_have_the_modulus_of_the_formula(method: Method, way: str, modulus: float):
    found = np.abs(np.linalg.eigvals(iteration_matrix(method, SCHEDULES[way], H)))
    assert found == pytest.approx([modulus, modulus], abs=1e-7)


def test_the_eigenvalues_of_the_flow_of_r1_are_those_of_the_paper():
    # -g/2 ± sqrt(g²/4 - a²) with g = .3 and a = 1/2
    found = sorted(np.linalg.eigvals(-descent_matrix(Method("minimax", gamma=0.3))), key=lambda v: v.imag)
    assert found == pytest.approx([-0.15 - 1j * math.sqrt(0.2275), -0.15 + 1j * math.sqrt(0.2275)])


@pytest.mark.parametrize(
    ("method", "psi"),
    [(Method("minimax", sd=0.7, consensus=0.6), -0.7), (Method("non-saturating", sd=0.4, consensus=2.0), 0.3)],
)
def test_consensus_descends_half_the_squared_norm_of_the_gradients(method: Method, psi: float):
    theta, step = 0.8, 1e-5
    plain = dataclasses.replace(method, consensus=0.0)

    def half_square(theta: float, psi: float) -> float:
        return sum(g**2 for g in plain.gradients(theta, psi)) / 2

    by_theta = (half_square(theta + step, psi) - half_square(theta - step, psi)) / (2 * step)
    by_psi = (half_square(theta, psi + step) - half_square(theta, psi - step)) / (2 * step)
    added = np.subtract(method.gradients(theta, psi), plain.gradients(theta, psi)) / method.consensus
    assert added == pytest.approx([by_theta, by_psi], rel=1e-7)


def test_simultaneous_minimax_spirals_out_by_its_exact_law():
    trained = dirac.training(Minimax(updates="simultaneous"), (), (H, H))
    for (theta, psi), (later_theta, later_psi) in itertools.pairwise(dirac.trained_path(trained, 30)[0]):
        factor = 1 + H**2 * sigmoid(theta * psi) ** 2
        assert later_theta**2 + later_psi**2 == pytest.approx((theta**2 + psi**2) * factor, rel=1e-12)


def test_minimax_keeps_the_table_s_radii_through_500_iterations_of_training():
    comparisons = list(RADII.measure(subject("minimax")))
    assert sum(c.about.startswith("table") for c in comparisons) == 2
    assert all(c.tolerance <= 1e-6 * c.expected for c in comparisons if c.about.startswith("recursion"))
    assert all(c.holds for c in comparisons)


@pytest.mark.torture
@pytest.mark.parametrize(
    "name", ["minimax + instance-noise[sd=1.5]", "minimax + consensus[weight=5] + instance-noise[sd=1]"]
)
def test_noise_that_brings_the_radius_under_rounding_keeps_the_law(name: str):
    assert holds(RADII, subject(name))


@pytest.mark.parametrize("name", DiracPortraits.subjects)
def test_every_portrait_s_radii_are_those_of_the_recursion(name: str, short: None):
    assert holds(RADII, subject(name))


@pytest.mark.parametrize("name", [n for n in DiracPortraits.subjects if not dirac.without_moduli(subject(n))])
def test_every_portrait_s_eigenvalues_are_those_of_theory(name: str):
    assert holds(MODULI, subject(name))


@pytest.mark.parametrize(
    "name",
    [
        "non-saturating + r1 + r2[weight=10] + instance-noise + consensus",
        "wasserstein-gp",
        "minimax + clip",
        "em[m_steps=2] + r1",
    ],
)
def test_other_numbers_and_sums_of_regularisers_keep_the_law(name: str, short: None):
    assert holds(RADII, subject(name))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cramer", "not stated"),
        ("minimax[packing=2]", "packs"),
        ("minimax + sn", "SpectralNorm is not stated"),
        ("minimax + instance-noise[sd=9]", "more nodes"),
        ("em + instance-noise", "none of a quadrature"),
    ],
)
def test_the_law_says_where_it_does_not_apply(name: str, reason: str):
    assert reason in str(RADII.applies(subject(name)))


class FlippedG(Minimax):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -super().g_loss(G, D, b)


class SwappedOrder(Minimax):
    def schedule(self) -> tuple:
        return tuple(reversed(super().schedule()))


class WithoutPenalty(WassersteinGP):
    def regularisers(self) -> tuple[Regulariser, ...]:
        return ()


class WholeGamma(R1):
    def d_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor:
        return 2 * super().d_term(objective, G, D, b)


class BlindToWeights(NonSaturating):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(torch.full_like(b.r, 1 / len(b.r)), F.logsigmoid(D(G(b.z))))


MUTANTS = {
    "a flipped sign": Subject("minimax", FlippedG()),
    "the non-saturating loss as minimax": Subject("minimax", NonSaturating()),
    "swapped players": Subject("minimax", SwappedOrder()),
    "a dropped penalty": Subject("wasserstein-gp", WithoutPenalty()),
    "gamma for gamma / 2": Subject("minimax + r1", Minimax(), (WholeGamma(),)),
    "weights not used": dataclasses.replace(
        subject("non-saturating + instance-noise[sd=.7]"), objective=BlindToWeights()
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_mutant_breaks_the_law(mutant: Subject, short: None):
    assert not holds(RADII, mutant)


def test_an_iteration_that_loses_its_penalty_has_other_eigenvalues():
    assert not holds(MODULI, Subject("minimax + r1", Minimax(), (WholeGamma(),)))


def test_a_portrait_begins_at_the_start_and_ends_at_the_recursion_s_point():
    path = dirac.trained_path(dirac.training(Minimax(order="GD"), (), (H, H)), 5)[0]
    np.testing.assert_allclose(path, Method("minimax").path(("G", "D"), H, 5), rtol=1e-12)


def test_the_flow_of_minimax_by_hand():
    # at theta = 1, psi = 0: D descends theta / 2 in psi, G nothing
    grid = dirac.GRID.tolist()
    assert dirac.flow(subject("minimax"))[grid.index(1.0), grid.index(0.0)] == pytest.approx([0.0, -0.5])
