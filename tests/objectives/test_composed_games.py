"""What the contract composes with any objective: zero-centred penalties, consensus, instance noise and packs."""

from __future__ import annotations

import pytest
import torch
from small_games import batch, column, fields, linear, players, point
from torch import Tensor

from ganbench.fields import build
from ganbench.objectives.contract import Batch, Player, packed, penalised_d_loss, penalised_g_loss
from ganbench.objectives.cramer import Cramer
from ganbench.objectives.em import EM
from ganbench.objectives.minimax import Minimax
from ganbench.objectives.regularisers import R1, R2, Consensus, GradientPenalty, InstanceNoise
from ganbench.objectives.wasserstein import Wasserstein

THETA, PSI = 0.7, -1.5
X, Z = column(0.4), column(0.0)
"""A game of two numbers: G gives theta, D is psi v, and one real sample lies at .4."""


def dirac(**noise: Tensor) -> Batch:
    return Batch(x=X, z=Z, **noise)


def identity(v: Tensor) -> Tensor:
    return v


def gradient(loss, player: Player, name: str) -> float:
    """Of a loss of a player's parameters in its one number."""
    return float(torch.func.grad(lambda p: loss(player.with_params(p)))(player.params)[name])


@pytest.mark.parametrize("regulariser", [R1(0.3), R2(0.3)])
def test_a_zero_centred_penalty_on_a_linear_critic_is_half_its_weight_times_the_squared_slope(regulariser: R1 | R2):
    (G, _), b = players(Minimax()), batch()
    term = regulariser.d_term(Minimax(), G, linear(3.0, 4.0), b)
    assert float(term) == pytest.approx(0.3 * 25 / 2, rel=1e-12)


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_the_penalty_between_samples_of_a_linear_critic_is_its_weight_times_the_squared_excess(slope: float):
    (G, _), b = players(Minimax()), batch()
    term = GradientPenalty(0.3, slope).d_term(Minimax(), G, linear(3.0, 4.0), b)
    assert float(term) == pytest.approx(0.3 * (5 - slope) ** 2, rel=1e-9)


def test_r1_looks_at_real_and_r2_at_generated_samples():
    # the slope of v²/2 is v
    b = Batch(x=column(3.0, 1.0), z=column(2.0, 0.0), w=torch.tensor([0.25, 0.75]), r=torch.tensor([0.5, 0.5]))
    found = [float(R(2.0).d_term(Minimax(), identity, lambda v: v[:, 0] ** 2 / 2, b)) for R in (R1, R2)]
    assert found == pytest.approx([0.25 * 9 + 0.75 * 1, 0.5 * 4])


@pytest.mark.parametrize("R", [R1, R2, GradientPenalty])
def test_a_penalty_moves_the_critic_alone(R: type[R1 | R2 | GradientPenalty]):
    (G, D), b = players(Minimax()), batch()
    assert R().g_term(Minimax(), G, D, b) == 0


def test_a_penalty_on_the_cramer_critic_sees_its_scalar_and_not_its_embedding():
    # on the line with h(v) = v and x'_g = 9 the scalar |v - 9| - |v| has a slope of -2 at v = 3
    b = Batch(x=column(3.0), z=column(0.0), z2=column(9.0))
    assert float(R1(1.0).d_term(Cramer(), identity, identity, b)) == pytest.approx(4 / 2)


def wasserstein_with(*regularisers):
    return Wasserstein().with_added(regularisers)


def test_consensus_adds_half_its_weight_times_the_squared_joint_gradient_to_both_losses():
    # L_D = psi (theta - x) and L_G = -psi theta: gradients theta - x in psi and -psi in theta
    added, (G, D), b = wasserstein_with(Consensus(0.3)), (point(THETA), linear(PSI)), dirac()
    term = 0.15 * ((THETA - 0.4) ** 2 + PSI**2)
    assert float(penalised_d_loss(added, G, D, b)) == pytest.approx(PSI * (THETA - 0.4) + term, rel=1e-12)
    assert float(penalised_g_loss(added, G, D, b)) == pytest.approx(-PSI * THETA + term, rel=1e-12)


def test_the_gradient_of_consensus_is_exact():
    added, (G, D), b = wasserstein_with(Consensus(0.3)), (point(THETA), linear(PSI)), dirac()
    of_d = gradient(lambda critic: penalised_d_loss(added, G, critic, b), D, "0.weight")
    of_g = gradient(lambda generator: penalised_g_loss(added, generator, D, b), G, "bias")
    assert of_d == pytest.approx(THETA - 0.4 + 0.3 * PSI, rel=1e-12)
    assert of_g == pytest.approx(-PSI + 0.3 * (THETA - 0.4), rel=1e-12)


NOISE = {"noise": column(0.2), "noise_z": column(-1.0), "noise_z2": column(3.0)}


def test_instance_noise_moves_the_critic_s_inputs_real_and_generated():
    added, (G, D) = wasserstein_with(InstanceNoise(0.5)), (point(THETA), linear(PSI))
    expected = PSI * (THETA - 0.5) - PSI * (0.4 + 0.1)
    assert float(penalised_d_loss(added, G, D, dirac(**NOISE))) == pytest.approx(expected, rel=1e-12)
    assert float(penalised_g_loss(added, G, D, dirac(**NOISE))) == pytest.approx(-PSI * (THETA - 0.5), rel=1e-12)


