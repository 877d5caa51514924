"""Every call by which this process reaches files of a folder, and something else in the place of one of them.

What is set here stays: it is for a process that a test has forked.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATHS = ("mkdir", "replace", "rename", "unlink", "remove", "stat", "scandir")
WRITES = ("open to write", "mkdir", "replace", "rename", "write", "fsync")
"""What a full disk refuses."""

DESCRIPTORS = ("read", "write", "fsync", "close")
"""Calls that know no path, nor do their errors."""

Instead = Callable[[str, str, Callable[[], Any]], Any]
"""Given the name of a call, its path and the call itself, what is done in its place."""


def every_call(folder: str, instead: Instead) -> None:
    """From now on `instead` is asked for every call on a path in a folder."""
    folder = os.path.realpath(folder)
    files: dict[int, str] = {}

    def there(path: Any) -> str | None:
        if isinstance(path, int):
            return files.get(path)
        whole = os.path.abspath(os.fsdecode(path))
        return whole if whole == folder or whole.startswith(folder + os.sep) else None

    def patched(name: str) -> None:
        real = getattr(os, name)

        def call(path: Any = ".", *arguments: Any, **named: Any) -> Any:
            where = there(path)
            if where is None:
                return real(path, *arguments, **named)
            return instead(name, where, lambda: real(path, *arguments, **named))

        setattr(os, name, call)

    class Raw(io.FileIO):
        """A file of the folder below its buffer; half of what it is given to write can be written."""

        def write(self, content: Any, /) -> int:
            halves = [content[: len(content) // 2], content[len(content) // 2 :]]
            first = io.FileIO.write

            def whole() -> int:
                return sum(first(self, half) for half in halves)

            whole.half = lambda: first(self, halves[0])  # type: ignore[attr-defined]
            return instead("write", os.fsdecode(self.name), whole)

        def readall(self) -> bytes:
            return instead("read", os.fsdecode(self.name), lambda: io.FileIO.readall(self))

        def close(self) -> None:
            if self.closed:
                return
            files.pop(self.fileno(), None)
            if self.writable():
                try:
                    instead("close", os.fsdecode(self.name), lambda: io.FileIO.close(self))
                finally:
                    io.FileIO.close(self)
            else:
                io.FileIO.close(self)

    real_open = builtins.open

    def opened(path: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, *more: Any, **named: Any) -> Any:
        where = None if isinstance(path, int) else there(path)
        if where is None:
            return real_open(path, mode, buffering, encoding, *more, **named)
        writes = any(letter in mode for letter in "wxa+")
        raw = instead(f"open to {'write' if writes else 'read'}", where, lambda: Raw(path, mode.replace("t", "")))
        files[raw.fileno()] = where
        buffered = io.BufferedWriter(raw) if writes else io.BufferedReader(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding or "utf-8")

    real_open_file, real_close, real_fsync = os.open, os.close, os.fsync

    def open_file(path: Any, *arguments: Any, **named: Any) -> int:
        where = there(path)
        if where is None:
            return real_open_file(path, *arguments, **named)
        file = instead("open", where, lambda: real_open_file(path, *arguments, **named))
        files[file] = where
        return file

    def close(file: int) -> Any:
        where = files.pop(file, None)
        if where is None:
            return real_close(file)
        return instead("close", where, lambda: real_close(file))

    def fsync(file: int) -> Any:
        where = files.get(file)
        return real_fsync(file) if where is None else instead("fsync", where, lambda: real_fsync(file))

    for name in PATHS:
        patched(name)
    builtins.open = io.open = opened  # type: ignore[assignment]
    os.open, os.close, os.fsync = open_file, close, fsync  # type: ignore[assignment]


def half_of(call: Callable[[], Any]) -> None:
    """What of a call can be done in part."""
    getattr(call, "half", lambda: None)()


def note(into: Path, name: str, path: str) -> None:
    file = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{name}\t{path}\n".encode())
    os.close(file)


def noted(into: Path) -> list[tuple[str, str]]:
    """Names and paths of the calls that a file holds."""
    lines = into.read_text().splitlines() if into.exists() else []
    return [(name, path) for name, _, path in (line.partition("\t") for line in lines)]


class Counted:
    """Notes every call: its name and its path."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def __call__(self, name: str, path: str, call: Callable[[], Any]) -> Any:
        self.calls.append((name, path))
        return call()


class Noted(Counted):
    """Notes each call into a file at once, since a worker does not end of itself."""

    def __init__(self, into: Path):
        super().__init__()
        self.into = into

    def __call__(self, name: str, path: str, call: Callable[[], Any]) -> Any:
        note(self.into, name, path)
        return super().__call__(name, path, call)


class Killed(Counted):
    """Kills the process, or sends it a signal, at the call of a number, from 0: before it, inside it or after it."""

    def __init__(self, number: int, when: str, by: int = signal.SIGKILL):
        super().__init__()
        self.number, self.when, self.by = number, when, by

    def __call__(self, name: str, path: str, call: Callable[[], Any]) -> Any:
        mine = len(self.calls) == self.number
        if mine:
            self.number = -1  # a signal that is handled can end the call before it is counted, and comes once
        if mine and self.when == "inside":
            half_of(call)
        if mine and self.when != "after":
            os.kill(os.getpid(), self.by)
        found = super().__call__(name, path, call)
        if mine and self.when == "after":
            os.kill(os.getpid(), self.by)
        return found


class Refused(Counted):
    """Refuses the call of a number, from 0, once; a disk that is full then refuses all that would write.

    Notes that call and all that follow into a file.
    """

    def __init__(self, number: int, code: int, into: Path):
        super().__init__()
        self.number, self.code, self.into = number, code, into
        self.refused = False

    def __call__(self, name: str, path: str, call: Callable[[], Any]) -> Any:
        full = self.refused and self.code == errno.ENOSPC and name in WRITES
        if len(self.calls) >= self.number:
            note(self.into, name, path)
        if len(self.calls) == self.number or full:
            self.calls.append((name, path))
            self.refused = True
            if self.code != errno.EINTR:  # an interrupted call has done nothing
                half_of(call)
            raise OSError(self.code, os.strerror(self.code), None if name in DESCRIPTORS else path)
        return super().__call__(name, path, call)
