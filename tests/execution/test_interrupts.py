"""An interrupt waits for the end of what must be whole."""

from __future__ import annotations

import signal
import threading

import pytest

from ganbench.execution.interrupts import held_back


def test_an_interrupt_is_delivered_at_the_end_of_the_block():
    done = []

    def work():
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest of the block"]


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
