"""Seconds from the start of `ganbench run --suite toy2d` to its first iterations: with an empty cache, and again.

The command runs twice, each time with a new folder of results, and is stopped once every worker has trained its first
stretch. Quiet machines only: a start is imports by the thousand.

    OMP_NUM_THREADS=1 python suites/peers/second_start.py [SUITE]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

LIMIT_S = 5.0


def main(suite: str = "toy2d") -> None:
    """Prints both times; exits with 1 where the second is above LIMIT_S."""
    with tempfile.TemporaryDirectory() as cache:
        first, second = (start_s(suite, cache) for _ in range(2))
    print(f"{suite}: training after {first:.1f} s with an empty cache, after {second:.1f} s again (limit {LIMIT_S:g})")
    sys.exit(second > LIMIT_S)


def start_s(suite: str, cache: str) -> float:
    """Seconds from the start of a command until each worker has trained."""
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, __file__, "--inside", suite, results, str(now())]
        environment = {**os.environ, "GANBENCH_CACHE": cache}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(done.stdout.splitlines()[-1])


def now() -> float:
    """Seconds of a clock that all processes share."""
    import time

    return time.clock_gettime(time.CLOCK_MONOTONIC)


def inside(suite: str, results: str, began: str) -> None:
    """The command itself, which tells how long it took and stops."""
    import ganbench.cli
    from ganbench.execution import local
    from ganbench.execution.tasks import Progress

    run = local.run_local

    def watched(tasks: list[Any], workers: int, *more: Any) -> Iterator[Any]:
        told = Counter[int]()
        for event in run(tasks, workers, *more):
            if isinstance(event, Progress):
                told[event.number] += 1  # an ensemble tells of 0 iterations before it prepares its steps
                if sum(count > 1 for count in told.values()) == workers:
                    print(now() - float(began), flush=True)
                    raise KeyboardInterrupt
            yield event

    local.run_local = watched
    ganbench.cli.main(["run", "--suite", suite, "--results", results])


if __name__ == "__main__":
    inside(*sys.argv[2:]) if sys.argv[1:2] == ["--inside"] else main(*sys.argv[1:])
