"""Ctrl-C and SIGTERM at a bad moment: held back until what must be whole is whole."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[Callable[[], float]]:
    """A signal that comes inside is delivered at the end; outside the main thread none can come.

    What it gives to the block tells for how many seconds one has waited; 0 where none has come.
    A second one is not held: both are delivered at once. Only signals that somebody handles are held: one that is
    ignored, as Ctrl-C is in the background of a script, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0.0
        return
    before = {number: handler for number in HELD if callable(handler := signal.getsignal(number))}
    came: list[int] = []
    since_s = 0.0

    def hold(number: int, frame: FrameType | None) -> None:
        nonlocal since_s
        came.append(number)
        if len(came) > 1:
            first, second = came[0], came.pop()
            came.clear()
            try:
                before[signal.Signals(first)](first, frame)
            finally:
                before[signal.Signals(second)](second, frame)
        since_s = time.monotonic()

    for number in before:
        signal.signal(number, hold)
    try:
        yield lambda: time.monotonic() - since_s if came else 0.0
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
