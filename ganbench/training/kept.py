"""Machine code of steps, kept on disk by what it computes: what is found is called without being traced anew.

Torch keeps compiled code as well, but finds it by the traced graph: the compiler must be imported and each step traced
before it can look, which is most of what a second run does before its first iteration.

A step is kept as the library that torch built and that of the operators it calls, each under the digest of its content,
and a note that names both. They are checked against their digests before use.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.util
import json
import os
import platform
import sysconfig
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ganbench.folders import cache_folder, write_file
from ganbench.training import sources

Leaves = Sequence[torch.Tensor]
"""The tensors of nested arguments or results, in the order of `torch.utils._pytree`."""

ENTRY = "inductor_entry_cpp"
"""What torch calls the function of a library: handles of tensors -> handles of tensors."""

UNUSED_S = 90 * 86400
"""The age since its last use from which a file is removed: each version of the sources keeps code of its own."""


def name_of(what: str, leaves: Leaves) -> str:
    """The name of code: what it computes, for tensors like these, by these sources, this torch, Python and processor.

    Empty where sources have changed since this process began: nothing is kept then, nor taken.
    """
    if not (text := sources.unchanged()):
        return ""
    tensors = [[str(leaf.dtype), list(leaf.shape), list(leaf.stride())] for leaf in leaves]
    versions = [torch.__version__, torch.version.git_version, sysconfig.get_config_var("SOABI")]
    parts = [what, tensors, text, *versions, _processor(), os.environ.get("CXX", "")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def find(name: str) -> Callable[..., Leaves] | None:
    """The code kept under a name, called by leaves; None where there is none, or it is damaged or does not load."""
    with suppress(Exception):  # whatever a file or another version of torch brings: the code is made anew
        note = _folder() / f"{name}.json"
        paths = [_folder() / f"{digest}.so" for digest in json.loads(note.read_text())]
        if all(_digest(path.read_bytes()) == path.stem for path in paths):
            for path in (note, *paths):
                os.utime(path)
            operators, library = paths
            ctypes.CDLL(str(operators), mode=ctypes.RTLD_GLOBAL)
            return _called(library)
    return None


def keep(name: str, library: Path, operators: Path, leaves: Leaves, found: Leaves) -> None:
    """Keeps the library of a step, if called by itself it makes of some leaves what was found with torch's own call.

    Nor where sources have changed since the name was given. Whatever fails costs the next run seconds, this one
    nothing: torch's own call is there.
    """
    with suppress(Exception):
        paths = [_copied(path) for path in (operators, library)]
        again = _called(paths[1])(*leaves)
        if sources.unchanged() and len(again) == len(found) and all(map(_same_bits, again, found)):
            write_file(_folder() / f"{name}.json", json.dumps([path.stem for path in paths]).encode())
        _remove_unused()


def _remove_unused() -> None:
    for path in _folder().iterdir():
        if time.time() - path.stat().st_mtime > UNUSED_S:
            path.unlink()


def _called(library: Path) -> Callable[..., Leaves]:
    entry = _loaded(library)
    handles_of: Any = torch._C._aoti.unsafe_alloc_void_ptrs_from_tensors
    tensors_of: Any = torch._C._aoti.alloc_tensors_by_stealing_from_void_ptrs
    return lambda *leaves: tensors_of(entry(handles_of(list(leaves))))


@functools.cache
def _loaded(library: Path) -> Callable[[list[Any]], list[Any]]:
    # the library asks for it while it is loaded
    address = torch._C._dynamo.guards._torchinductor_pyobject_tensor_data_ptr  # type: ignore[attr-defined]
    os.environ["_TORCHINDUCTOR_PYOBJECT_TENSOR_DATA_PTR"] = str(address)
    spec = importlib.util.spec_from_file_location(f"{library.stem}.{ENTRY}", library)
    assert spec is not None, "a library's name ends in .so"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, ENTRY)


def _same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    same = a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride()
    return same and torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def _folder() -> Path:
    return cache_folder() / "steps"


def _copied(library: Path) -> Path:
    """A library under the digest of its content, among what is kept."""
    content = library.read_bytes()
    copy = _folder() / f"{_digest(content)}.so"
    if not copy.exists() or copy.read_bytes() != content:
        write_file(copy, content)
    return copy


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@functools.cache
def _processor() -> str:
    """What torch's compiler makes code for: this very kind of processor."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    return f"{platform.processor()} {torch.backends.cpu.get_cpu_capability()}"
