"""Ctrl-C and SIGTERM at a bad moment: held back until what must be whole is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[None]:
    """A signal that comes inside is delivered at the end; outside the main thread none can come.

    A second one is not held: both are delivered at once. Only signals that somebody handles are held: one that is
    ignored, as Ctrl-C is in the background of a script, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: handler for number in HELD if callable(handler := signal.getsignal(number))}
    came: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            first, second = came[0], came.pop()
            came.clear()
            try:
                before[signal.Signals(first)](first, frame)
            finally:
                before[signal.Signals(second)](second, frame)

    for number in before:
        signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextmanager
def handlers_kept() -> Iterator[None]:
    """What a library does inside to the handlers of these signals is undone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in HELD}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
