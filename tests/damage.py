"""Damage to a file: cut off anywhere, and bytes changed anywhere."""

from __future__ import annotations

import random
from collections.abc import Iterator


def cut_off(whole: bytes, every: int = 1) -> Iterator[bytes]:
    """The first bytes of a file, for each length that is a multiple of `every`, and for the last eight."""
    lengths = {*range(0, len(whole), every), *range(max(0, len(whole) - 8), len(whole))}
    yield from (whole[:length] for length in sorted(lengths))


def flipped(whole: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """A file with one byte changed to another, at random, so many times."""
    rng = random.Random(seed)
    for _ in range(count):
        place, change = rng.randrange(len(whole)), rng.randrange(1, 256)
        yield whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :]
