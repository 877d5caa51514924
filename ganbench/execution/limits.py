"""How fast a machine multiplies matrices: what no ensemble of these shapes can beat.

Started as `python -m ganbench.execution.limits CORES`: the rates as JSON on its last line.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from typing import Any

import torch

SHAPES = {"H=64 B=256": (8, 256, 64, 64), "H=128 B=512": (8, 512, 128, 128), "one product": (1, 1024, 1024, 1024)}
"""Name -> replicas and the three sizes of their products, as in an ensemble of the shipped width."""
GPU_SHAPES = {
    "H=64 B=256": (1024, 256, 64, 64),
    "H=128 B=512": (1024, 512, 128, 128),
    "one product": (1, 8192, 8192, 8192),
}
TOGETHER_S = 60.0
"""Seconds to wait for other processes that measure at the same time."""
MEASURED_S = 0.15
"""Seconds of each measurement; six on a CPU and nine on a GPU."""
CALLS = 4
"""Products between two looks at the clock."""


def gflop_per_s(shape: tuple[int, int, int, int], device: str = "cpu", dtype: torch.dtype = torch.float32) -> float:
    """Best rate of batched products of a shape; a multiplication and an addition count as two."""
    many, rows, inner, columns = shape
    a = torch.ones(many, rows, inner, device=device, dtype=dtype)
    b = torch.ones(many, inner, columns, device=device, dtype=dtype)
    out = torch.empty(many, rows, columns, device=device, dtype=dtype)
    torch.bmm(a, b, out=out)
    best_s, end = float("inf"), time.perf_counter() + MEASURED_S
    while best_s == float("inf") or time.perf_counter() < end:
        _wait(device)
        began = time.perf_counter()
        for _ in range(CALLS):
            torch.bmm(a, b, out=out)
        _wait(device)
        best_s = min(best_s, (time.perf_counter() - began) / CALLS)
    return 2 * many * rows * inner * columns / best_s / 1e9


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def together(processes: int) -> dict[str, float]:
    """Rates of so many processes at the same time, summed; each has one thread.

    Raises an error where one of them ends early, as where memory is short.
    """
    context = multiprocessing.get_context("fork")  # torch is imported once, and no thread of it has begun
    start, rates = context.Barrier(processes, timeout=TOGETHER_S), context.Queue()

    def measure() -> None:
        found = {}
        for name, shape in SHAPES.items():
            start.wait()
            found[name] = gflop_per_s(shape)
        rates.put(found)

    workers = [context.Process(target=measure, daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    found = [rates.get(timeout=TOGETHER_S) for _ in workers]
    for worker in workers:
        worker.join()
    return {name: sum(each[name] for each in found) for name in SHAPES}


def on_gpu() -> dict[str, dict[str, float]]:
    """Precision -> rates of the GPU."""
    found = {}
    for precision, dtype in (("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)):
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        found[precision] = {name: gflop_per_s(shape, "cuda", dtype) for name, shape in GPU_SHAPES.items()}
    return found


def main() -> None:
    torch.set_num_threads(1)
    processes = int(sys.argv[1])
    rates: dict[str, Any] = {"one thread": {name: gflop_per_s(shape) for name, shape in SHAPES.items()}}
    if processes > 1 and sys.platform == "linux":  # elsewhere a fork of what has multiplied is not safe
        rates[f"{processes} processes"] = together(processes)
    if torch.cuda.is_available():
        rates |= {f"GPU {precision}": found for precision, found in on_gpu().items()}
    print(f"\n{json.dumps(rates)}", flush=True)


if __name__ == "__main__":
    main()
