"""Machine code for a step: traced to one flat graph of tensor operations, mended, and given to torch's compiler."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

NARROW = 16
"""Columns under which a batched product is slow on a CPU and its transpose is not, see `_swap_narrow_products`."""


class NoCompiler(RuntimeError):
    """No C++ compiler answers, so nothing can be compiled; the message says how to go on without."""


def compiled(function: Callable[..., Any], example: tuple[Any, ...]) -> Callable[..., Any]:
    """A function of nested tensors as machine code for the shapes of the example. Raises NoCompiler.

    The function is traced to tensor operations first, through `torch.func`: what is compiled is one flat graph,
    whatever Python an objective is written in, and a call checks no guards. Tracing runs the function once.
    """
    leaves, structure = pytree.tree_flatten(example)
    output: list[pytree.TreeSpec] = []

    def flat(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        flat_result, spec = pytree.tree_flatten(function(*pytree.tree_unflatten(tensors, structure)))
        output.append(spec)
        return tuple(flat_result)

    with torch.no_grad(), warnings.catch_warnings():
        # deprecations inside torch's own lowering, nothing that a user of ganbench can act on
        warnings.simplefilter("ignore", FutureWarning)
        graph = make_fx(flat)(*leaves)
        graph.graph.eliminate_dead_code()
        _swap_narrow_products(graph.graph)
        graph.recompile()
        code = _inductor(graph, leaves)

    def call(*arguments: Any) -> Any:
        return pytree.tree_unflatten(code(*pytree.tree_leaves(arguments)), output[0])

    return call


def _inductor(graph: torch.fx.GraphModule, leaves: list[Any]) -> Callable[..., Any]:
    from torch._guards import TracingContext, tracing
    from torch._inductor import compile as inductor_compile
    from torch._inductor.exc import InvalidCxxCompiler
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    # without a shape environment torch keeps no compiled code on disk; with one it takes every size for a variable,
    # compiles for minutes and fails where a size is a product of others, unless it is told that they are fixed
    mode = FakeTensorMode(shape_env=ShapeEnv(), static_shapes=True)
    try:
        with tracing(TracingContext(mode)):
            return inductor_compile(graph, leaves)
    except InvalidCxxCompiler as error:
        raise NoCompiler(
            "no working C++ compiler: install one (g++ or clang), or run with --set execution.compiled=false"
        ) from error


def _swap_narrow_products(graph: torch.fx.Graph) -> None:
    """Writes A B as (B' A')' where B has few columns.

    The gradient of a first layer on plane data, (64, 256) by (256, 2), took 150 us for 8 replicas one way and 22 us the
    other (MKL 2024.2, one thread of an AMD EPYC); wider products take the same time both ways.
    """
    aten = torch.ops.aten
    bmm, transpose, clone = aten.bmm.default, aten.transpose.int, aten.clone.default
    for node in [node for node in graph.nodes if node.target is bmm]:
        rows, columns = node.meta["val"].shape[1:]
        if columns >= NARROW or rows <= columns:
            continue
        with graph.inserting_before(node):
            left, right = (graph.call_function(transpose, (factor, 1, 2)) for factor in node.args)
            product = graph.call_function(bmm, (right, left))
            swapped = graph.call_function(transpose, (product, 1, 2))
            # the graph was traced with rows in one piece: a later view of several axes as one holds for no other layout
            swapped = graph.call_function(clone, (swapped,), {"memory_format": torch.contiguous_format})
        node.replace_all_uses_with(swapped)
        graph.erase_node(node)
