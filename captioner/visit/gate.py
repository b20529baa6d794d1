"""A gate that lets a few through at a time, first come, first served, and tells the others their position."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

_Result = TypeVar("_Result")
# Seconds until somebody who waits is told again, which is when a page notices that its visitor has left.
_PATIENCE = 0.5


class ClosedError(Exception):
    """The process is being stopped and does no more work."""


class Gate:
    """Bounds how many threads do something at once.

    Args:
        places: how many, at least 1.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._tickets: list[object] = []  # in order of arrival; the first `places` of them are inside
        self._moved = threading.Condition()
        self._workers = ThreadPoolExecutor(places)

    @contextmanager
    def place(self, tell: Callable[[int], object]) -> Iterator[None]:
        """Wait for a place and hold it.

        Args:
            tell: called with the position in the queue, 1 being next, when it changes and every half second; not called
                where there is a place at once. What it raises ends the waiting.
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
        """Wait for a place, and do some work there in one of the gate's own threads.

        Most of the memory that a thread frees stays with it; so it is a few threads that take it, and not every
        visitor's.

        Args:
            work: what to do; what it raises is raised.
            tell: see `place`.

        Raises:
            ClosedError: the process is being stopped.
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
        """0 inside, 1 for the next, and so on."""
        with self._moved:
            return max(0, self._tickets.index(ticket) - self._places + 1)
