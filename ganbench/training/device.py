"""Where and how numbers are computed: threads, device, clocks, and their words in an identity."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import time
from contextlib import suppress

import numpy as np
import torch
from torch import nn

from ganbench.folders import cache_folder

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's mallopt, see malloc.h."""

LARGE, KEPT = 2**25, 2**28
"""Bytes of a block that the system gives and takes by itself, the most that glibc allows; and of what is kept."""


def prepare_process(threads: int) -> None:
    """Fixes the number of threads and the place of the compile cache; call once per process, before any tensor."""
    torch.set_num_threads(threads)
    keep_memory()
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))
    # compile in this process: a pool of helpers costs 200 MB each, and the workers already fill the cores
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"


def keep_memory() -> None:
    """Has the C library keep what a step frees for the next one, where that is glibc.

    By itself it gives large tensors back, and the system clears every page of theirs anew: 6% of a step's time.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(M_MMAP_THRESHOLD, LARGE)
        library.mallopt(M_TRIM_THRESHOLD, KEPT)


def resolve_device(name: str) -> str:
    """ "cpu" or "cuda" for "auto", "cpu" or "cuda". Raises ValueError where the device is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError(f'device "cuda": torch {torch.__version__} sees no CUDA device here; use --device cpu')
    return name


def check_precision(precision: str, device: str) -> None:
    """Raises ValueError where a device cannot compute in a precision: tf32 is one of NVIDIA's tensor cores."""
    if precision == "tf32" and device != "cuda":
        raise ValueError(f'precision "tf32": found the device {device}, expected a CUDA device; use fp32 or bf16')


def use_precision(precision: str, device: str) -> None:
    """Lets a GPU round the factors of fp32 products to tf32, or keeps it from that; before any product of a training.

    Torch keeps both settings for the whole process, and convolutions in cuDNN round unless they are told not to.
    """
    if device == "cuda":
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"


def in_bfloat16(module: nn.Module, device: str) -> nn.Module:
    """The module with its matrix products in bfloat16 and an output in fp32; parameters and gradients stay fp32.

    Only the network computes so: what a loss, a penalty, a spectral norm and an optimiser make of it is fp32.
    """
    forward = module.forward

    def cast(v: torch.Tensor) -> torch.Tensor:
        # a cache of cast weights would outlive the trace or the `torch.func` level that they belong to
        with torch.autocast(device, torch.bfloat16, cache_enabled=False):
            return forward(v).float()

    module.forward = cast  # a wrapping module would rename the parameters
    return module


WITHOUT_COMPILER = {"compiled": False, "lift": "vmap", "convolution": "torch"}
"""How an ensemble is executed where no compiler is found: of all eager ways the fastest for most sizes of images."""


def has_compiler() -> bool:
    """Whether the C++ compiler that torch will call is there: $CXX, else the system's usual one."""
    return shutil.which(os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")) is not None


def execution_identity(device: str) -> dict[str, str]:
    """What of this machine and its libraries can change the bits of a result."""
    on_gpu = device == "cuda"
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "instructions": "cuda" if on_gpu else torch.backends.cpu.get_cpu_capability(),
    }


def synchronise(device: str) -> None:
    """Waits until the device has done all that was asked of it."""
    if device == "cuda":
        torch.cuda.synchronize()


class Stopwatch:
    """Seconds between `start` and `stop`, summed; both wait for the device first."""

    def __init__(self, device: str):
        self.device = device
        self.seconds = 0.0
        self._began = 0.0

    def start(self) -> None:
        synchronise(self.device)
        self._began = time.perf_counter()

    def stop(self) -> None:
        synchronise(self.device)
        self.seconds += time.perf_counter() - self._began
