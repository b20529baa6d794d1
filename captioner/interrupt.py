"""Whoever ends a run asks first, so that what was started can be finished and kept."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Self

# Ctrl-C, a system that ends its processes, a terminal that is closed; not every system knows them all.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_ONE_REQUEST = 1.0
"""Seconds within which signals are one and the same request: `torchrun` passes on a Ctrl-C that the terminal has sent
already.
"""


class Interrupt:
    """Within the block, Ctrl-C and the signals that end a process only ask for an end; a second one does not ask any
    more.

    Attributes:
        requested: whether somebody has asked.
    """

    def __init__(self) -> None:
        self.requested = False
        self._asked = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # elsewhere no signal arrives
            for number in _SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup, or a shell's background, wants it so
                    self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.requested and now - self._asked > _ONE_REQUEST:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested, self._asked = True, now
