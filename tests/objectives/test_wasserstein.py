"""The Wasserstein and Cramér games and the variational autoencoder, on numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from ganbench.objectives.contract import Batch
from ganbench.objectives.cramer import Cramer
from ganbench.objectives.vae import VAE
from ganbench.objectives.wasserstein import Wasserstein


def identity(v: Tensor) -> Tensor:
    return v


def first(v: Tensor) -> Tensor:
    return v[:, 0]


def row(*v: float) -> Tensor:
    return torch.tensor([v])


def test_the_wasserstein_critic_s_loss_is_the_weighted_gap():
    b = Batch(
        x=torch.tensor([[1.0], [5.0]]),
        z=torch.tensor([[2.0], [4.0]]),
        w=torch.tensor([0.25, 0.75]),
        r=torch.tensor([0.5, 0.5]),
    )
    assert float(Wasserstein().d_loss(identity, first, b)) == pytest.approx(3.0 - 4.0)


def test_the_wasserstein_generator_s_loss_is_minus_the_weighted_score():
    b = Batch(x=row(9.0), z=torch.tensor([[2.0], [4.0]]), r=torch.tensor([0.25, 0.75]))
    assert float(Wasserstein().g_loss(identity, first, b)) == pytest.approx(-3.5)


CRAMER = Batch(x=row(6.0, 0.0), z=row(3.0, 4.0), z2=row(6.0, 8.0))
"""One real sample, one generated one and a second: |x| = 6, |x - x'| = 8, |g| = 5, |g - x'| = 5, |g - x| = 5."""


def test_the_cramer_critic_s_loss_by_hand():
    # f(x) = 8 - 6, f(g) = 5 - 5
    assert float(Cramer().d_loss(identity, identity, CRAMER)) == pytest.approx(0 - 2)


def test_the_cramer_generator_s_loss_by_hand():
    assert float(Cramer().g_loss(identity, identity, CRAMER)) == pytest.approx(5 + 8 - 5)


def test_the_cramer_score_vanishes_where_the_embedding_is_that_of_the_origin():
    # |h(v) - h(x')| - |h(v)| for a generator that gives the origin alone: the surrogate's blind spot
    b = Batch(x=row(7.0), z=row(0.0), z2=row(0.0))
    assert float(Cramer().d_loss(identity, identity, b)) == pytest.approx(0, abs=1e-5)


def test_the_cramer_generator_s_loss_between_two_points_is_twice_their_distance():
    # the energy distance of delta_0 and delta_t is 2t
    b = Batch(x=row(7.0), z=row(0.0), z2=row(0.0))
    assert float(Cramer().g_loss(identity, identity, b)) == pytest.approx(14, rel=1e-5)


def encoder(centre: float, log_variance: float):
    return lambda x: torch.tensor([[centre, log_variance]]).expand(len(x), 2)


def test_the_vae_s_divergence_is_the_closed_form_between_normals():
    b = Batch(x=row(0.0), z=row(0.3))
    expected = kl_divergence(Normal(1.5, 0.5), Normal(0.0, 1.0))
    loss = VAE(beta=1.0).d_loss(lambda z: 0 * z, encoder(1.5, math.log(0.25)), b)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)


def test_beta_weighs_the_vae_s_divergence():
    b = Batch(x=row(0.0), z=row(0.3))
    expected = 3 * kl_divergence(Normal(1.5, 0.5), Normal(0.0, 1.0))
    loss = VAE(beta=3.0).d_loss(lambda z: 0 * z, encoder(1.5, math.log(0.25)), b)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)


def test_the_vae_reconstructs_from_the_mean_plus_sd_times_the_latent():
    # z = 1 + 2 · .5 = 2, so the error is (3 - 2)², over 2 · .5²
    b = Batch(x=row(3.0), z=row(0.5))
    loss = VAE(beta=0.0, decoder_sd=0.5).d_loss(identity, encoder(1.0, math.log(4)), b)
    assert float(loss) == pytest.approx(2.0, rel=1e-6)


def test_encoder_and_decoder_descend_one_loss():
    b = Batch(x=row(3.0), z=row(0.5))
    D = encoder(1.0, 0.2)
    assert torch.equal(VAE().d_loss(identity, D, b), VAE().g_loss(identity, D, b))


def test_a_sample_of_the_vae_carries_the_decoder_s_noise():
    assert float(VAE(decoder_sd=0.5).sample(identity, row(2.0), row(-1.0))) == 1.5
