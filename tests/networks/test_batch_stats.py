"""Batch statistics without running state: of the batch in training, of fixed latents in sampling."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganbench.networks.mlp import MLP, BatchStats
from ganbench.objectives.minimax import NonSaturating
from ganbench.targets.mixtures import Ring8
from ganbench.training.draws import latents
from ganbench.training.ensemble import REFERENCE_LATENTS, Game, has_batch_stats, sampler
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import Adam

NETWORK = MLP(width=16, depth=2, batch_stats=True)


def layers(module: nn.Module) -> list[BatchStats]:
    return [layer for layer in module.modules() if isinstance(layer, BatchStats)]


def new_game(network: MLP = NETWORK) -> Game:
    return Game(NonSaturating(), Adam(), network, None, 2, (2,), 16, 2, False, "cpu")


@pytest.fixture
def training() -> Training:
    lanes = [Lane(NonSaturating(), Adam(), seed) for seed in (3, 4)]
    training = Training(new_game(), lanes, Ring8())
    training.advance(3)
    return training


def test_the_output_of_the_layer_has_mean_zero_and_variance_one_over_the_batch():
    v = 3 + 5 * torch.randn(64, 4, dtype=torch.float64)
    out = BatchStats(4).double()(v)
    torch.testing.assert_close(out.mean(0), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(out.var(0, correction=0), torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-5)


def test_the_layer_is_torch_s_batch_normalisation_in_training():
    v = 3 + 5 * torch.randn(64, 4)
    torch.testing.assert_close(BatchStats(4)(v), nn.BatchNorm1d(4)(v))


def test_a_training_sample_depends_on_its_batch():
    generator, z = NETWORK.generator(2, (2,)), torch.randn(8, 2)
    other = torch.cat([z[:1], 3 * z[1:]])
    assert not torch.allclose(generator(z)[0], generator(other)[0])


def test_a_critic_has_no_batch_statistics():
    assert not layers(NETWORK.critic((2,), 1))


def test_a_generator_has_them_in_every_hidden_layer():
    assert len(layers(NETWORK.generator(2, (2,)))) == 2


def test_only_networks_with_batch_statistics_need_reference_latents():
    assert has_batch_stats(new_game())
    assert not has_batch_stats(new_game(MLP(width=16)))


def test_gains_start_at_one_and_their_biases_at_zero():
    (first, _) = layers(NETWORK.generator(2, (2,)))
    start = new_game().initial_state([3, 4])["G"]
    assert first.gain.shape == (16,)
    assert torch.equal(start["1.gain"], torch.ones(2, 16))
    assert torch.equal(start["1.bias"], torch.zeros(2, 16))


def test_a_sample_does_not_depend_on_which_others_are_drawn(training: Training):
    draw = sampler(training.game)
    z, noise = torch.randn(2, 32, 2), torch.zeros(2, 32, 2)
    reference = latents([3, 4], "statistics.z", 0, REFERENCE_LATENTS, 2, "cpu")
    others = torch.cat([z[:, :1], 3 * z[:, 1:]], dim=1)
    first, second = (draw(training.state["G"], training.swept, latent, noise, reference) for latent in (z, others))
    assert torch.equal(first[:, 0], second[:, 0])


def test_more_samples_begin_with_the_fewer(training: Training):
    few, many = training.samples("test", 0, 32), training.samples("test", 0, 96)
    torch.testing.assert_close(torch.from_numpy(few), torch.from_numpy(many[:, :32]), rtol=0, atol=1e-5)


def test_sampling_normalises_by_the_statistics_of_the_reference_latents(training: Training):
    params = {name: p[0] for name, p in training.state["G"].items()}
    (reference,) = latents([3], "statistics.z", 0, REFERENCE_LATENTS, 2, "cpu")
    (z,) = latents([3], "test.z", 0, 32, 2, "cpu")
    for layer in (0, 3):  # linear layers, each followed by its statistics and its activation
        weight, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
        reference, z = reference @ weight.T + bias, z @ weight.T + bias
        variance, centre = torch.var_mean(reference, dim=0, correction=0)
        scale = params[f"{layer + 1}.gain"] / (variance + 1e-5).sqrt()
        reference, z = (((v - centre) * scale + params[f"{layer + 1}.bias"]).relu() for v in (reference, z))
    expected = z @ params["6.weight"].T + params["6.bias"]
    torch.testing.assert_close(torch.from_numpy(training.samples("test", 0, 32)[0]), expected, rtol=0, atol=1e-4)
