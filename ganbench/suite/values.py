"""What stands for a field in the mini-grammar: plain values, search spaces and grids; how each is read and written."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from ganbench.fields import describe, printable

# a longer number than this is a slip or an attack: Python's int() refuses 4,300 digits and is slow before that
LONGEST_NUMBER = 40

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
WORD = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
NO_TEXTS = ("true", "false", "nan", "inf", "infinity")


class SpecError(ValueError):
    """Text outside the grammar; `column` counts from 1 in that text."""

    def __init__(self, column: int, message: str):
        super().__init__(message)
        self.column = column


@dataclass(frozen=True)
class Interval:
    """A search space: numbers between low and high, uniform in themselves or in their logarithms."""

    kind: Literal["uniform", "loguniform"]
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.kind}({describe(self.low)},{describe(self.high)})"

    def draw(self, u: float) -> float:
        """The quantile at u in [0, 1)."""
        if self.kind == "uniform":
            return self.low + u * (self.high - self.low)
        return math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))


@dataclass(frozen=True)
class Choices:
    """A search space: the listed values, equally likely."""

    values: tuple[Any, ...]

    def __str__(self) -> str:
        return describe(self.values)

    def draw(self, u: float) -> Any:
        """The value at u in [0, 1)."""
        return self.values[int(u * len(self.values))]


@dataclass(frozen=True)
class Grid:
    """The values of a listed field."""

    values: tuple[Any, ...]

    def __str__(self) -> str:
        return describe(self.values)


def literal(column: int, word: str) -> Any:
    if word in ("true", "false"):
        return word == "true"
    if not NUMBER.fullmatch(word):
        if word.lstrip("+-").lower() in ("nan", "inf", "infinity"):
            raise SpecError(column, f"found {word}; expected a finite number")
        return word
    if len(word) > LONGEST_NUMBER:
        raise SpecError(column, f"found a number of {len(word):,} characters; expected at most {LONGEST_NUMBER}")
    if word.lstrip("+-").isdigit():
        return int(word)
    if not math.isfinite(float(word)):
        raise SpecError(column, f"found {word}; expected a number within the range of a float")
    return float(word)


def number(column: int, word: str) -> float:
    value = literal(column, word)
    if isinstance(value, bool | str):
        raise SpecError(column, f"found {printable(word)}; expected a number")
    return float(value)


def written(value: Any) -> str:
    """A value as the grammar reads it back: a tuple outside a grid needs its second pair of brackets."""
    if isinstance(value, tuple):
        return f"[{_inner(value)}]"
    if isinstance(value, Grid):
        return f"[{','.join(_inner(v) for v in value.values)}]"
    return _inner(value)


def _inner(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{','.join(_inner(v) for v in value)}]"
    if isinstance(value, str) and not (WORD.fullmatch(value) and value.lower() not in NO_TEXTS):
        quote = "'" if '"' in value else '"'
        return f"{quote}{value}{quote}"
    return describe(value)
