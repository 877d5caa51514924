"""A registry maps names to classes and imports one only when it is used: listing names costs no import of torch."""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def shown(text: str) -> str:
    """A person's text in a message: at most 60 characters, and none that could command a terminal."""
    text = text[:61] if text[:61].isprintable() else ascii(text[:61])[1:-1]
    return text if len(text) <= 60 else f"{text[:57]}..."


class UnknownName(ValueError):
    """A name that no registry holds; the message carries the nearest one."""


def did_you_mean(name: str, known: list[str] | tuple[str, ...]) -> str:
    """A question with the nearest known name, or the list of all where none is near, or that there is none."""
    near = difflib.get_close_matches(name[:100], known, n=1, cutoff=0.45)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known: {', '.join(known)}" if known else "there is none"


@dataclass(frozen=True)
class Registry:
    """Names of one kind, each with the place of its class as "package.module:Class"."""

    kind: str
    places: dict[str, str]

    def names(self) -> list[str]:
        return list(self.places)

    def holds(self, name: str) -> bool:
        """Whether a name is one of this kind."""
        return name in self.places

    def outside(self) -> dict[str, str]:
        """Name -> distribution, of classes that other distributions bring; nothing is imported."""
        return {}

    def identity(self, name: str) -> str:
        """The name as it stands in an identity: of a class in a person's file, without the folder."""
        return name

    def place(self, name: str) -> str:
        """The name by which any process of this machine loads a class of a person's file; "" of all others."""
        return ""

    def sources(self, name: str) -> list[Path]:
        """The files of a class from outside; none where it comes with this package."""
        return []

    def require(self, name: str) -> str:
        """The name itself. Raises UnknownName, with the nearest name, where it is not registered."""
        if name not in self.places:
            raise UnknownName(f'unknown {self.kind} "{shown(name)}"; {did_you_mean(name, self.names())}')
        return name

    def load(self, name: str) -> Any:
        """The class behind a name. Raises UnknownName."""
        module, _, attribute = self.places[self.require(name)].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def docstring(self, name: str) -> str:
        """The class's docstring, read from its source without importing it."""
        module, _, attribute = self.places[self.require(name)].partition(":")
        package, _, leaf = module.rpartition(".")
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        return _docstring(
            (Path(spec.submodule_search_locations[0]) / f"{leaf}.py").read_text(encoding="utf-8"), attribute
        )

    def summary(self, name: str) -> str:
        """The first line of the docstring."""
        return self.docstring(name).partition("\n")[0]


def _docstring(source: str, name: str) -> str:
    """The docstring of a class in a module's text; "" where it has none."""
    head = "".join(source.partition(f"\nclass {name}")[1:])
    opened = head.split('"""', 2)[:2]
    # parsing a class up to its first text, not the whole file, halves the time of `ganbench list`
    for text in ('"""'.join([*opened, ""]), source):
        with contextlib.suppress(SyntaxError):
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return ast.get_docstring(node) or ""
    return ""
