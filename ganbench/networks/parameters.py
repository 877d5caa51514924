"""The parameters of a network in one vector, read by name.

An optimiser steps through one long tensor where it would step through many short ones, and compiled code takes one
argument in the place of each parameter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

ALIGNED = 16
"""Every parameter begins at a multiple of it: 64 bytes in fp32, a vector register of a processor."""

Layout = tuple[tuple[str, tuple[int, ...]], ...]
"""Name and shape of each parameter, in order."""


class Parameters(Mapping[str, Tensor]):
    """Parameter name -> a view of `flat` (..., P); leading axes of `flat` are leading axes of each.

    What lies between two parameters is 0 and stays so: no gradient reaches it. To `torch.utils._pytree`, and so to
    `torch.func`, it is a node with the one leaf `flat`.

    >>> two = Parameters.joined({"weight": torch.ones(2, 3), "bias": torch.zeros(2)})
    >>> two.flat.shape, two["weight"].shape
    (torch.Size([32]), torch.Size([2, 3]))
    """

    def __init__(self, flat: Any, layout: Layout):
        self.flat = flat  # a tensor, but in a tree of axes, where `torch.func` puts an axis in its place
        self.layout = layout

    @classmethod
    def joined(cls, named: Mapping[str, Tensor], leading: int = 0) -> Parameters:
        """Separate tensors as one vector, of which the first `leading` axes are no part."""
        layout = tuple((name, tuple(p.shape[leading:])) for name, p in named.items())
        rows = [p.flatten(leading) if p.dim() > leading else p.unsqueeze(-1) for p in named.values()]
        return cls(torch.cat([torch.nn.functional.pad(row, (0, _gap(row.shape[-1]))) for row in rows], dim=-1), layout)

    def __getitem__(self, name: str) -> Tensor:
        start = 0
        for known, shape in self.layout:
            size = math.prod(shape)
            if known == name:
                return self.flat.narrow(-1, start, size).reshape((*self.flat.shape[:-1], *shape))
            start += size + _gap(size)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.layout)

    def __len__(self) -> int:
        return len(self.layout)


def _gap(size: int) -> int:
    return -size % ALIGNED


def _leaves(parameters: Any) -> tuple[list[Any], Layout]:
    return [parameters.flat], parameters.layout


def _node(leaves: Any, layout: Layout) -> Any:  # of type Parameters, whose values a checker of types would look at
    (flat,) = leaves
    return Parameters(flat, layout)


pytree.register_pytree_node(Parameters, _leaves, _node, serialized_type_name="ganbench.networks.parameters.Parameters")
