"""Objectives from outside: classes in a person's own file or in another distribution, imported only when named.

A file is named "my.py:Mine", from the working directory on; a class of another distribution by the name of its entry
point. This file knows where such code lies, what is wrong with it, and how an error in it is told.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from ganbench.fields import field_types
from ganbench.registry import Registry, UnknownName, did_you_mean, shown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

NAMED = re.compile(r"(?P<path>.*\.py):(?P<attribute>[^:/\\]*)", re.DOTALL)
FIELDS = (float, int, bool, str)
ERRORS = (Exception, SystemExit)
"""What code from outside may raise: one that calls `exit` must end its own replicas alone."""


class ObjectiveError(ValueError):
    """What is wrong with an objective's code; the message begins with its file and line."""


@dataclass(frozen=True)
class OpenRegistry(Registry):
    """A registry that also finds classes from outside: of files, and of entry points of a `group`.

    `base`, a place as in `places`, is what they must inherit; `beside` gives registries whose names they cannot take.
    """

    group: str = ""
    base: str = ""
    beside: Callable[[], tuple[Registry, ...]] = tuple

    def holds(self, name: str) -> bool:
        return name.endswith(".py") or bool(NAMED.fullmatch(name)) or name in {**self.places, **self._entries()}

    def require(self, name: str) -> str:
        """The name, a file's path from the working directory on where it lies within.

        Raises UnknownName, or ObjectiveError where a file is missing or several distributions have one name.
        """
        if match := NAMED.fullmatch(name):
            path = absolute(match["path"])
            if not _is_file(path):
                message = f"{shown(name)}: found no such file; expected an objective as FILE.py:CLASS"
                raise ObjectiveError(f"{message}; check the path, which starts at the working directory")
            inside = path.is_relative_to(Path.cwd())
            return f"{path.relative_to(Path.cwd()) if inside else path}:{match['attribute']}"
        if self._entry(name) is None and name not in self.places:
            if name.endswith(".py"):
                raise UnknownName(f"{shown(name)}: found no class; write {shown(name)}:CLASS")
            near = did_you_mean(name, [*self.names(), *self._entries()])
            raise UnknownName(f'unknown {self.kind} "{shown(name)}"; {near}')
        return name

    def load(self, name: str) -> Any:
        """The class behind a name. Raises UnknownName, or ObjectiveError where it is missing or no such class."""
        name = self.require(name)
        files = {str(path) for path in self.sources(name)}
        try:
            if match := NAMED.fullmatch(name):
                found = _attribute(_module(absolute(match["path"])), match["path"], match["attribute"])
            elif entry := self._entry(name):
                found = entry.load()
            else:
                return super().load(name)
            self._check(found, name)
        except ERRORS as error:
            message = told(error, files)
            raise ObjectiveError(message if message.startswith(_heads(files)) else f"{name}: {message}") from error
        return found

    def identity(self, name: str) -> str:
        match = NAMED.fullmatch(name)
        return f"{Path(match['path']).name}:{match['attribute']}" if match else name

    def place(self, name: str) -> str:
        match = NAMED.fullmatch(name)
        return f"{absolute(match['path'])}:{match['attribute']}" if match else ""

    def sources(self, name: str) -> list[Path]:
        """The person's file, or every Python file of the top package that an entry point names."""
        if match := NAMED.fullmatch(name):
            return [absolute(match["path"])]
        entry = self._entry(name)
        spec = importlib.util.find_spec(entry.module.partition(".")[0]) if entry else None
        if spec is None:
            return []
        if spec.submodule_search_locations is None:
            return [Path(str(spec.origin))]
        return [path for folder in spec.submodule_search_locations for path in sorted(Path(folder).rglob("*.py"))]

    def docstring(self, name: str) -> str:
        if name in self.places:  # a listing goes on where a distribution claims the name too
            return Registry(self.kind, self.places).docstring(name)
        return inspect.getdoc(self.load(name)) or ""

    def outside(self) -> dict[str, str]:
        return {shown(name): shown(f"of {' and of '.join(self._owners(name))}") for name in self._entries()}

    def _entries(self) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for entry in _declared(self.group, tuple(sys.path)):
            found.setdefault(entry.name, []).append(entry)
        return found

    def _owners(self, name: str) -> list[str]:
        """Who has a name: "ganbench", then distributions with their versions."""
        ours = any(name in registry.places for registry in (self, *self.beside()))
        return ["ganbench"] * ours + [_distribution(entry) for entry in self._entries().get(name, [])]

    def _entry(self, name: str) -> EntryPoint | None:
        """The entry point of a name; None where there is none. Raises ObjectiveError where the name has two owners."""
        entries, owners = self._entries().get(name, []), self._owners(name)
        if entries and len(owners) > 1:
            raise ObjectiveError(
                f'"{shown(name)}" is the name of several: of {" and of ".join(owners)}; uninstall all but one of them'
            )
        return entries[0] if entries else None

    def _check(self, found: Any, name: str) -> None:
        """Raises ObjectiveError where what a name stands for cannot play."""
        module, _, needed = self.base.partition(":")
        contract = importlib.import_module(module)
        base = getattr(contract, needed)
        if not (isinstance(found, type) and issubclass(found, base)):
            kind = f"no {needed}; inherit it" if isinstance(found, type) else f"{type(found).__name__}; name a class"
            raise ObjectiveError(f"{name}: found {kind}: from {module} import {needed}")
        where = f"{line_of(found)}: {found.__name__}"
        for field, value in vars(found).items():
            if isinstance(value, dataclasses.Field):
                raise ObjectiveError(f"{where}.{field} is no field yet; write @dataclass(frozen=True) above the class")
        for field, hint in field_types(found).items():
            if _plain(hint) not in FIELDS:
                raise ObjectiveError(f"{where}.{field}: found the type {hint}; expected float, int, bool, str or Swept")
        if flaw := contract.flaw(found):
            raise ObjectiveError(f"{where}{flaw}")


