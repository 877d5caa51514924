"""Exit codes: a person's mistake is one message and 2, a disk's refusal is one and 1, Ctrl-C is 130, SIGTERM 143."""

from __future__ import annotations

import os
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
EXIT_CODES: dict[int, int] = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
SHOW_CURSOR = b"\x1b[?25h"
PACKAGE = Path(__file__).parents[1]


class BadInput(click.ClickException):
    """A person's mistake."""

    exit_code = 2


class Trouble(click.ClickException):
    """What no person's input could mend: a disk that is full, or fails."""

    exit_code = FAILED


class Program(click.Group):
    """A group of commands whose mistakes and interrupts end in the exit codes above."""

    def invoke(self, ctx: click.Context) -> Any:
        with interruptible() as stop:
            try:
                return super().invoke(ctx)
            except ValueError as error:
                if not raised_here(error):
                    raise
                raise (Trouble if _of_disk(error) else BadInput)(str(error)) from None
            except OSError as error:
                if not (error.filename and _of_disk(error)):
                    raise
                raise Trouble(f"{error.filename}: {error.strerror}") from None
            except KeyboardInterrupt as interrupt:
                click.echo(": ".join(("interrupted", *map(str, interrupt.args))), err=True)
                sys.exit(stop.exit_code)


def _of_disk(error: Exception) -> bool:
    from ganbench.store.container import TROUBLES, DiskError

    return isinstance(error, DiskError) or (isinstance(error, OSError) and error.errno in TROUBLES)


class Stop:
    """How the program was told to stop: once, and it ends its workers and says what it keeps; twice, and it is gone."""

    exit_code = INTERRUPTED
    asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), SHOW_CURSOR)  # a progress bar hides it
            os._exit(EXIT_CODES[number])  # workers see that their driver is gone; every stored file is whole
        self.asked, self.exit_code = True, EXIT_CODES[number]
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Stop]:
    """SIGTERM stops the program as Ctrl-C does, with an exit code of its own; a Ctrl-C that is ignored stays so."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in EXIT_CODES}
    for number, handler in before.items():
        if number == signal.SIGTERM or handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raised_here(error: ValueError) -> bool:
    """Whether this package raised an error: a library's ValueError is our mistake, not the person's.

    A library that leaves no frame, such as `int("x")`, fails in our line without a `raise` of ours.
    """
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Path(last.filename).is_relative_to(PACKAGE) and (last.line or "").startswith("raise")
