"""Exit codes: a person's mistake is one message and 2, Ctrl-C is 130 and SIGTERM 143."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

FAILED, REGRESSED, INTERRUPTED, TERMINATED = 1, 3, 130, 143
PACKAGE = Path(__file__).parents[1]


class BadInput(click.ClickException):
    """A person's mistake."""

    exit_code = 2


class Program(click.Group):
    """A group of commands whose mistakes and interrupts end in the exit codes above."""

    def invoke(self, ctx: click.Context) -> Any:
        with interruptible() as stop:
            try:
                return super().invoke(ctx)
            except ValueError as error:
                if not raised_here(error):
                    raise
                raise BadInput(str(error)) from None
            except KeyboardInterrupt as interrupt:
                click.echo(": ".join(("interrupted", *map(str, interrupt.args))), err=True)
                sys.exit(stop.exit_code)


class Stop:
    """How the program was told to stop."""

    exit_code = INTERRUPTED


@contextmanager
def interruptible() -> Iterator[Stop]:
    """SIGTERM stops the program as Ctrl-C does, with an exit code of its own."""
    stop = Stop()

    def terminate(number: int, frame: FrameType | None) -> None:
        stop.exit_code = TERMINATED
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)


def raised_here(error: ValueError) -> bool:
    """Whether this package raised an error: a library's ValueError is our mistake, not the person's.

    A library that leaves no frame, such as `int("x")`, fails in our line without a `raise` of ours.
    """
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Path(last.filename).is_relative_to(PACKAGE) and (last.line or "").startswith("raise")
