"""bfloat16 in the networks alone, near fp32; tf32 where a GPU has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from images import SMALL, TRAINED, apart, ensemble, movement, short
from torch import Tensor, nn
from torch.func import grad, vmap
from torch.utils import _pytree as pytree

from ganbench.networks.conv import Conv
from ganbench.networks.mlp import MLP, BatchStats
from ganbench.objectives.contract import Batch, Player
from ganbench.objectives.minimax import NonSaturating
from ganbench.training.compilation import compiled
from ganbench.training.device import check_precision, in_bfloat16, use_precision
from ganbench.training.ensemble import Game, State


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("lift", ["vmap", "loop"])
def test_a_step_in_bfloat16_is_near_the_one_in_fp32_and_not_the_same(name: str, lift: str):
    step = "".join(short(name).players)
    fp32, bf16 = (movement(ensemble([3, 4], short(name), lift=lift, precision=p), step) for p in ("fp32", "bf16"))
    # eight binary digits: a product is within 2^-8 of its own, and a gradient passes through some six
    assert 1e-4 < apart(bf16, fp32) < 0.1


def test_weights_and_the_optimiser_s_state_stay_in_fp32_and_finite():
    training = ensemble([3, 4], NonSaturating(), precision="bf16")
    training.advance(2)
    assert training.alive().all()
    assert {leaf.dtype for leaf in pytree.tree_leaves(training.state)} == {torch.float32, torch.bool}


def test_a_compiled_gradient_in_bfloat16_is_near_the_one_in_fp32():
    trainings = [ensemble([3, 4], NonSaturating(), MLP(width=16, depth=1), precision=p) for p in ("fp32", "bf16")]
    fp32, bf16 = (slopes(training.game) for training in trainings)
    arguments = (trainings[0].state, trainings[0]._fields(0, 1))
    fast = compiled(bf16, arguments)(*arguments)
    assert fast.dtype is torch.float32
    assert 1e-4 < apart(fast, fp32(*arguments)) < 0.1


def slopes(game: Game) -> Callable[[State, dict[str, Tensor]], Tensor]:
    """The gradient of the discriminator's loss by its first weights, of every replica."""
    generator, critic = game.generator().to("meta"), game.critic().to("meta")

    def one(state: State, fields: dict[str, Tensor]) -> Tensor:
        G, D = Player(generator, state["G"]), Player(critic, state["D"])
        return grad(lambda p: game.objective.d_loss(G, D.with_params(p), Batch(**fields)))(D.params)["1.weight"]

    return vmap(one)


@pytest.mark.parametrize("network", [SMALL, Conv(width=4, batch_stats=True)], ids=("plain", "batch_stats"))
def test_images_sampled_in_bfloat16_are_near_those_in_fp32(network: Conv):
    fp32, bf16 = (ensemble([3], NonSaturating(), network, precision=p).samples("test", 0, 32) for p in ("fp32", "bf16"))
    assert 0 < abs(fp32 - bf16).max() < 0.05


def test_a_product_in_bfloat16_has_its_factors_rounded_and_its_result_in_fp32():
    layer, v = nn.Linear(7, 5, bias=False), torch.randn(3, 7)
    exact = v.bfloat16().double() @ layer.weight.bfloat16().double().T
    found = in_bfloat16(layer, "cpu")(v)
    assert found.dtype is torch.float32
    assert torch.equal(found, exact.float().bfloat16().float())


def test_batch_statistics_are_taken_in_fp32():
    v = 1000 + torch.arange(8.0).reshape(-1, 1).bfloat16() * 8
    assert torch.equal(BatchStats(1)(v), BatchStats(1)(v.float()))


def test_tf32_on_a_cpu_is_refused_with_what_to_use():
    with pytest.raises(ValueError, match="use fp32 or bf16"):
        check_precision("tf32", "cpu")


@pytest.fixture
def flags() -> Iterator[None]:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


@pytest.mark.usefixtures("flags")
@pytest.mark.parametrize(("precision", "rounds"), [("tf32", True), ("fp32", False), ("bf16", False)])
def test_products_and_convolutions_of_a_gpu_round_to_tf32_where_a_game_says_so(precision: str, rounds: bool):
    use_precision("fp32" if rounds else "tf32", "cuda")
    use_precision(precision, "cuda")
    assert torch.backends.cuda.matmul.allow_tf32 is rounds
    assert torch.backends.cudnn.allow_tf32 is rounds


@pytest.mark.usefixtures("flags")
def test_a_cpu_s_products_are_left_alone():
    torch.set_float32_matmul_precision("high")
    use_precision("fp32", "cpu")
    assert torch.get_float32_matmul_precision() == "high"
