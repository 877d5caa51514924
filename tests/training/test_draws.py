"""Batches are keyed by seed and step, and by nothing else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from ganbench.streams import STEPS_PER_BLOCK
from ganbench.targets.mixtures import Ring8
from ganbench.training.draws import Draws, latents

ALL = frozenset({"z2", "u", "noise"})
STEPS = (0, 5, STEPS_PER_BLOCK - 1, STEPS_PER_BLOCK, 3 * STEPS_PER_BLOCK + 7)


def draws(seeds: list[int], extra: frozenset[str] = ALL) -> Draws:
    return Draws(seeds, Ring8(), 16, 3, extra, "cpu")


def series(draws: Draws, field: str, lane: int = 0, steps: range = range(STEPS_PER_BLOCK)) -> np.ndarray:
    """All values of one field of a lane over some steps, in one row."""
    return np.concatenate([draws.at(step)[field][lane].numpy().ravel() for step in steps])


def test_the_fields_have_the_shapes_of_the_batch():
    shapes = {name: tuple(v.shape) for name, v in draws([3, 4]).at(0).items()}
    assert shapes == {"x": (2, 16, 2), "z": (2, 16, 3), "z2": (2, 16, 3), "u": (2, 16), "noise": (2, 16, 2)}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_s_batch_does_not_depend_on_what_else_an_objective_draws(step: int):
    few, many = draws([3], frozenset()).at(step), draws([3]).at(step)
    assert set(few) == {"x", "z"}
    assert all(torch.equal(few[name], many[name]) for name in few)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_s_batch_does_not_depend_on_the_other_lanes(step: int):
    alone, among = draws([3]).at(step), draws([7, 1, 3, 9]).at(step)
    assert all(torch.equal(alone[name][0], among[name][2]) for name in alone)


def test_a_step_s_batch_does_not_depend_on_the_steps_before():
    straight, jumping = draws([3]), draws([3])
    expected = {step: straight.at(step) for step in sorted(STEPS)}
    for step in reversed(STEPS):
        assert all(torch.equal(v, expected[step][name]) for name, v in jumping.at(step).items())


@pytest.mark.parametrize("field", ["x", "z", "z2", "u", "noise"])
def test_no_two_steps_share_a_value_of_a_field(field: str):
    one = draws([3])
    batches = [one.at(step)[field] for step in STEPS]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(batches, 2))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    n = min(len(a), len(b))
    return float(np.corrcoef(a[:n], b[:n])[0, 1]) * n**0.5


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(["x", "z", "z2", "u", "noise"], 2)))
def test_different_streams_are_uncorrelated(a: str, b: str):
    # in units of the standard error, 10 pairs at 5: false-alarm rate 6e-6
    one = draws([3])
    assert abs(correlation(series(one, a), series(one, b))) < 5


@pytest.mark.parametrize("field", ["x", "z", "z2", "u", "noise"])
def test_different_seeds_and_blocks_are_uncorrelated(field: str):
    # in units of the standard error, 10 pairs at 5: false-alarm rate 6e-6
    two = draws([3, 4])
    first = series(two, field)
    assert abs(correlation(first, series(two, field, lane=1))) < 5
    assert abs(correlation(first, series(two, field, steps=range(STEPS_PER_BLOCK, 2 * STEPS_PER_BLOCK)))) < 5


def test_latents_outside_training_are_keyed_by_seed_stream_and_block():
    base = latents([3, 4], "evaluation", 1, 32, 2, "cpu")
    assert torch.equal(latents([4], "evaluation", 1, 32, 2, "cpu")[0], base[1])
    assert not torch.equal(latents([3], "evaluation", 2, 32, 2, "cpu")[0], base[0])
    assert not torch.equal(latents([3], "snapshot", 1, 32, 2, "cpu")[0], base[0])


def test_latents_are_none_of_the_training_s():
    held = draws([3]).at(0)["z"].flatten()
    assert not np.isin(latents([3], "evaluation.z", 0, 32, 3, "cpu").flatten(), held).any()
