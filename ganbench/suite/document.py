"""The content of a suite file with the place of every value, and the one error that a person's input can cause."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbench.fields import printable
from ganbench.suite.positions import Path as Keys
from ganbench.suite.positions import positions

LARGEST_FILE = 2**20
"""Bytes."""

MOST_DOTS = 200
"""In one line: tomllib takes quadratic time over a dotted key, minutes for one of a megabyte."""


class SuiteError(ValueError):
    """A person's mistake: `file:line:column: where: what was found; what was expected or what to do`."""


@dataclass(frozen=True, order=True)
class Place:
    """A line and column of a file, both from 1; line 0 is the command line, whose option `source` names."""

    line: int
    column: int
    source: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else f"{self.source}: column {self.column}"


@dataclass(frozen=True)
class Problem:
    """Something wrong with the value at `keys`; `column` counts from 1 inside a text, 0 means the whole value."""

    keys: Keys
    message: str
    column: int = 0
    missing: bool = False


@dataclass(frozen=True)
class Document:
    """Plain values as TOML gives them, the place of each, and the name of the file."""

    source: str
    content: dict[str, Any]
    places: dict[Keys, Place]

    def place(self, problem: Problem) -> Place:
        """Where a value stands, or the nearest thing around it."""
        for length in range(len(problem.keys), 0, -1):
            place = self.places.get(problem.keys[:length])
            if place is not None:
                # a text starts after its quotation mark; on the command line there is none
                inside = problem.column - (0 if place.line else 1) if problem.column and self.exact(problem) else 0
                return Place(place.line, place.column + inside, place.source)
        return Place(1, 1, self.source)

    def exact(self, problem: Problem) -> bool:
        """Whether the recorded place is that of the value itself and not of its key."""
        place = self.places.get(problem.keys)
        return place is not None and (place.line == 0 or isinstance(problem.keys[-1], int))

    def changed(self, keys: Keys) -> bool:
        """Whether the value at `keys` comes from the command line."""
        return keys in self.places and self.places[keys].line == 0

    def first(self, problems: Iterable[Problem]) -> SuiteError:
        """The error for the first problem: the command line's come first, then those of the file in its order."""
        problem = min(problems, key=self.place)
        where = "".join(f"[{k}]" if isinstance(k, int) else f".{printable(k)}" for k in problem.keys).removeprefix(".")
        return SuiteError(f"{self.place(problem)}: {where}: {problem.message}")

    def replaced(self, keys: Keys, value: Any, option: str) -> Document:
        """The same document with one value from the command line. Raises SuiteError where no table can hold it."""
        content = dict(self.content)
        table = content
        for depth, key in enumerate(keys[:-1], start=1):
            inner = table.get(str(key), {})
            if not isinstance(inner, dict):
                name = ".".join(map(printable, keys[:depth]))
                raise SuiteError(f"{option}: {name} is no table; set {name} itself")
            table[str(key)] = dict(inner)
            table = table[str(key)]
        table[str(keys[-1])] = value
        place = Place(0, 1, option)
        places = {k: p for k, p in self.places.items() if k[: len(keys)] != keys}
        places[keys] = place
        for depth in range(1, len(keys)):
            places.setdefault(keys[:depth], place)
        return Document(self.source, content, places)

    def with_element(self, name: str, index: int, value: Any, option: str) -> Document:
        """The same document with one more element of a top-level list, from the command line."""
        content = {**self.content, name: [*self.content[name][:index], value]}
        return Document(self.source, content, {**self.places, (name, index): Place(0, 1, option)})


def read(path: Path) -> Document:
    """A suite file. Raises SuiteError where it cannot be read, is too large, or is not TOML."""
    try:
        if not path.is_file():
            raise SuiteError(f"{path}:1:1: found no file; expected a suite file; check the path")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise SuiteError(f"{path}:1:1: cannot be read ({error.strerror}); check its permissions") from None
    if len(data) > LARGEST_FILE:
        raise SuiteError(f"{path}:1:1: found more than 1 MiB; expected a suite file; check the path")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        place = _place(before, len(before), str(path))
        raise SuiteError(f"{place}: found bytes that are not UTF-8; save the file as UTF-8") from None
    return parse(text, str(path))


def parse(text: str, source: str) -> Document:
    """A document from TOML text. Raises SuiteError."""
    # tomllib counts \r\n as one end of line; so must the scanner
    text = text.replace("\r\n", "\n")
    for row, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > MOST_DOTS:
            place = Place(row, 1, source)
            raise SuiteError(f"{place}: found more than {MOST_DOTS} dots in a line; break the line")
    try:
        content = tomllib.loads(text)
        found = positions(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(error, text, source) from None
    except RecursionError:
        raise SuiteError(f"{source}:1:1: found brackets nested too deeply; remove some") from None
    except ValueError:
        # int() refuses more than 4,300 digits, without a position
        number = re.search(r"[0-9_]{4000,}", text)
        place = _place(text, number.start() if number else 0, source)
        raise SuiteError(f"{place}: found a number with thousands of digits; write a smaller one") from None
    return Document(source, content, {keys: Place(*place, source) for keys, place in found.items()})


def _place(text: str, offset: int, source: str) -> Place:
    return Place(text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1, source)


def _not_toml(error: tomllib.TOMLDecodeError, text: str, source: str) -> SuiteError:
    message, _, where = str(error).rpartition(" (at ")
    numbers = re.findall(r"\d+", where)
    line, column = (int(n) for n in numbers) if len(numbers) == 2 else (max(1, text.rstrip().count("\n") + 1), 1)
    reason = printable(message[:1].lower() + message[1:])
    return SuiteError(f"{Place(line, column, source)}: not TOML: {reason}; mend this line")
