"""Image networks in ensembles: every objective trains them, and neither way to run an ensemble mixes its replicas."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ensembles import lane, same_bits
from images import LATENT, SMALL, TRAINED, WIDTH, Middles, apart, ensemble, movement, one_step, short, weights
from torch import Tensor

from ganbench.networks.conv import Conv, ResNet
from ganbench.objectives.contract import Player
from ganbench.objectives.minimax import NonSaturating
from ganbench.objectives.wasserstein import WassersteinClip, WassersteinGP, WassersteinSN

SEEDS = [3], [5, 6, 3, 7]
"""A seed alone, its lane padded with copies, and in the third lane among others."""
NETWORKS = [SMALL, ResNet(width=4, batch_stats=True)]
each_objective = pytest.mark.parametrize("name", TRAINED)
each_lift = pytest.mark.parametrize("lift", ["vmap", "loop"])
each_network = pytest.mark.parametrize("network", NETWORKS, ids=("conv", "resnet"))


@each_objective
@each_network
def test_every_objective_moves_every_kernel_alike_in_a_loop_and_under_vmap(name: str, network: Any):
    looped, mapped = (ensemble([3, 4], short(name), network, lift) for lift in ("loop", "vmap"))
    before = looped.state
    for training in (looped, mapped):
        training.advance(1)
        assert training.alive().all()
    for player in ("D", "G"):
        for k, p in weights(looped, player).items():
            torch.testing.assert_close(weights(mapped, player)[k], p, rtol=1e-4, atol=1e-5)
            # what the batch's statistics subtract has no slope, so biases may rest
            assert k.endswith("bias") or (p != before[player][k]).flatten(1).any(1).all(), k


@each_lift
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("objective", [WassersteinGP(d_steps=1), WassersteinSN(d_steps=1)], ids=("gp", "sn"))
def test_a_step_is_the_same_whichever_way_convolutions_are_computed(objective: Any, precision: str, lift: str):
    network, steps = ResNet(width=4), []
    for way in ("products", "torch"):
        steps.append(movement(ensemble([3, 4], objective, network, lift, precision, convolution=way), "DG"))
    # the same sums in another order: near, and never the same bits
    assert 0 < apart(steps[1], steps[0]) < (1e-5 if precision == "fp32" else 0.05)


@each_objective
def test_a_convolutional_replica_alone_is_the_one_among_others(name: str):
    alone, among = (ensemble(seeds, short(name)) for seeds in SEEDS)
    for training in (alone, among):
        training.advance(1)
    assert same_bits(lane(alone, 0), lane(among, 2))
    assert not same_bits(lane(alone, 0), lane(among, 0))


@pytest.mark.torture
def test_compiled_a_convolutional_replica_alone_is_the_one_among_others():
    objective, target = NonSaturating(), Middles()
    alone, among = (one_step(ensemble(s, objective, compiled=True, target=target), "D")["D"] for s in SEEDS)
    eager = one_step(ensemble([3], objective, target=target), "D")["D"]
    for name, p in alone.items():
        assert torch.equal(p[0], among[name][2])
        torch.testing.assert_close(p, eager[name], rtol=1e-4, atol=1e-5)


@pytest.mark.torture
def test_compiled_a_gradient_penalty_descends_through_torch_s_convolutions():
    settings: dict[str, Any] = {"network": Conv(width=2), "convolution": "torch", "target": Middles()}
    eager, fast = (ensemble([3], WassersteinGP(d_steps=1), compiled=c, **settings) for c in (False, True))
    assert 0 < apart(movement(fast, "D"), movement(eager, "D")) < 1e-5


@each_lift
@pytest.mark.parametrize("network", [SMALL, Conv(width=4, batch_stats=True)], ids=("plain", "batch_stats"))
def test_images_of_a_replica_are_sampled_alike_alone_and_among_others(lift: str, network: Conv):
    alone, among = (ensemble(seeds, NonSaturating(), network, lift) for seeds in SEEDS)
    images = [training.samples("test", 0, 40) for training in (alone, among)]
    assert images[0].shape == (WIDTH, 40, 1, 8, 8)
    assert (images[0][0] == images[1][2]).all()
    assert (images[0][0] != images[1][0]).any()


def test_a_replica_that_diverges_in_a_loop_leaves_its_neighbours_alone():
    healthy, poisoned = (ensemble([3, 4, 5, 6], NonSaturating(), lift="loop") for _ in range(2))
    first = next(iter(poisoned.state["D"].values()))
    first[1] = torch.nan
    for training in (healthy, poisoned):
        training.advance(2)
    assert poisoned.alive().tolist() == [True, False, True, True]
    assert poisoned.diverged_at().tolist() == [-1, 1, -1, -1]
    assert all(same_bits(lane(healthy, i), lane(poisoned, i)) for i in (0, 2, 3))


def test_clipping_bounds_every_parameter_of_a_convolutional_critic():
    training = ensemble([3], WassersteinClip(d_steps=1, clip=0.02))
    training.advance(1)
    assert max(float(p.abs().max()) for p in weights(training, "D").values()) == pytest.approx(0.02)


def critic(scale: float) -> Player:
    """A convolutional critic as spectral norm leaves it, its weights multiplied before."""
    training = ensemble([3], WassersteinSN())
    params = {k: scale * p[0] for k, p in weights(training, "D").items()}
    return WassersteinSN().regularisers()[0].reparametrise(Player(training.game.critic(), params))


def test_spectral_norm_leaves_every_flattened_kernel_a_largest_singular_value_of_one():
    kernels = [p.flatten(1) for p in critic(9.0).params.values() if p.dim() > 1]
    assert len(kernels) == 3
    for kernel in kernels:
        assert float(torch.linalg.svdvals(kernel)[0]) == pytest.approx(1, abs=5e-3)


def test_a_spectrally_normalised_convolution_has_slopes_of_at_most_two():
    # a pixel lies in four windows of a convolution of kernel 4 and stride 2, so the windows are at most twice as long
    score = critic(9.0)
    x = torch.randn(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    def total(v: Tensor) -> Tensor:
        return score(v).sum()

    assert torch.func.grad(total)(x).flatten(1).norm(dim=1).max() <= 2 * 1.005**2


def test_the_images_of_a_game_come_from_its_latents():
    game = ensemble([3], NonSaturating()).game
    assert game.generator()(torch.zeros(2, LATENT)).shape == (2, 1, 8, 8)
