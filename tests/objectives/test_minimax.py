"""The two games of the first GAN paper, on numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from small_games import batch, players

from ganbench.objectives.contract import Batch, penalised_d_loss, penalised_g_loss
from ganbench.objectives.minimax import Minimax, NonSaturating

LOG_3 = math.log(3)


def three_quarters() -> Batch:
    """Through `identity`, D is 3/4 on the real samples and 1/4 on the generated ones."""
    return Batch(x=torch.full((2, 1), LOG_3), z=torch.full((2, 1), -LOG_3))


def identity(v: torch.Tensor) -> torch.Tensor:
    return v


def first(v: torch.Tensor) -> torch.Tensor:
    return v[:, 0]


def test_minimax_at_an_indifferent_discriminator_is_log_4():
    b = Batch(x=torch.zeros(3, 1), z=torch.zeros(3, 1))
    assert float(Minimax().d_loss(identity, first, b)) == pytest.approx(math.log(4), rel=1e-6)


def test_the_value_of_the_game_is_what_the_discriminator_ascends():
    b = Batch(x=torch.zeros(3, 1), z=torch.zeros(3, 1))
    assert float(Minimax().value(identity, first, b)) == pytest.approx(-math.log(4), rel=1e-6)


def test_the_discriminator_s_loss_by_hand():
    # -log 3/4 - log(1 - 1/4)
    assert float(Minimax().d_loss(identity, first, three_quarters())) == pytest.approx(2 * math.log(4 / 3), rel=1e-6)


def test_the_minimax_generator_s_loss_by_hand():
    assert float(Minimax().g_loss(identity, first, three_quarters())) == pytest.approx(math.log(3 / 4), rel=1e-6)


def test_the_non_saturating_generator_s_loss_by_hand():
    assert float(NonSaturating().g_loss(identity, first, three_quarters())) == pytest.approx(math.log(4), rel=1e-6)


def test_real_samples_count_by_their_weights():
    b = Batch(x=torch.tensor([[0.0], [LOG_3]]), z=torch.zeros(1, 1), w=torch.tensor([0.25, 0.75]))
    expected = 0.25 * math.log(2) + 0.75 * math.log(4 / 3) + math.log(2)
    assert float(Minimax().d_loss(identity, first, b)) == pytest.approx(expected, rel=1e-6)


def test_latents_count_by_their_weights():
    b = Batch(x=torch.zeros(1, 1), z=torch.tensor([[0.0], [LOG_3]]), r=torch.tensor([0.25, 0.75]))
    expected = 0.25 * math.log(2) + 0.75 * math.log(4 / 3)
    assert float(NonSaturating().g_loss(identity, first, b)) == pytest.approx(expected, rel=1e-6)


def test_minimax_and_non_saturating_have_equal_discriminator_losses():
    (G, D), b = players(Minimax()), batch()
    assert torch.equal(penalised_d_loss(Minimax(), G, D, b), penalised_d_loss(NonSaturating(), G, D, b))


def test_minimax_and_non_saturating_have_different_generator_gradients():
    (G, D), b = players(Minimax()), batch()

    def gradient(objective: Minimax) -> torch.Tensor:
        grads = torch.func.grad(lambda p: penalised_g_loss(objective, G.with_params(p), D, b))(G.params)
        return torch.cat([g.flatten() for g in grads.values()])

    saturating, other = gradient(Minimax()), gradient(NonSaturating())
    assert (saturating - other).norm() > 0.1 * other.norm()


def test_only_the_non_saturating_gradient_survives_a_sure_discriminator():
    def gradient(objective: Minimax) -> float:
        b = Batch(x=torch.zeros(1, 1), z=torch.full((1, 1), -30.0))
        return float(torch.func.grad(lambda shift: objective.g_loss(lambda z: z + shift, first, b))(torch.tensor(0.0)))

    # d/dt log(1 - D) = -D and d/dt -log D = -(1 - D), with D = sigmoid(-30) = 9.36e-14
    assert gradient(Minimax()) == pytest.approx(-9.3576e-14, rel=1e-4)
    assert gradient(NonSaturating()) == pytest.approx(-1, rel=1e-6)
