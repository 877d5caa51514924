"""Every registered target keeps the contract."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from example_targets import EXAMPLES

from ganbench import streams
from ganbench.targets.contract import Target


@pytest.fixture(params=EXAMPLES, ids=lambda target: type(target).__name__)
def target(request: pytest.FixtureRequest) -> Target:
    return request.param


def draws(target: Target, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = streams.generator(0, "test.draws")
    u = torch.from_numpy(streams.uniform(rng, n, target.uniforms))
    return u, torch.from_numpy(streams.normal(rng, n, target.normals))


def test_a_target_states_its_source_units_and_summary(target: Target):
    assert target.source
    assert target.units
    assert type(target).__doc__


def test_a_target_counts_its_modes_or_has_none(target: Target):
    assert target.modes is None or target.modes >= 1


def test_two_targets_with_equal_fields_are_one_key(target: Target):
    assert {target: "floor"}[dataclasses.replace(target)] == "floor"  # type: ignore[type-var]  # all are dataclasses


def test_a_sample_has_the_target_s_shape_and_the_precision_of_its_draws(target: Target):
    u, z = draws(target, 6)
    assert target.sample(u, z).shape == (6, *target.shape)
    assert target.sample(u, z).dtype == torch.float32
    assert target.sample(u.double(), z.double()).dtype == torch.float64


@pytest.mark.parametrize("block", [1, 7, 33])
def test_a_sample_has_the_same_bits_however_the_draws_are_split(target: Target, block: int):
    u, z = draws(target, 231)
    parts = [target.sample(a, b) for a, b in zip(u.split(block), z.split(block), strict=True)]
    assert torch.equal(torch.cat(parts), target.sample(u, z))


def test_a_sample_has_the_same_bits_on_any_leading_axes(target: Target):
    u, z = draws(target, 231)
    folded = target.sample(u.reshape(3, 7, 11, -1), z.reshape(3, 7, 11, target.normals))
    assert torch.equal(folded.reshape(231, *target.shape), target.sample(u, z))


def test_a_sample_under_vmap_is_the_sample(target: Target):
    u, z = draws(target, 30)
    u, z = u.reshape(5, 6, -1), z.reshape(5, 6, target.normals)
    assert torch.equal(torch.func.vmap(target.sample)(u, z), target.sample(u, z))


def test_the_last_uniform_below_one_gives_a_sample(target: Target):
    u = torch.full((1, target.uniforms), float(np.nextafter(np.float32(1), np.float32(0))))
    assert torch.isfinite(target.sample(u, torch.zeros(1, target.normals))).all()


def test_scale_is_the_root_mean_squared_distance_from_the_mean(target: Target):
    # 5 standard errors on each of 14 targets: false-alarm rate 8e-6
    x = target.sample(*draws(target, 20_000)).double()
    squares = (x - x.mean(0)).square().flatten(1).sum(1)
    standard_error = float(squares.std()) / 20_000**0.5
    assert target.scale**2 == pytest.approx(float(squares.mean()), abs=5 * standard_error)


def test_reference_samples_are_keyed_and_in_double_precision(target: Target):
    first, second = (target.reference(streams.generator(3, "test.reference"), 50) for _ in range(2))
    assert first.dtype == np.float64
    assert first.shape == (50, *target.shape)
    assert np.array_equal(first, second)


def test_oracle_samples_have_the_shape_of_reference_samples(target: Target):
    assert target.oracle(streams.generator(3, "test.oracle"), 50).shape == (50, *target.shape)


def test_moving_a_target_moves_its_tables_and_leaves_the_original(target: Target):
    moved = target.to("meta")
    tables = {name: table for name, table in vars(moved).items() if isinstance(table, torch.Tensor)}
    assert tables
    assert all(table.is_meta for table in tables.values())
    assert not any(getattr(target, name).is_meta for name in tables)
    assert moved == target