def absolute(path: str) -> Path:
    """A path from the root on, without the dots in it; links stay."""
    return Path(os.path.abspath(path))


def told(error: BaseException, files: Iterable[str]) -> str:
    """An error in one line's words, with the last of its lines in these files: "my.py:31: KeyError: 'x'"."""
    if isinstance(error, ObjectiveError):
        return str(error)
    message, known = f"{type(error).__name__}: {error}", set(files)
    if isinstance(error, SyntaxError) and error.filename in known:
        return f"{Path(error.filename).name}:{error.lineno}: {type(error).__name__}: {error.msg}"
    lines = [(f.f_code.co_filename, line) for f, line in traceback.walk_tb(error.__traceback__)]
    mine = [f"{Path(name).name}:{line}: " for name, line in lines if name in known]
    return f"{mine[-1]}{message}" if mine else message


def line_of(thing: Any) -> str:
    """Where a class or function is written: "my.py:31"; "" where that is not known."""
    try:
        file, line = inspect.getsourcefile(inspect.unwrap(thing)), inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return ""
    return f"{Path(str(file)).name}:{line}"


def of_shape(shape: tuple[int, ...], method: Callable[..., Any], *given: Any) -> Any:
    """What a method of an objective gives. Raises ObjectiveError where it is no tensor of this shape."""
    value = method(*given)
    found = getattr(value, "shape", None)
    if found == shape:
        return value
    if found is None:
        gave, expected = type(value).__name__, "a tensor; return one"
    else:
        gave, expected = f"shape {tuple(found)}", f"shape {shape}" if shape else "one number; take the mean"
    raise ObjectiveError(f"{line_of(method)}: {method.__name__} gave {gave}, expected {expected}")


def _plain(hint: Any) -> Any:
    """The type of a field's values, or of those in its list."""
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return get_args(hint)[0] if get_origin(hint) is tuple else hint


def _heads(files: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{Path(file).name}:" for file in files)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL
        return False


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


@lru_cache(maxsize=64)
def _declared(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Entry points on a search path; reads what distributions declare and imports none."""
    from importlib.metadata import entry_points  # .04 s, and most commands name nothing

    return tuple(entry_points(group=group))


def _module(path: Path) -> ModuleType:
    """The module of a file under a private name, made of path and text: the same in every process, new after an edit.

    Not through the import system, whose byte code may be that of a text edited within the same second.
    """
    source = path.read_bytes()
    name = f"ganbench_outside_{hashlib.sha256(str(path).encode() + source).hexdigest()[:16]}"
    if name not in sys.modules:
        module = ModuleType(name)
        module.__file__ = str(path)
        sys.modules[name] = module  # before it runs: a dataclass looks its module up
        try:
            exec(compile(source, str(path), "exec"), module.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _attribute(module: ModuleType, path: str, attribute: str) -> Any:
    if attribute not in vars(module):
        known = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        near = did_you_mean(attribute, known) if known else "define one"
        raise ObjectiveError(f'{Path(path).name}: found no class "{shown(attribute)}"; {near}')
    return vars(module)[attribute]
