"""A replica's bits depend on nothing but itself: not on its neighbours, its lane, or whether others diverge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ensembles import BIG, SMALL, lane, new, same_bits, trained

from ganbench.catalogue import OBJECTIVES
from ganbench.objectives.contract import Batch, Network
from ganbench.objectives.em import EM
from ganbench.objectives.minimax import NonSaturating
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import SGD, Adam

ITERATIONS = 3
SHUFFLED = [int(s) for s in np.random.default_rng(0).permutation(32)]
CHUNKS = [SHUFFLED[i : i + 8] for i in range(0, 32, 8)]
"""32 seeds split in four; seed 3 stands neither first nor fourth in its chunk."""

# one graph to compile instead of two
COMPILED = NonSaturating(updates="simultaneous")
each_objective = pytest.mark.parametrize("name", OBJECTIVES.names())


def among_32() -> tuple[list[int], int]:
    """The chunk that holds seed 3, and its lane there."""
    (chunk,) = (c for c in CHUNKS if 3 in c)
    return chunk, chunk.index(3)


@each_objective
def test_a_seed_alone_among_8_and_among_32_is_the_same(name: str):
    objective = OBJECTIVES.load(name)()
    alone = lane(trained([3], ITERATIONS, objective, size=BIG), 0)
    chunk, place = among_32()
    assert place not in (0, 3)
    assert same_bits(alone, lane(trained(list(range(8)), ITERATIONS, objective, size=BIG), 3))
    assert same_bits(alone, lane(trained(chunk, ITERATIONS, objective, size=BIG), place))


@each_objective
def test_one_seed_in_every_lane_gives_equal_lanes(name: str):
    training = trained([3] * 8, ITERATIONS, OBJECTIVES.load(name)(), size=BIG)
    assert all(same_bits(lane(training, 0), lane(training, i)) for i in range(1, 8))


@each_objective
def test_the_same_run_twice_gives_the_same_bits(name: str):
    first, second = (trained([3, 4], ITERATIONS, OBJECTIVES.load(name)()) for _ in range(2))
    assert all(same_bits(lane(first, i), lane(second, i)) for i in range(2))


@each_objective
def test_a_run_in_two_pieces_is_the_run_in_one(name: str):
    whole, pieces = (trained([3, 4], i, OBJECTIVES.load(name)()) for i in (5, 2))
    pieces.advance(5)
    assert same_bits(lane(whole, 1), lane(pieces, 1))


def test_compiled_a_seed_alone_among_8_and_among_32_is_the_same():
    alone = lane(trained([3], ITERATIONS, COMPILED, size=BIG, compiled=True), 0)
    chunk, place = among_32()
    assert same_bits(alone, lane(trained(list(range(8)), ITERATIONS, COMPILED, size=BIG, compiled=True), 3))
    assert same_bits(alone, lane(trained(chunk, ITERATIONS, COMPILED, size=BIG, compiled=True), place))


def test_compiled_one_seed_in_every_lane_gives_equal_lanes():
    training = trained([3] * 8, ITERATIONS, COMPILED, size=BIG, compiled=True)
    assert all(same_bits(lane(training, 0), lane(training, i)) for i in range(1, 8))


def test_compiled_and_eager_agree_to_rounding():
    # Adam divides by the root of its second moment: gradients near 0 turn rounding into steps, so few iterations
    eager, compiled = (trained([3], 1, COMPILED, size=BIG, compiled=c) for c in (False, True))
    for p, q in zip(lane(eager, 0), lane(compiled, 0), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-4)


def test_compiled_a_replica_that_diverges_leaves_its_neighbours_alone():
    _a_poisoned_lane_leaves_its_neighbours_alone([Lane(COMPILED, Adam(), seed) for seed in range(8)], True)


@each_objective
def test_a_replica_that_diverges_leaves_its_neighbours_alone(name: str):
    objective = OBJECTIVES.load(name)()
    _a_poisoned_lane_leaves_its_neighbours_alone([Lane(objective, Adam(), seed) for seed in range(8)], False)


def _a_poisoned_lane_leaves_its_neighbours_alone(lanes: list[Lane], compiled: bool) -> None:
    healthy, poisoned = (new(lanes, BIG if compiled else SMALL, compiled) for _ in range(2))
    for training in (healthy, poisoned):
        training.advance(2)
    poison(poisoned, 2)
    for training in (healthy, poisoned):
        training.advance(4)
    assert poisoned.alive().tolist() == [i != 2 for i in range(8)]
    assert all(same_bits(lane(healthy, i), lane(poisoned, i)) for i in range(8) if i != 2)


def poison(training: Training, index: int) -> None:
    """Sets one weight of a lane's critic to NaN, or of its generator where it has no critic."""
    params = training.state[training.game.objective.players[0]]
    next(iter(params.values()))[index, 0] = torch.nan


