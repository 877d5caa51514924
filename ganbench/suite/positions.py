"""Where every key and every element of an array stands in a TOML text, which tomllib does not say."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]
"""Keys and indices that lead to a value: ("targets", 1)."""

DEEPEST = 4
"""Longer paths are cut: no message needs them, and hostile ones would cost quadratic time."""

# bare words may hold dots and spaces (1.5, a.b, 1979-05-27 07:32:00): a key splits them, a value skips them
TOKEN = re.compile(
    r'(?P<skip>\s+|\#[^\n]*)|(?P<string>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\')'
    r'|(?P<mark>[\[\]{}=,])|(?P<bare>[^\s\[\]{}=,#"\'][^\[\]{}=,#"\'\n]*)',
    re.DOTALL,
)


def positions(text: str) -> dict[Path, tuple[int, int]]:
    """Path -> (line, column), both from 1, of a text that tomllib accepts; an array of tables counts as one table."""
    return _Scanner(text).document()


class _Scanner:
    """Walks over the tokens of a valid text; validity is tomllib's business."""

    def __init__(self, text: str):
        self.tokens = [t for t in TOKEN.finditer(text) if t.lastgroup != "skip"]
        self.lines = [0, *(m.end() for m in re.finditer("\n", text))]
        self.at = 0
        self.found: dict[Path, tuple[int, int]] = {}

    def document(self) -> dict[Path, tuple[int, int]]:
        table: Path = ()
        while self.at < len(self.tokens):
            if self.peek() == "[":
                table = self.header()
            else:
                self.statement(table)
        return self.found

    def peek(self) -> str:
        return self.tokens[self.at].group() if self.at < len(self.tokens) else ""

    def record(self, path: Path, start: int) -> None:
        line = bisect_right(self.lines, start)
        for depth in range(1, min(len(path), DEEPEST) + 1):
            self.found.setdefault(path[:depth], (line, start - self.lines[line - 1] + 1))

    def key(self, end: str) -> Path:
        parts: list[str | int] = []
        while self.peek() != end:
            token = self.tokens[self.at]
            if token.lastgroup == "string":
                parts.append(tomllib.loads(f"k = {token.group()}")["k"])
            elif len(parts) < DEEPEST:
                parts += [part.strip() for part in token.group().split(".") if part.strip()]
            self.at += 1
        return tuple(parts)

    def header(self) -> Path:
        start = self.tokens[self.at].start()
        while self.peek() == "[":
            self.at += 1
        table = self.key("]")
        while self.peek() == "]":
            self.at += 1
        self.record(table, start)
        return table

    def statement(self, table: Path) -> None:
        start = self.tokens[self.at].start()
        path = (table + self.key("="))[:DEEPEST]
        self.record(path, start)
        self.at += 1
        self.value(path)

    def value(self, path: Path) -> None:
        opening = self.peek()
        self.at += 1
        if opening == "[":
            index = 0
            while self.peek() != "]":
                element = (*path, index)[:DEEPEST]
                self.record(element, self.tokens[self.at].start())
                self.value(element)
                index += 1
                self.comma()
            self.at += 1
        elif opening == "{":
            while self.peek() != "}":
                self.statement(path)
                self.comma()
            self.at += 1

    def comma(self) -> None:
        if self.peek() == ",":
            self.at += 1
