"""A NaN or an infinity anywhere in one replica, at any iteration, ends that replica there and changes no other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import lru_cache

import pytest
import torch
from ensembles import ADAM, BIG, SMALL, WIDTH, lane, new, same_bits
from torch import Tensor
from torch.utils import _pytree as pytree

from ganbench.catalogue import OBJECTIVES
from ganbench.objectives.minimax import NonSaturating
from ganbench.training.ensemble import State
from ganbench.training.loop import Lane, Training

BAD = (torch.nan, torch.inf, -torch.inf)
AFTER = 2
"""Iterations that follow the bad number; the first of them must notice it."""
Poison = tuple[int, int, int, float]
"""Finished iterations, lane, number of the tensor and value."""


class Ensemble:
    """A healthy ensemble, whose states after each of its first iterations are known."""

    def __init__(self, name: str, iterations: int, compiled: bool):
        # one graph to compile instead of two
        objective = NonSaturating(updates="simultaneous") if compiled else OBJECTIVES.load(name)()
        self.training = new([Lane(objective, ADAM, s) for s in range(WIDTH)], BIG if compiled else SMALL, compiled)
        self.states: list[State] = []
        for iteration in range(1, iterations + AFTER + 1):
            self.states.append(self.training.state)
            self.training.advance(iteration)
        self.states.append(self.training.state)

    def tensors(self) -> list[int]:
        """The numbers of what a player or an optimiser keeps."""
        leaves = pytree.tree_leaves(self.states[0])
        return [number for number, leaf in enumerate(leaves) if leaf.is_floating_point() and leaf.dim() > 1]

    def after(self, poison: Poison) -> Training:
        """Two iterations beyond the state into which a bad value was put."""
        finished, place, number, value = poison
        leaves, structure = pytree.tree_flatten(self.states[finished])
        leaves[number] = spoilt(leaves[number], place, value)
        self.training.state, self.training.iteration = pytree.tree_unflatten(leaves, structure), finished
        self.training.advance(finished + AFTER)
        return self.training

    def expected(self, finished: int, place: int) -> list[Tensor]:
        return [leaf[place] for leaf in pytree.tree_leaves(self.states[finished + AFTER])]


def spoilt(leaf: Tensor, place: int, value: float) -> Tensor:
    leaf = leaf.clone()
    leaf[place].view(-1)[0] = value
    return leaf


@lru_cache(maxsize=1)
def healthy(name: str, iterations: int, compiled: bool = False) -> Ensemble:
    return Ensemble(name, iterations, compiled)


def check(ensemble: Ensemble, poisons: Iterable[Poison]) -> None:
    for poison in poisons:
        finished, place, *_ = poison
        training = ensemble.after(poison)
        found = training.diverged_at().tolist()
        assert found == [finished + 1 if other == place else -1 for other in range(WIDTH)], poison
        others = [other for other in range(WIDTH) if other != place]
        assert all(same_bits(lane(training, other), ensemble.expected(finished, other)) for other in others), poison


def test_a_bad_number_in_each_lane_ends_that_lane_where_it_came():
    ensemble = healthy("non-saturating", 6)
    turns = itertools.cycle(itertools.product(ensemble.tensors(), BAD))
    check(ensemble, ((finished, place, *next(turns)) for finished in (0, 1, 5) for place in range(WIDTH)))


@pytest.mark.torture
@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_a_bad_number_in_each_lane_at_each_of_forty_iterations_ends_that_lane_where_it_came(name: str):
    ensemble = healthy(name, 40)
    turns = itertools.cycle(itertools.product(ensemble.tensors(), BAD))
    check(ensemble, ((finished, place, *next(turns)) for finished in range(40) for place in range(WIDTH)))


@pytest.mark.torture
def test_compiled_a_bad_number_in_each_lane_and_each_tensor_ends_that_lane_where_it_came():
    ensemble = healthy("non-saturating", 20, compiled=True)
    values = itertools.cycle(BAD)
    places = itertools.product((0, 1, 7, 20), range(WIDTH), ensemble.tensors())
    check(ensemble, ((*place, next(values)) for place in places))
