"""An interrupt waits for the end of what must be whole."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from ganbench.execution.interrupts import HELD, held_back


@pytest.fixture(autouse=True)
def _handled():
    """Both signals as in the command, also where these tests run in the background of a script."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in HELD}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", HELD)
def test_a_signal_is_delivered_at_the_end_of_the_block(number):
    done = []

    def work():
        with held_back():
            signal.raise_signal(number)
            done.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest of the block"]


def test_the_block_knows_for_how_long_a_signal_has_waited():
    found = []

    def work():
        with held_back() as waited_s:
            found.append(waited_s())
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.02)
            found.append(waited_s())

    with pytest.raises(KeyboardInterrupt):
        work()
    assert found[0] == 0
    assert 0.02 <= found[1] < 5


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("inside", ["nullcontext()", "held_back()"])
def test_a_second_signal_ends_the_program_at_once_wherever_it_is(inside: str, number: signal.Signals, code: int):
    program = f"""
import signal, sys
from contextlib import nullcontext, suppress
from ganbench.cli.errors import interruptible
from ganbench.execution.interrupts import held_back
signal.signal(signal.SIGINT, signal.default_int_handler)
with interruptible(), {inside}:
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    print("first", flush=True)
    signal.raise_signal({int(number)})
    print("second", flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "first\n", "")


def test_without_an_interrupt_the_handler_is_as_before():
    before = signal.getsignal(signal.SIGINT)
    with held_back():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_nothing_is_touched():
    before, inside = signal.getsignal(signal.SIGINT), []

    def work():
        with held_back():
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]
