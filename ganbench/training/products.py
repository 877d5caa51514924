"""Batched matrix products as compiled code takes them: the same values but for the order of sums.

On a processor the products of small networks are most of a training's time, and a library spends a third of that on
copies and on waiting for memory: products.cpp computes them. It is compiled once, kept beside all compiled code, and
called from it directly, by torch's C interface for operators.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

NARROW = 4
"""Terms of a sum, or columns, up to which a product is written out: networks on plane data begin and end with two."""

VECTOR = 16
"""Columns come in multiples of it: the floats of the widest vector register."""

SMALL = 2**14
"""Weights, or gradients of weights, of one replica that are multiplied by products.cpp: 128 x 128.

Measured beside MKL on one core of an AMD EPYC with AVX2, cold caches, R=8: 64 x 64 1.2 to 1.5 times its speed,
128 x 128 1.3 to 1.7, 256 x 256 .9 to 1.3, 512 x 512 .6 to 1.1.
"""

SOURCE = Path(__file__).with_suffix(".cpp").read_text()
NAME = f"small_product_{hashlib.blake2b(SOURCE.encode(), digest_size=6).hexdigest()}"
"""Of the operator: it names its code, so that compiled code which torch keeps is not called with another."""

SYMBOL = f"aoti_torch_cpu_{NAME}"
"""Of its function in C++."""

_operators = torch.library.Library("ganbench", "FRAGMENT")
_operators.define(f"{NAME}(Tensor left, Tensor right) -> Tensor", tags=(torch.Tag.flexible_layout,))
_operators.impl(NAME, torch.bmm, "CPU")
torch.library.register_fake(f"ganbench::{NAME}", torch.bmm, lib=_operators)
small_product: Any = getattr(torch.ops.ganbench, NAME).default
"""Float[Tensor, "R m k"], Float[Tensor, "R k n"] -> Float[Tensor, "R m n"]: outside compiled code, the library's."""


def product(left: Float[Tensor, "R m k"], right: Float[Tensor, "R k n"]) -> Float[Tensor, "R m n"]:
    """left @ right as a compiler makes most of it, or NotImplemented where that is one call of a library.

    Few terms are written as a sum of outer products, few columns as sums of their own: a compiler makes them part of
    what stands around.
    """
    rows, terms, columns = *left.shape[1:], right.shape[2]
    if terms <= NARROW:
        # joined, not copied: a compiler would read a copy's elements where they come from, one by one
        straight = torch.cat([right[:, i] for i in range(terms)], 1).unflatten(1, (terms, columns))
        written = left[:, :, :1] * straight[:, :1]
        for i in range(1, terms):
            written = written + left[:, :, i : i + 1] * straight[:, i : i + 1]
        return written
    if left.device.type != "cpu":
        return NotImplemented
    if columns <= NARROW and rows > columns:
        # the gradient of a first layer took 22 us so for 8 replicas, 150 the other way
        return torch.bmm(right.mT, left.mT).mT.contiguous()
    # products.cpp computes on one core, the library on all threads of a process
    alone = left.dtype == torch.float32 and torch.get_num_threads() == 1
    if alone and columns % VECTOR == 0 and min(rows, terms) * columns <= SMALL:
        return small_product(left, right)
    return NotImplemented


@functools.cache
def library() -> Path:
    """The compiled operator, which all code that is loaded later can call. Raises InvalidCxxCompiler."""
    from torch._inductor.codecache import CppCodeCache

    path = CppCodeCache.load(SOURCE.replace("aoti_torch_cpu_PRODUCT", SYMBOL))._name
    ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    return Path(path)


def loaded() -> dict[Any, list[str]]:
    """The operator and its declaration in C++, as torch's compiler takes them. Raises InvalidCxxCompiler."""
    library()
    handle = "AtenTensorHandle"
    return {small_product: [f"AOTITorchError {SYMBOL}({handle} left, {handle} right, {handle}* result)"]}