def test_instance_noise_of_a_batch_is_the_same_at_every_call_and_other_for_z2():
    b = dirac(z2=column(1.0), **NOISE)
    G, seen = InstanceNoise(0.5).inputs(point(THETA), b)
    assert [float(G(v)) for v in (seen.z, seen.z2, seen.z)] == pytest.approx([THETA - 0.5, THETA + 1.5, THETA - 0.5])


def test_a_generator_with_other_parameters_keeps_its_instance_noise():
    b = dirac(**NOISE)
    G, seen = InstanceNoise(0.5).inputs(point(THETA), b)
    assert float(G.with_params(point(2.0).params)(seen.z)) == pytest.approx(2.0 - 0.5)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_consensus_sees_the_game_with_instance_noise(order: tuple[int, int]):
    both = (Consensus(0.3), InstanceNoise(0.5))
    added, (G, D) = wasserstein_with(*(both[i] for i in order)), (point(THETA), linear(PSI))
    gap = THETA - 0.5 - 0.4 - 0.1
    expected = PSI * gap + 0.15 * (gap**2 + PSI**2)
    assert float(penalised_d_loss(added, G, D, dirac(**NOISE))) == pytest.approx(expected, rel=1e-12)


def test_a_penalty_sees_the_samples_with_instance_noise():
    # the slope of v³/3 is v², at .4 + .5 * .2
    added = Minimax().with_added((InstanceNoise(0.5), R1(2.0)))
    cubic = Cubic()
    plain, with_penalty = (
        float(penalised_d_loss(o, point(THETA), cubic, dirac(**NOISE)))
        for o in (Minimax().with_added((InstanceNoise(0.5),)), added)
    )
    assert with_penalty - plain == pytest.approx(0.5**4, rel=1e-9)


class Cubic(Player):
    """The critic v -> v³/3 on the line."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity(), {})

    def answer(self, v: Tensor) -> Tensor:
        return v[:, 0] ** 3 / 3


def test_points_are_packed_side_by_side():
    assert packed(torch.arange(8.0).reshape(4, 2), 2).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_images_are_packed_as_channels():
    images = torch.arange(16.0).reshape(4, 1, 2, 2)
    found = packed(images, 2)
    assert found.shape == (2, 2, 2, 2)
    assert torch.equal(found[1, 0], images[2, 0])
    assert torch.equal(found[1, 1], images[3, 0])


@pytest.mark.parametrize("player", ["D", "G"])
def test_a_packed_loss_is_that_of_the_joined_rows(player: str):
    given = fields(6)
    objective = build(Minimax, {"packing": 2})
    G, D = players(objective)
    b = Batch.of({k: given[k] for k in ("x", "z")}, 2)
    each = Player(G.module, G.params)(given["z"])
    fake = torch.stack([torch.cat([each[2 * i], each[2 * i + 1]]) for i in range(3)])
    real = torch.stack([torch.cat([given["x"][2 * i], given["x"][2 * i + 1]]) for i in range(3)])
    of_fake = torch.nn.functional.logsigmoid(-D(fake)).mean()
    expected = of_fake if player == "G" else -of_fake - torch.nn.functional.logsigmoid(D(real)).mean()
    loss = penalised_g_loss if player == "G" else penalised_d_loss
    assert float(loss(objective, G, D, b)) == pytest.approx(float(expected), rel=1e-12)


def test_a_pack_of_images_goes_through_the_generator_one_by_one():
    G = Player(torch.nn.Unflatten(1, (1, 1, 2)), {}, packing=2)
    z = torch.arange(8.0).reshape(4, 2)
    found = G(packed(z, 2))
    assert found.shape == (2, 2, 1, 2)
    assert found.flatten().tolist() == list(range(8))


def test_a_pack_weighs_the_sum_of_its_samples_and_has_the_first_one_s_u():
    w, u = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0.5, 0.6, 0.7, 0.8])
    b = Batch.of({"x": torch.zeros(4, 1), "z": torch.zeros(4, 1), "w": w, "r": w.flip(0), "u": u}, 2)
    assert b.w.tolist() == pytest.approx([0.3, 0.7])
    assert b.r.tolist() == pytest.approx([0.7, 0.3])
    assert b.u.tolist() == pytest.approx([0.5, 0.7])


def test_packs_without_weights_are_uniform():
    b = Batch.of({"x": torch.zeros(6, 1), "z": torch.zeros(6, 1)}, 3)
    assert b.w.tolist() == b.r.tolist() == [0.5, 0.5]


def test_the_weights_of_an_e_step_over_packs_are_each_pack_s_own():
    objective = build(EM, {"packing": 2})
    G, D = players(objective)
    given = fields(6)
    r = objective.e_step(G, D, Batch.of(given, 2))
    assert torch.equal(Batch.of({**given, "r": r}, 2).r, r)
    assert r.shape == (3,)


def test_a_batch_that_is_not_packed_is_left_as_it_is():
    given = fields(6)
    b = Batch.of(given)
    assert all(getattr(b, name) is v for name, v in given.items())


def test_no_penalty_packs_a_sample_with_another_pack_s():
    # a penalty on packs is that of a critic of joined rows: with slopes of 3 and 4 on the two halves, |slope| = 5
    objective = build(Wasserstein, {"packing": 2})
    G = Player(torch.nn.Identity(), {}, packing=2)
    b = Batch.of({"x": column(1.0, 2.0, 3.0, 4.0), "z": column(0.0, 0.0, 0.0, 0.0)}, 2)
    assert float(R1(2.0).d_term(objective, G, linear(3.0, 4.0), b)) == pytest.approx(25)
