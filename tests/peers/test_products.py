"""Products, bytes and rounds are counted as a hand counts them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from suites.peers import loop
from suites.peers.crew import shares
from suites.peers.linearity import fitted
from suites.peers.products import iteration_products, least_bytes
from suites.peers.rounds import ratio, spread
from suites.peers.work import Work


def flops(work: Work) -> int:
    return sum(product.flops for product in iteration_products(work))


class Counting(TorchDispatchMode):
    """Adds up the operations of all matrix products; torch's own counter cannot follow `autograd.grad`."""

    flops = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        count = flop_registry.get(function.overloadpacket)
        self.flops += count(*arguments, **(keywords or {}), out_val=result) if count else 0
        return result


def test_the_products_of_non_saturating_are_those_of_a_hand_count():
    """Two hidden layers of 3, batch 4: a pass of G multiplies 4 (6 + 9 + 6) = 84 times, one of D 4 (6 + 9 + 3) = 72."""
    passes_of_d_step = 84 + 2 * 72  # G(z); D on 4 real and 4 generated samples
    back_of_d_step = 2 * 72 + 2 * 4 * (9 + 3)  # weights of three layers; inputs of the upper two
    passes_of_g_step = 84 + 72
    back_of_g_step = 72 + 84 + 4 * (9 + 6)  # through D to its inputs; weights of G; inputs of its upper two
    multiplications = passes_of_d_step + back_of_d_step + passes_of_g_step + back_of_g_step
    assert flops(Work("non-saturating", hidden=3, batch=4)) == 2 * multiplications


@pytest.mark.parametrize("objective", ["non-saturating", "em", "wasserstein-gp", "cramer"])
def test_the_products_are_at_most_those_that_torch_counts_in_a_plain_loop(objective):
    """Autograd computes a few that nothing needs; nearly all are needed."""
    work = Work(objective, hidden=32, batch=16)
    replica, step = loop.Replica(work), loop.drawing(work)
    with Counting() as counting:
        replica.iterate(step)
    assert 0.8 * counting.flops <= flops(work) <= counting.flops


def test_the_least_bytes_are_those_of_a_hand_count():
    """Two hidden layers of 3, batch 4, fp32; each result of 3 columns is read and written, 8 bytes a number."""
    found = least_bytes(Work("non-saturating", hidden=3, batch=4))
    # D: G(z) 2 layers of 4 rows, D 2 of 8, back 2 of 8;  G: G(z) 2 of 4, D 2 of 4, back through D 2 of 4, through G 2
    assert found["activations"] == 8 * 3 * (2 * 4 + 2 * 8 + 2 * 8 + 2 * 4 + 2 * 4 + 2 * 4 + 2 * 4)
    # parameters of D 9 + 12 + 4, of G 9 + 12 + 8
    assert found["optimiser"] == 7 * 4 * (25 + 29)
    # x and z for D, z for G: 4 rows of 2 each
    assert found["draws"] == 4 * 3 * 8


def test_ratios_are_taken_round_by_round():
    slowed = [1.0, 2.0, 4.0]  # a busy machine slows both sides of a round
    assert ratio([2 * t for t in slowed], slowed) == (2.0, 2.0, 2.0)
    assert ratio([3.0, 2.0, 8.0], [1.0, 2.0, 2.0]) == (3.0, 1.0, 4.0)
    assert spread([5.0, 1.0, 2.0]) == (2.0, 1.0, 5.0)
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0], [1.0, 2.0])


def test_replicas_are_divided_in_whole_ensembles():
    assert shares(32, 2, 16) == [16, 16]
    assert shares(1, 2, 4) == [1]
    assert shares(128, 2, 16) == [64, 64]
    assert shares(40, 2, 16) == [32, 8]
    assert shares(33, 4, 1) == [9, 8, 8, 8]


def test_a_line_above_a_fixed_part_has_no_deviation_and_a_bent_one_has():
    seeds = np.array([8, 32, 128, 512])
    fixed, each, deviations = fitted(seeds, 0.5 + 0.01 * seeds)
    assert (fixed, each) == pytest.approx((0.5, 0.01))
    assert np.abs(deviations).max() < 1e-9
    assert np.abs(fitted(seeds, 0.01 * seeds**1.3)[2]).max() > 0.1


def test_a_loop_draws_only_what_a_step_uses():
    step = loop.drawing(Work("wasserstein-gp", hidden=3, batch=4))
    assert step("D").keys() == {"x", "z", "u"}
    assert step("G").keys() == {"z"}
    assert torch.isfinite(step("D")["x"]).all()
