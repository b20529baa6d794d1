"""Interrupts: work in progress is finished first."""

import os
import signal
import sys
import threading
import time

import pytest

from captioner.interrupt import Interrupt

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals differ"),
    pytest.mark.usefixtures("signals_heard"),
]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_only_asks_and_handlers_come_back(number: signal.Signals) -> None:
    before = list(map(signal.getsignal, SIGNALS))
    with Interrupt() as interrupt:
        assert not interrupt.requested
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # within a second: the same request
        assert interrupt.requested
    assert list(map(signal.getsignal, SIGNALS)) == before


def test_a_second_request_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    with Interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        monkeypatch.setattr(time, "monotonic", lambda: now + 3)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupt.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_a_thread_nothing_is_asked() -> None:
    entered = []

    def enter() -> None:
        with Interrupt() as interrupt:
            entered.append(interrupt.requested)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [False]
