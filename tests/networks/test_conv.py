"""Convolutions, computed in either way, against torch's own; and what the image networks are made of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganbench.networks.conv import ROWS, Conv, Doubling, Halving, Mixing, ResNet, Windowed, halvings
from ganbench.networks.initialisation import initial_params, with_convolution
from ganbench.networks.mlp import BatchStats


def filled(module: nn.Module) -> nn.Module:
    """The module in float64 with standard normal parameters."""
    rng = torch.Generator().manual_seed(0)
    for p in module.double().parameters():
        p.data.normal_(generator=rng)
    return module


def first(v: Tensor) -> Tensor:
    """Channels first, as torch has them."""
    return v.permute(0, 3, 1, 2)


def kernel_and_bias(layer: nn.Module) -> tuple[Tensor, Tensor]:
    return layer.get_parameter("weight"), layer.get_parameter("bias")


def doubling_in_torch_s_terms(v: Tensor, layer: nn.Module) -> Tensor:
    (weight, bias), c = kernel_and_bias(layer), v.shape[1]
    o = len(bias)
    kernel = torch.empty(c, o, 4, 4, dtype=v.dtype)
    for row in range(4):
        for column in range(4):
            (a, i), (b, j) = divmod(row, 2), divmod(column, 2)
            at = (2 * i + j) * o
            kernel[:, :, row, column] = weight[at : at + o, :, a, b].T
    return F.conv_transpose2d(v, kernel, bias, stride=2, padding=1)


PAIRS: dict[str, tuple[Callable[[], nn.Module], Callable[[Tensor, nn.Module], Tensor]]] = {
    "halving": (lambda: Halving(5, 7), lambda v, m: F.conv2d(v, *kernel_and_bias(m), stride=2, padding=1)),
    "mixing": (lambda: Mixing(5), lambda v, m: F.conv2d(v, *kernel_and_bias(m), padding=1)),
    "doubling": (lambda: Doubling(5, 7), doubling_in_torch_s_terms),
}


each_way = pytest.mark.parametrize("way", ["products", "torch"])
each_pair = pytest.mark.parametrize(("make", "torch_s"), PAIRS.values(), ids=PAIRS.keys())


@each_way
@each_pair
def test_a_convolution_is_torch_s_convolution(make: Callable, torch_s: Callable, way: str):
    layer, v = with_convolution(filled(make()), way), torch.randn(3, 8, 12, 5, dtype=torch.float64)
    torch.testing.assert_close(first(layer(v)), torch_s(first(v), layer), rtol=0, atol=1e-12)


@each_way
@each_pair
def test_a_slope_and_the_slope_of_a_slope_are_torch_s_too(make: Callable, torch_s: Callable, way: str):
    # what a gradient penalty descends: the gradient by the weights of the squared gradient by the images
    layer = with_convolution(filled(make()), way)
    v, weight = torch.randn(2, 4, 4, 5, dtype=torch.float64, requires_grad=True), layer.get_parameter("weight")
    found = []
    for out in (first(layer(v)), torch_s(first(v), layer)):
        slopes = torch.autograd.grad(out.pow(3).sum(), (v, weight), create_graph=True)
        found.append((*slopes, torch.autograd.grad(slopes[0].square().sum(), weight)[0]))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("module", [ResNet(width=2).critic((1, 8, 8), 1), ResNet(width=2).generator(5, (1, 8, 8))])
def test_all_convolutions_of_a_network_are_computed_in_one_way(module: nn.Module):
    for way in ("torch", "products"):
        assert {m.way for m in with_convolution(module, way).modules() if isinstance(m, Windowed)} == {way}


@pytest.mark.parametrize("make", [lambda: Halving(1, 2), lambda: Mixing(2), lambda: Doubling(2, 1)])
def test_many_images_in_parts_are_what_they_are_one_by_one(make: Callable[[], nn.Module]):
    layer = filled(make())
    c = layer.get_parameter("weight").shape[1]
    v = torch.randn(ROWS + 5, 8, 8, c, dtype=torch.float64)
    torch.testing.assert_close(layer(v)[-6:], layer(v[-6:]), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 8, 8), 2),
        ((1, 28, 28), 2),
        ((3, 32, 32), 3),
        ((3, 64, 64), 4),
        ((1, 12, 20), 2),
        ((1, 6, 6), 1),
        ((1, 4, 4), 1),
        ((1, 2, 2), 0),
        ((1, 9, 8), 0),
    ],
)
def test_sides_are_halved_to_4_pixels_or_to_2_where_that_leaves_fewer_than_two_stages(
    shape: tuple[int, int, int], expected: int
):
    assert halvings(shape) == expected


@pytest.mark.parametrize("network", [Conv(width=2), ResNet(width=2)])
def test_channels_double_at_every_halving(network: Conv):
    halving = [m for m in network.critic((3, 32, 32), 1).modules() if isinstance(m, Halving)]
    doubling = [m for m in network.generator(5, (3, 32, 32)).modules() if isinstance(m, Doubling)]
    assert [m.weight.shape[:2] for m in halving] == [(2, 3), (4, 2), (8, 4)]
    assert [(m.weight.shape[1], m.bias.shape[0]) for m in doubling] == [(8, 4), (4, 2), (2, 3)]


def test_a_residual_network_whose_branches_are_zero_is_the_plain_one():
    plain, residual = (filled(n.generator(5, (1, 28, 28))) for n in (Conv(width=2), ResNet(width=2, blocks=2)))
    mixing = [m for m in residual.modules() if isinstance(m, Mixing)]
    assert len(mixing) == 8
    for m in mixing:
        nn.init.zeros_(m.weight)
        nn.init.zeros_(m.bias)
    shared = [p for m in residual.modules() if isinstance(m, nn.Linear | Doubling) for p in m.parameters()]
    for p, q in zip(plain.parameters(), shared, strict=True):
        p.data.copy_(q)
    z = torch.randn(4, 5, dtype=torch.float64)
    assert torch.equal(plain(z), residual(z))


@pytest.mark.parametrize("network", [Conv(width=2), ResNet(width=2)])
def test_a_generator_s_pixels_lie_in_the_images_range(network: Conv):
    images = filled(network.generator(5, (1, 8, 8)))(100 * torch.randn(50, 5, dtype=torch.float64))
    assert images.min() < -0.9
    assert images.max() > 0.9
    assert images.abs().max() <= 1


@pytest.mark.parametrize("network", [Conv(batch_stats=True), ResNet(batch_stats=True)])
def test_batch_statistics_stand_in_the_generator_alone(network: Conv):
    def stands(module: nn.Module) -> bool:
        return any(isinstance(m, BatchStats) for m in module.modules())

    assert stands(network.generator(5, (1, 8, 8)))
    assert not stands(network.critic((1, 8, 8), 1))


def test_batch_statistics_of_images_are_torch_s_batch_normalisation_of_channels():
    v, layer = 3 + 5 * torch.randn(6, 4, 5, 3, dtype=torch.float64), filled(BatchStats(3))
    gain, bias = layer.parameters()
    expected = F.batch_norm(first(v), None, None, gain, bias, training=True)
    torch.testing.assert_close(first(layer(v)), expected)


def test_a_pixel_that_a_doubling_makes_starts_with_the_variance_of_a_dense_layer_s_output():
    # weights within 1/sqrt(4c) of 0 have the variance 1/(12c), and 4c of them meet values of variance 1: 1/3
    c, o = 32, 32
    layer = Doubling(c, o)
    layer.weight.data = torch.from_numpy(initial_params(layer, 0, "G")["weight"])
    nn.init.zeros_(layer.bias)
    v = torch.randn(16, 8, 8, c, generator=torch.Generator().manual_seed(0))
    # 16,384 weights and 32,768 numbers: the spread over seeds is 1 %, the bound 5 standard deviations
    assert layer(v)[:, 1:-1, 1:-1].var().item() == pytest.approx(1 / 3, rel=0.05)


@pytest.mark.parametrize(
    ("shape", "words"), [((64,), "found samples of shape (64,)"), ((1, 9, 8), "found images of 9x8")]
)
def test_a_shape_that_is_no_image_s_is_refused_with_what_was_found(shape: tuple[int, ...], words: str):
    assert words in str(Conv().inapplicable(shape))
