"""Machine code for a step: traced to one flat graph of tensor operations, mended, and given to torch's compiler."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.utils import _pytree as pytree

from ganbench.training import kept
from ganbench.training.kept import Leaves
from ganbench.training.products import library, loaded, product


class NoCompiler(RuntimeError):
    """No C++ compiler answers, so nothing can be compiled; the message says how to go on without."""


OPERATORS = "aot_inductor.custom_ops_to_c_shims"
"""Where torch's compiler is told of operators that compiled code calls without Python."""


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


def compiled(
    function: Callable[..., Any], example: tuple[Any, ...], what: str = "", result: pytree.TreeSpec | None = None
) -> Code:
    """A function of nested tensors as machine code for the shapes of the example. Raises NoCompiler.

    The function is traced to tensor operations first, through `torch.func`: what is compiled is one flat graph,
    whatever Python an objective is written in, and a call checks no guards. Tracing runs the function once.
    On a processor, code whose `what` says all that it computes is kept for other processes, which do not trace it; the
    structure of its result must be given.
    """
    leaves, traced = pytree.tree_leaves(example), flattened(function, example)
    name = kept.name_of(what, leaves) if what and result and leaves[0].device.type == "cpu" else ""
    if name and result and (found := kept.find(name)):
        return Code(found, lambda: result)
    with torch.no_grad(), warnings.catch_warnings():
        # deprecations inside torch's own lowering, nothing that a user of ganbench can act on
        warnings.simplefilter("ignore", FutureWarning)
        graph = _traced(traced.by_leaves, leaves)
        # what a graph brings of its own is in no library
        own = any(node.op == "get_attr" for node in graph.graph.nodes)
        with _libraries() as libraries:
            by_leaves = _inductor(graph, leaves)
        if name and not own and len(libraries) == 1:
            kept.keep(name, libraries[0], library(), leaves, by_leaves(*leaves))
        return Code(by_leaves, traced._result)


def _traced(by_leaves: Callable[..., Leaves], leaves: list[Any]) -> torch.fx.GraphModule:
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(by_leaves, {torch.ops.aten.bmm.default: product})(*leaves)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


@contextmanager
def _libraries() -> Iterator[list[Path]]:
    """The libraries that torch loads for what it compiles or finds among what it keeps."""
    from torch._inductor.codecache import PyCodeCache

    load, found = PyCodeCache.load_by_key_path, list[Path]()

    def noted(*arguments: Any, **named: Any) -> Any:
        module = load(*arguments, **named)
        if entry := getattr(module, "inductor_entry", None):  # a function of the library, which Python calls a module
            found.append(Path(entry.__self__.__file__))
        return module

    with patch.object(PyCodeCache, "load_by_key_path", noted):
        yield found


def _inductor(graph: torch.fx.GraphModule, leaves: list[Any]) -> Callable[..., Any]:
    from torch._guards import TracingContext, tracing
    from torch._inductor import codecache, config
    from torch._inductor import compile as inductor_compile
    from torch._inductor.exc import InductorError, InvalidCxxCompiler
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    # without a shape environment torch keeps no compiled code on disk; with one it takes every size for a variable,
    # compiles for minutes and fails where a size is a product of others, unless it is told that they are fixed
    mode = FakeTensorMode(shape_env=ShapeEnv(), static_shapes=True)
    # torch would keep compiled headers among temporary files, where any user may write; a version without them has
    # no such names
    headers = Path(codecache.cache_dir(), "headers")
    kept_here = patch.object(codecache, "_HEADER_DIR", str(headers), create=True)
    locked_here = patch.object(codecache, "_HEADER_LOCK_DIR", str(headers / "locks"), create=True)
    try:
        # on a CPU, kernels called from C++ take a third of the time between them that they take called from Python
        on_cpu = leaves[0].device.type == "cpu"
        declared = {OPERATORS: loaded()} if on_cpu else {}
        # torch keeps no code whose configuration it cannot pickle, such as operators: these are named by their code
        unkeyed = [*config._cache_config_ignore_prefix, OPERATORS]
        changes = {"cpp_wrapper": on_cpu, "_cache_config_ignore_prefix": unkeyed, **declared}
        # their names are digests by this very program
        changes["cpp_cache_precompile_headers"] = shutil.which("openssl") is not None
        with tracing(TracingContext(mode)), config.patch(changes), kept_here, locked_here:
            return inductor_compile(graph, leaves)
    except (InvalidCxxCompiler, InductorError) as error:
        # torch wraps what happens while it writes code
        if not isinstance(getattr(error, "inner_exception", error), InvalidCxxCompiler):
            raise
        raise NoCompiler(
            f"no working C++ compiler (tried {os.environ.get('CXX') or 'the usual ones'}):"
            " install one (g++ or clang), or run with --set execution.compiled=false"
        ) from error
