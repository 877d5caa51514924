"""The parameters of a network in one vector: read by name, a leaf to `torch.func`, with nothing between them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.utils import _pytree as pytree

from ganbench.networks.parameters import ALIGNED, Parameters


def named() -> dict[str, Tensor]:
    return {"weight": torch.arange(6.0).reshape(2, 3), "scale": torch.tensor(7.0), "bias": torch.tensor([8.0, 9.0])}


def test_what_is_joined_is_read_again():
    found = Parameters.joined(named())
    assert list(found) == ["weight", "scale", "bias"]
    assert len(found) == 3
    assert all(torch.equal(found[name], p) for name, p in named().items())


def test_leading_axes_are_those_of_every_parameter():
    stacked = {name: torch.stack([p, p + 1, p + 2]) for name, p in named().items()}
    found = Parameters.joined(stacked, leading=1)
    assert found.flat.shape == (3, 3 * ALIGNED)
    assert all(torch.equal(found[name], p) for name, p in stacked.items())


def test_parameters_begin_at_whole_registers_with_zeros_between_them():
    flat = Parameters.joined(named()).flat
    assert flat.tolist() == [0, 1, 2, 3, 4, 5, *[0] * 10, 7, *[0] * 15, 8, 9, *[0] * 14]


def test_an_unknown_name_is_a_key_error():
    with pytest.raises(KeyError, match="gain"):
        Parameters.joined(named())["gain"]


def test_a_view_writes_into_the_vector():
    found = Parameters.joined(named())
    found["bias"][1] = -1.0
    assert found.flat[2 * ALIGNED + 1] == -1


def test_it_is_one_leaf_of_a_tree_and_is_mapped_by_vmap():
    stacked = Parameters.joined({name: torch.stack([p, 2 * p]) for name, p in named().items()}, leading=1)
    assert len(pytree.tree_leaves({"G": stacked})) == 1
    doubled = vmap(lambda p: pytree.tree_map(lambda leaf: 2 * leaf, p))(stacked)
    assert isinstance(doubled, Parameters)
    assert torch.equal(doubled["weight"][1], 4 * named()["weight"])
