"""Counter-based random numbers in tensor operations: the same on every device, drawn where they are used.

Philox-4x32-10, Salmon et al. 2011 (SC11), section 3.3. A 32-bit word is held in an int64, whose products wrap.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

WORD = 0xFFFFFFFF
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
WORDS = 4
"""Words that one counter gives."""


def words(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Four 32-bit words for counters of four words and keys of two, all int64 of shapes that broadcast."""
    a, b, c, d = counter
    first, second = key
    for _ in range(ROUNDS):
        left, right = MULTIPLIERS[0] * a, MULTIPLIERS[1] * c
        a, b, c, d = (
            ((right >> 32) & WORD) ^ b ^ first,
            right & WORD,
            ((left >> 32) & WORD) ^ d ^ second,
            left & WORD,
        )
        first, second = (first + WEYL[0]) & WORD, (second + WEYL[1]) & WORD
    return a, b, c, d


def uniform(drawn: tuple[Tensor, ...]) -> Tensor:
    """Uniform values on [0, 1) of 24 bits, float32, one for each word; the four of a counter along a new last axis."""
    return torch.stack([(word >> 8).float() * 2.0**-24 for word in drawn], -1)


def normal(drawn: tuple[Tensor, ...]) -> Tensor:
    """Standard normal values, float32, one for each word, by Box and Muller (1958); none is larger than 6.7."""
    values = []
    for radial, angular in (drawn[:2], drawn[2:]):
        radius = (-2 * ((radial.float() + 1) * 2.0**-32).clamp(max=1).log()).sqrt()
        angle = 2 * math.pi * 2.0**-32 * angular.float()
        values += [radius * angle.cos(), radius * angle.sin()]
    return torch.stack(values, -1)
