"""Biased and unbiased gradients by enumeration, the energy distance as an integral, and the surrogate's blind spot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ganbench.metrics.transport import EnergyDistance
from ganbench.objectives.contract import Batch, Network
from ganbench.objectives.cramer import Cramer
from ganbench.objectives.kernel import Energy
from ganbench.objectives.wasserstein import Wasserstein, WassersteinGP
from ganbench.targets.mixtures import Gaussian1D
from ganbench.theory.law import Law, Subject
from ganbench.theory.sample_gradients import (
    BIASED,
    BLIND,
    LAWS,
    SQUARE,
    UNBIASED,
    SampleGradients,
    between,
    expected_wasserstein_gradient,
    sign_of_mean,
)
from ganbench.theory.subjects import subject

APPLY = [
    *((BIASED, name) for name in ("wasserstein-clip", "wasserstein-gp", "wasserstein-sn")),
    *((UNBIASED, name) for name in ("cramer", "energy", "mmd", "mmd[bandwidth=.7]")),
    *((SQUARE, name) for name in ("cramer", "energy")),
    (BLIND, "cramer"),
]


def holds(law: Law, of: Subject) -> bool:
    return all(c.holds for c in law.measure(of))


@pytest.mark.parametrize(("law", "name"), APPLY)
def test_the_law_holds(law: Law, name: str):
    assert law.applies(subject(name)) is None
    assert holds(law, subject(name))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", ["minimax", "cramer[packing=2]", "energy[packing=2]", "wasserstein-gp[packing=2]"])
def test_no_sample_gradient_is_claimed_where_none_is_known(law: Law, name: str):
    assert law.applies(subject(name))


def test_one_sample_s_wasserstein_gradient_is_the_same_for_every_theta():
    found = [expected_wasserstein_gradient(Wasserstein(), 1, 0.6, theta) for theta in (0.1, 0.5, 0.8, 0.99)]
    assert found == pytest.approx([-0.2] * 4)


def test_ten_samples_by_hand():
    # theta = .95 exceeds the mean of ten points unless all are 1
    assert sign_of_mean(10, 0.9, 0.95) == pytest.approx(1 - 2 * 0.9**10)


class Flipped(WassersteinGP):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -super().g_loss(G, D, b)


class OneAnchor(Cramer):
    """Both generated points from the same latents: the term within the generator's samples is lost."""

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return super().g_loss(G, D, Batch(b.x, b.z, z2=b.z))


class WithSelfPairs(Energy):
    """The V-statistic, which is biased."""

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        x, v = b.x, G(b.z)
        within = b.w @ self.kernel(x, x) @ b.w + b.r @ self.kernel(v, v) @ b.r
        return within - 2 * b.w @ self.kernel(x, v) @ b.r


class SeeingSurrogate(Cramer):
    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -self.g_loss(G, D, b)


@pytest.mark.parametrize(
    ("law", "mutant"),
    [
        (BIASED, Subject("wasserstein-gp", Flipped())),
        (UNBIASED, Subject("cramer", OneAnchor())),
        (UNBIASED, Subject("energy", WithSelfPairs())),
        (SQUARE, Subject("cramer", OneAnchor())),
        (SQUARE, Subject("energy", WithSelfPairs())),
        (BLIND, Subject("cramer", SeeingSurrogate())),
    ],
)
def test_a_mutant_breaks_the_law(law: Law, mutant: Subject):
    assert not holds(law, mutant)


@pytest.mark.parametrize(("mu", "distance"), [(0.5, 0.139596), (1.0, 0.541807), (2.0, 1.944260), (4.0, 5.747154)])
def test_the_integral_of_shifted_gaussians_is_the_published_energy_distance(mu: float, distance: float):
    line = torch.linspace(-12, 16, 5601, dtype=torch.float64)
    square = (torch.special.ndtr(line) - torch.special.ndtr(line - mu)).square()
    assert float(2 * square.sum() * (line[1] - line[0])) == pytest.approx(distance, abs=5.1e-7)


def test_the_metric_is_the_integral_up_to_the_pairs_left_out():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(40), 2 * rng.standard_normal(40) + 1
    square, within_a, within_b = (
        2 * between(a, b, f) for f in (lambda F, G: (F - G) ** 2, lambda F, G: F - F * F, lambda F, G: G - G * G)
    )
    metric = EnergyDistance().value(a[:, None], b[:, None], Gaussian1D())
    assert metric == pytest.approx(square - (within_a + within_b) / 39, rel=1e-10)


def test_the_finding_shows_the_bias_of_one_sample_and_the_truth_of_the_other_distance():
    arrays = SampleGradients().arrays(0)
    assert arrays["wasserstein"][0] == pytest.approx(np.full(40, -0.2))
    np.testing.assert_allclose(arrays["cramer"], arrays["cramer_truth"], atol=1e-5)
    assert set(arrays["wasserstein_truth"].flatten()) == {-1.0, 1.0}
