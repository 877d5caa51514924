"""Machine code for a step: traced to one flat graph of tensor operations, mended, and given to torch's compiler."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from ganbench.training.products import loaded, product


class NoCompiler(RuntimeError):
    """No C++ compiler answers, so nothing can be compiled; the message says how to go on without."""


OPERATORS = "aot_inductor.custom_ops_to_c_shims"
"""Where torch's compiler is told of operators that compiled code calls without Python."""

Leaves = Sequence[torch.Tensor]
"""The tensors of nested arguments or results, in the order of `torch.utils._pytree`."""


class Code:
    """A function of nested tensors that can be called by their leaves: a step spends most of its overhead on nests."""

    def __init__(self, by_leaves: Callable[..., Leaves], result: Callable[[], pytree.TreeSpec]):
        self.by_leaves = by_leaves
        self._result = result  # known after the first call

    def __call__(self, *arguments: Any) -> Any:
        return pytree.tree_unflatten(self.by_leaves(*pytree.tree_leaves(arguments)), self._result())


def flattened(function: Callable[..., Any], example: tuple[Any, ...]) -> Code:
    """A function of nested tensors as code for arguments that are nested like the example."""
    structure = pytree.tree_structure(example)
    output: list[pytree.TreeSpec] = []

    def by_leaves(*leaves: torch.Tensor) -> Leaves:
        result, spec = pytree.tree_flatten(function(*pytree.tree_unflatten(leaves, structure)))
        output[:] = [spec]
        return tuple(result)

    return Code(by_leaves, lambda: output[0])


def compiled(function: Callable[..., Any], example: tuple[Any, ...]) -> Code:
    """A function of nested tensors as machine code for the shapes of the example. Raises NoCompiler.

    The function is traced to tensor operations first, through `torch.func`: what is compiled is one flat graph,
    whatever Python an objective is written in, and a call checks no guards. Tracing runs the function once.
    """
    leaves, traced = pytree.tree_leaves(example), flattened(function, example)
    with torch.no_grad(), warnings.catch_warnings():
        # deprecations inside torch's own lowering, nothing that a user of ganbench can act on
        warnings.simplefilter("ignore", FutureWarning)
        graph = make_fx(traced.by_leaves, {torch.ops.aten.bmm.default: product})(*leaves)
        graph.graph.eliminate_dead_code()
        graph.recompile()
        return Code(_inductor(graph, leaves), traced._result)


def _inductor(graph: torch.fx.GraphModule, leaves: list[Any]) -> Callable[..., Any]:
    from torch._guards import TracingContext, tracing
    from torch._inductor import compile as inductor_compile
    from torch._inductor import config
    from torch._inductor.exc import InductorError, InvalidCxxCompiler
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    # without a shape environment torch keeps no compiled code on disk; with one it takes every size for a variable,
    # compiles for minutes and fails where a size is a product of others, unless it is told that they are fixed
    mode = FakeTensorMode(shape_env=ShapeEnv(), static_shapes=True)
    try:
        # on a CPU, kernels called from C++ take a third of the time between them that they take called from Python
        on_cpu = leaves[0].device.type == "cpu"
        operators = {OPERATORS: loaded()} if on_cpu else {}
        # torch keeps no code whose configuration it cannot pickle, such as operators: these are named by their code
        unkeyed = [*config._cache_config_ignore_prefix, OPERATORS]
        changes = {"cpp_wrapper": on_cpu, "_cache_config_ignore_prefix": unkeyed, **operators}
        with tracing(TracingContext(mode)), config.patch(changes):
            return inductor_compile(graph, leaves)
    except (InvalidCxxCompiler, InductorError) as error:
        # torch wraps what happens while it writes code
        if not isinstance(getattr(error, "inner_exception", error), InvalidCxxCompiler):
            raise
        raise NoCompiler(
            f"no working C++ compiler (tried {os.environ.get('CXX') or 'the usual ones'}):"
            " install one (g++ or clang), or run with --set execution.compiled=false"
        ) from error
