"""Graceful interruption: Ctrl-C and termination signals let a run finish and save the work in progress."""

import signal
import threading
import time
from types import FrameType
from typing import Self

# Ctrl-C, termination by the system, a closed terminal; not every system has all of them.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_ONE_REQUEST = 1.0
"""Seconds within which signals count as one request, because `torchrun` forwards a Ctrl-C that the terminal has also
sent.
"""


class Interrupt:
    """Within the block, a first Ctrl-C or termination signal only sets a flag; a second one raises KeyboardInterrupt.

    Attributes:
        requested: whether a signal has arrived.
    """

    def __init__(self) -> None:
        self.requested = False
        self._asked = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # signals arrive only there
            for number in _SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:  # ignored under nohup or in the background of a shell
                    self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.requested and now - self._asked > _ONE_REQUEST:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested, self._asked = True, now
