"""The mini-grammar of suites and of the command line: `name[field=value,...]`, grids and search spaces.

    spec     name, or name[field=value,...], or spec + spec + ...: an objective with regularisers
    name     word, FILE.py:CLASS, or "text" where a path holds a space or a mark
    value    1, .5, 1e-3, true, false, word, "text", [value,...], loguniform(a,b), uniform(a,b)

A list makes a grid: one spec for each of its values. A list inside a list is one value that is itself a list.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from dataclasses import dataclass
from typing import Any

from ganbench.fields import describe, printable
from ganbench.registry import did_you_mean
from ganbench.suite.values import Choices, Grid, Interval, SpecError, literal, number, written

__all__ = ["Choices", "Grid", "Interval", "Spec", "SpecError", "parse_spec", "parse_value"]

LONGEST_TEXT = 10_000
LARGEST_GRID = 10_000

TOKEN = re.compile(r"""\s*(?:(?P<string>"[^"]*"|'[^']*')|(?P<mark>[\[\](),=])|(?P<word>[^\s\[\](),="']+)|(?P<end>$))""")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PLAIN = re.compile(r"""[^\s\[\](),="'+]+""")
"""Names that need no quotation marks."""


@dataclass(frozen=True)
class Spec:
    """A name with the fields that were written after it, and the specs that were added to it with a +.

    `column` and `columns` say where the name and each field stood, counted from 1.
    """

    name: str
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    columns: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)
    added: tuple[Spec, ...] = ()
    column: int = dataclasses.field(default=1, compare=False)

    def __str__(self) -> str:
        inside = ",".join(f"{name}={written(value)}" for name, value in self.fields.items())
        name = self.name if PLAIN.fullmatch(self.name) else written(self.name)
        return " + ".join((f"{name}[{inside}]" if inside else name, *map(str, self.added)))

    def gridded(self) -> tuple[str, ...]:
        """Names of the listed fields, apart from those of what was added."""
        return tuple(name for name, value in self.fields.items() if isinstance(value, Grid))

    def grid(self) -> list[Spec]:
        """One spec for each combination of the listed values; the last field runs fastest."""
        listed = [v.values if isinstance(v, Grid) else (v,) for v in self.fields.values()]
        points = [dict(zip(self.fields, point, strict=True)) for point in itertools.product(*listed)]
        crossed = itertools.product(points, *(spec.grid() for spec in self.added))
        return [dataclasses.replace(self, fields=fields, added=tuple(added)) for fields, *added in crossed]

    def points(self) -> int:
        """Number of specs in the grid."""
        own = math.prod(len(v.values) for v in self.fields.values() if isinstance(v, Grid))
        return own * math.prod(spec.points() for spec in self.added)


def parse_spec(text: str) -> Spec:
    """A spec from its text. Raises SpecError."""
    ends = [*_pluses(text), len(text)]
    first, *added = (_single(text[:end], start) for start, end in zip([0, *(e + 1 for e in ends)], ends, strict=False))
    spec = dataclasses.replace(first, added=tuple(added))
    if spec.points() > LARGEST_GRID:
        raise SpecError(1, f"the grid has more than {LARGEST_GRID:,} points; list fewer values")
    return spec


def _pluses(text: str) -> list[int]:
    """Where a + stands outside brackets and quotation marks."""
    found, depth, quote = [], 0, ""
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "[]":
            depth += 1 if character == "[" else -1
        elif character == "+" and depth == 0:
            found.append(at)
    return found


def _single(text: str, start: int) -> Spec:
    """The spec that stands in a text from `start` on, with nothing added."""
    parser = _Parser(text, start)
    column = parser.column
    name = parser.take("string", "a name")[1:-1] if parser.kind == "string" else parser.take("word", "a name")
    if parser.kind == "end":
        return Spec(name, column=column)
    fields: dict[str, Any] = {}
    columns: dict[str, int] = {}
    parser.take_mark("[", "[field=value,...] or the end")
    while True:
        column = parser.column
        field = parser.take("word", "a field's name")
        if not NAME.fullmatch(field):
            raise SpecError(column, f"found {printable(field)}; expected a field's name")
        if field in fields:
            raise SpecError(column, f"{field} is given twice; remove one")
        parser.take_mark("=", f"= after {field}")
        fields[field], columns[field] = parser.value(depth=0), column
        if parser.take_mark(",]", ", or ]") == "]":
            break
    parser.finish()
    return Spec(name, fields, columns, column=column)


def parse_value(text: str) -> Any:
    """A value from its text; a list stays a plain list, which can be empty. Raises SpecError."""
    if text.replace(" ", "") == "[]":
        return []  # no grid, and yet what a suite can hold: no baselines
    parser = _Parser(text)
    value = parser.value(depth=0)
    parser.finish()
    return list(value.values) if isinstance(value, Grid) else value


class _Parser:
    """Reads tokens from left to right; `kind`, `word` and `column` describe the next one."""

    def __init__(self, text: str, start: int = 0):
        if len(text) > LONGEST_TEXT:
            raise SpecError(1, f"found {len(text):,} characters; expected at most {LONGEST_TEXT:,}")
        self.text, self.at = text, start
        self.advance()

    def advance(self) -> None:
        token = TOKEN.match(self.text, self.at)
        if token is None:
            left = len(self.text) - len(self.text[self.at :].lstrip())
            raise SpecError(left + 1, "a quotation mark is not closed; close it")
        self.kind = str(token.lastgroup)
        self.word, self.column, self.at = token[self.kind], token.start(self.kind) + 1, token.end()

    def refuse(self, expected: str) -> SpecError:
        found = "the end" if self.kind == "end" else printable(self.word)
        return SpecError(self.column, f"found {found}; expected {expected}")

    def take(self, kind: str, expected: str) -> str:
        if self.kind != kind:
            raise self.refuse(expected)
        word = self.word
        self.advance()
        return word

    def take_mark(self, marks: str, expected: str) -> str:
        if self.kind != "mark" or self.word not in marks:
            raise self.refuse(expected)
        return self.take("mark", expected)

    def finish(self) -> None:
        if self.kind != "end":
            raise self.refuse("the end")

    def value(self, depth: int) -> Any:
        if self.kind == "string":
            return self.take("string", "a text")[1:-1]
        if self.kind == "mark" and self.word == "[" and depth < 2:
            return self.listed(depth)
        column, word = self.column, self.take("word", "a value")
        if self.kind == "mark" and self.word == "(":
            return self.interval(column, word)
        return literal(column, word)

    def listed(self, depth: int) -> Any:
        self.take_mark("[", "[")
        values = [self.value(depth + 1)]
        while self.take_mark(",]", ", or ]") == ",":
            values.append(self.value(depth + 1))
        return Grid(tuple(values)) if depth == 0 else tuple(values)

    def interval(self, column: int, kind: str) -> Interval:
        if kind not in ("uniform", "loguniform"):
            near = did_you_mean(kind, ["loguniform", "uniform"])
            raise SpecError(column, f'unknown search space "{printable(kind)}"; {near}')
        self.take_mark("(", "(")
        low = number(self.column, self.take("word", "the lower end"))
        self.take_mark(",", ",")
        high = number(self.column, self.take("word", "the upper end"))
        self.take_mark(")", ")")
        if not low < high:
            raise SpecError(column, f"found {describe(low)} and {describe(high)}; expected the lower end first")
        if kind == "loguniform" and low <= 0:
            raise SpecError(column, f"found {describe(low)}; expected a lower end above 0, as its logarithm is needed")
        return Interval("uniform" if kind == "uniform" else "loguniform", low, high)