@each_objective
def test_a_replica_diverges_in_the_iteration_that_follows_its_last_finite_one(name: str):
    training = trained([3, 4, 5], 2, OBJECTIVES.load(name)())
    poison(training, 2)
    training.advance(4)
    assert training.diverged_at().tolist() == [-1, -1, 3, -1, -1, -1, -1, -1]


def test_a_frozen_replica_keeps_its_bits():
    training = trained([3, 4, 5], 2)
    poison(training, 2)
    training.advance(3)
    before = lane(training, 2)
    training.advance(6)
    assert same_bits(lane(training, 2), before)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.torture)])  # 10 s to compile
def test_an_infinite_rate_freezes_its_lane_at_finite_weights(compiled: bool):
    # the loss that is taken before the step is finite: the weights alone tell
    lanes = [Lane(NonSaturating(), SGD(lr_d=rate, lr_g=0.1), 3) for rate in (0.1, np.inf, 0.2)]
    training = new(lanes, SMALL, compiled)
    training.advance(5)
    assert training.diverged_at().tolist() == [-1, 1, *[-1] * 6]
    assert training.alive().tolist() == [True, False] + [True] * 6
    assert all(torch.isfinite(leaf).all() for leaf in lane(training, 1))


def test_a_frozen_replica_stays_frozen_though_it_would_be_finite_again():
    training = trained([3, 4, 5], 2)
    training.state = {**training.state, "alive": torch.arange(8) != 2}
    before = lane(training, 2)
    training.advance(4)
    assert same_bits(lane(training, 2), before)


class InfiniteAtTheSecond(NonSaturating):
    """A discriminator's loss that is infinite in iteration 2, with finite gradients."""

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> torch.Tensor:
        return super().d_loss(G, D, b) + torch.where(b.t == 2, torch.inf, 0.0)


def test_an_infinite_loss_is_a_divergence_though_its_gradient_is_finite():
    assert trained([3], 4, InfiniteAtTheSecond()).diverged_at().tolist() == [2] * 8


class SteepAtTheSecond(NonSaturating):
    """A discriminator's loss whose gradients in iteration 2 are finite and have infinite squares."""

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> torch.Tensor:
        return super().d_loss(G, D, b) * torch.where(b.t == 2, 1e25, 1.0)


def test_an_infinite_moment_of_the_optimiser_is_a_divergence_though_the_weights_stay_finite():
    training = trained([3], 4, SteepAtTheSecond())
    assert training.diverged_at().tolist() == [2] * 8
    assert all(torch.isfinite(leaf).all() for leaf in lane(training, 0))


def test_a_replica_with_another_rate_is_the_one_it_would_be_by_itself():
    mixed = new([Lane(EM(temperature=t), SGD(lr_g=t), 3) for t in (1.0, 2.0, 4.0)], SMALL)
    alone = new([Lane(EM(temperature=4.0), SGD(lr_g=4.0), 3)], SMALL)
    for training in (mixed, alone):
        training.advance(3)
    assert same_bits(lane(mixed, 2), lane(alone, 0))


def test_games_that_differ_in_swept_numbers_alone_share_their_code():
    first, second = (trained([3], 0, EM(temperature=t), SGD(lr_d=t)).game for t in (1.0, 2.0))
    assert first == second
    assert hash(first) == hash(second)
    assert isinstance(first, Game)


def test_compiled_and_eager_replicas_stay_within_1e_5_for_100_iterations():
    assert_within_1e_5(*(trained([3, 4], 100, size=BIG, compiled=compiled) for compiled in (False, True)))


@pytest.mark.torture
@each_objective
def test_compiled_and_eager_replicas_of_every_objective_stay_within_1e_5_for_100_iterations(name: str):
    # by descent: Adam makes whole steps of a gradient that is 0 but for rounding, such as that of a Wasserstein
    # critic's last bias, and so of the order of its sums
    # at 1e-3 Cramér's steep penalty doubles any difference in some 5 iterations
    rate = 1e-4 if name == "cramer" else 1e-3
    objective, descent = OBJECTIVES.load(name)(), SGD(lr_d=rate, lr_g=rate)
    assert_within_1e_5(*(trained([3, 4], 100, objective, descent, compiled=compiled) for compiled in (False, True)))


def assert_within_1e_5(eager: Training, fast: Training) -> None:
    for player in eager.game.objective.players:
        for name, p in eager.state[player].items():
            torch.testing.assert_close(fast.state[player][name], p, rtol=0, atol=1e-5)
