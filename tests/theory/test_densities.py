"""Divergences by quadrature against closed forms and published digits, and the quadrature of a batch."""

from __future__ import annotations

import math

import pytest
import torch

from ganbench.theory.densities import (
    Gaussian,
    Pair,
    equal_masses,
    hellinger,
    jsd,
    kl_to_data,
    kl_to_generated,
    pearson,
    total_variation,
    triangular,
)

SHIFT = Pair(Gaussian(0.0), Gaussian(1.0))
BOTH = Pair(Gaussian(0.3, 1.2), Gaussian(-0.5, 1.0))


@pytest.mark.parametrize(("mu", "published"), [(0.5, 0.030311), (1.0, 0.111421), (2.0, 0.336831), (4.0, 0.632720)])
def test_the_jsd_of_shifted_gaussians_has_its_published_digits(mu: float, published: float):
    assert float(jsd(Pair(Gaussian(0.0), Gaussian(mu)))) == pytest.approx(published, abs=6e-7)


def test_kl_of_any_two_gaussians_is_its_closed_form():
    # log(s2/s1) + (s1² + (m1 - m2)²) / (2 s2²) - 1/2
    forward = math.log(1.0 / 1.2) + (1.2**2 + 0.8**2) / 2 - 0.5
    backward = math.log(1.2 / 1.0) + (1 + 0.8**2) / (2 * 1.2**2) - 0.5
    assert (float(kl_to_generated(BOTH)), float(kl_to_data(BOTH))) == pytest.approx((forward, backward), abs=1e-12)


def test_pearson_hellinger_and_total_variation_of_a_shift_are_their_closed_forms():
    found = [float(f(SHIFT)) for f in (pearson, hellinger, total_variation)]
    closed = [math.e - 1, 2 - 2 * math.exp(-1 / 8), math.erf(0.5 / math.sqrt(2))]
    # the integrand of the last has a kink, between nodes
    assert found == pytest.approx(closed, abs=1e-5)


def test_the_triangular_discrimination_of_disjoint_gaussians_is_2():
    assert float(triangular(Pair(Gaussian(0.0), Gaussian(20.0)))) == pytest.approx(2.0, abs=1e-9)


def test_a_batch_integrates_moments_of_both_sides_exactly():
    b = BOTH.batch()
    v = BOTH.generator(b.z)[:, 0]
    moments = [float((b.w * b.x[:, 0]).sum()), float((b.r * v).sum()), float((b.r * (v + 0.5).square()).sum())]
    assert moments == pytest.approx([0.3, -0.5, 1.0], abs=1e-12)


def test_points_of_equal_mass_miss_at_most_4_over_n_of_the_variance():
    missing = 1 - float(equal_masses(2000).square().mean())
    assert 0 < missing < 4 / 2000


def test_the_central_points_hold_99_percent_of_the_mass():
    v = SHIFT.central()
    m = (SHIFT.r.log_density(v).exp() + SHIFT.g.log_density(v).exp()) / 2
    assert float(m.sum() * (v[1] - v[0])) == pytest.approx(0.99, abs=2e-3)


def test_an_integral_has_the_gradient_of_its_closed_form():
    mean = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(kl_to_generated(Pair(Gaussian(0.0), Gaussian(mean, 2.0))), mean)
    assert float(gradient) == pytest.approx(1.5 / 4, abs=1e-12)  # of mean² / (2 sd²)
