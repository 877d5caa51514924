"""A program that stores results as a run does, and nothing else: it starts without torch."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import click
from stored import made, replica_id, result

from faults.disk import Killed, Noted, Refused, every_call
from ganbench import store
from ganbench.cli.errors import Program

assert "torch" not in sys.modules, "a writer that imports torch takes seconds to start"

COSTS = {"em on ring8": 0.00125}
WHEN_S = 1e9
"""When every result is written, so that equal results are equal files."""


def _write(folder: Path, seeds: list[int], tell: Path | None = None) -> None:
    store.check_writable(folder)
    store.keep_costs(folder, COSTS)
    store.keep_widths(folder, {"em on ring8": 4})
    store.remove_leftovers(folder)
    found, damaged = store.sound(folder)
    store.set_aside(folder, damaged)
    store.write_record(folder, made(len(seeds)))
    for seed in seeds:
        if found.get(replica_id(seed)) is None:
            store.write(folder, result(seed))
            if tell:
                with open(tell, "ab", buffering=0) as file:
                    file.write(f"{seed}\n".encode())


def write(folder: str, seeds: list[int], tell: str | None = None) -> None:
    """Stores the results of seeds that are not there yet, and tells each that is kept into a file, at once."""
    time.time = lambda: WHEN_S
    _write(Path(folder), seeds, Path(tell) if tell else None)


def count(folder: str, seeds: list[int], into: str) -> None:
    """Writes, and notes its calls into a file."""
    every_call(folder, Noted(Path(into)))
    write(folder, seeds)


def write_and_be_killed(folder: str, seeds: list[int], tell: str, number: int, when: str) -> None:
    every_call(folder, Killed(number, when))
    write(folder, seeds, tell)


def write_and_be_refused(folder: str, seeds: list[int], into: str, number: int, code: int) -> None:
    """Writes to a disk that refuses one call; notes it and what came after into a file."""
    every_call(folder, Refused(number, code, Path(into)))
    Program(commands={"write": click.Command("write", callback=lambda: write(folder, seeds))}).main(["write"])


def write_among_others(folder: str, count: int, process: int) -> None:
    """Stores what others store at the same time, in the same order and under the same process number."""
    os.getpid = lambda: 7  # as in containers that share a folder
    place = Path(folder)
    for seed in range(count):
        if not store.result_path(place, replica_id(seed)).exists():
            store.write(place, result(seed, info={"iteration_s": process + 1.0}))


__all__: list[Any] = ["count", "write", "write_among_others", "write_and_be_killed", "write_and_be_refused"]
