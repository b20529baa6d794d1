"""A fair limit on concurrent work: first come, first served, and those who wait learn their position."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

_Result = TypeVar("_Result")
# Seconds between calls to `tell` while waiting; each call lets a page notice that its visitor has left.
_PATIENCE = 0.5


class ClosedError(Exception):
    """The process is shutting down."""


class Gate:
    """Limits how many threads work at once.

    Args:
        places: number of concurrent threads, at least 1.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._tickets: list[object] = []  # in order of arrival; the first `places` hold a place
        self._moved = threading.Condition()
        self._workers = ThreadPoolExecutor(places)

    @contextmanager
    def place(self, tell: Callable[[int], object]) -> Iterator[None]:
        """Wait for a place and hold it.

        Args:
            tell: called with the position in the queue (1 is next) whenever it changes and every half second; not
                called if a place is free. An exception from it ends the wait.
        """
        ticket = object()
        with self._moved:
            self._tickets.append(ticket)
        try:
            while position := self._position(ticket):
                tell(position)
                with self._moved:
                    self._moved.wait_for(partial(self._has_moved, ticket, position), _PATIENCE)
            yield
        finally:
            with self._moved:
                self._tickets.remove(ticket)
                self._moved.notify_all()

    def run(self, work: Callable[[], _Result], tell: Callable[[int], object]) -> _Result:
        """Wait for a place, then run `work` in one of the gate's threads.

        The C library keeps most of the memory that a thread frees for that thread. A few shared threads therefore use
        less memory than one thread per visitor.

        Args:
            work: the work; its exceptions propagate.
            tell: see `place`.

        Raises:
            ClosedError: the process is shutting down.
        """
        with self.place(tell):
            try:
                doing = self._workers.submit(work)
            except RuntimeError as problem:
                raise ClosedError from problem
            return doing.result()

    def _has_moved(self, ticket: object, position: int) -> bool:
        return self._position(ticket) != position

    def _position(self, ticket: object) -> int:
        """0 if the ticket holds a place, 1 if it is next, and so on."""
        with self._moved:
            return max(0, self._tickets.index(ticket) - self._places + 1)
