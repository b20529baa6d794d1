"""A bounded queue of photos, and the threads that caption them.

The page's gate (`captioner.visit.gate`) lets a thread wait for each visitor. Here nobody may wait without a bound, and
no thread is held by a client that sends slowly.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from captioner.serve.refusal import RefusalError

_Result = TypeVar("_Result")
_BUSY = "too many photos at once; try again in a moment."
_RETRY = {"Retry-After": "2"}


class Place:
    """One request's place at the desk."""

    def __init__(self, desk: "Desk") -> None:
        self.held = 0
        self.work: Future[object] | None = None
        self._desk = desk

    def hold(self, size: int) -> None:
        """Note that the request holds so many more bytes.

        Raises:
            RefusalError: all requests together would hold too many.
        """
        self._desk.hold(size)
        self.held += size

    async def do(self, work: Callable[[], _Result]) -> _Result:
        """Do some work in one of the desk's threads, when it is its turn.

        Raises:
            RefusalError: it was not done in time.
        """
        future = self._desk.pool.submit(work)
        self.work = future  # type: ignore[assignment]
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._desk.seconds)
        except TimeoutError:
            raise RefusalError(
                503, f"the photo was not captioned within {self._desk.seconds:g} seconds.", _RETRY
            ) from None


class Desk:
    """Bounds how many requests there are at once, what they hold, and how long they wait.

    Attributes:
        pool: the threads that work.
        seconds: until a photo is captioned.
    """

    def __init__(
        self, *, workers: int, queue: int, seconds: float, memory: int, initializer: Callable[[], None] | None = None
    ) -> None:
        """Open the desk.

        Args:
            workers: threads.
            queue: requests that may wait besides those that are worked on.
            seconds: until a photo is captioned, its waiting included.
            memory: bytes that all requests together may hold.
            initializer: called in each thread first.
        """
        self.pool = ThreadPoolExecutor(workers, "caption", initializer)
        self.seconds = seconds
        self._places = threading.BoundedSemaphore(workers + queue)
        self._memory = memory
        self._held = 0
        self._changing = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Take a place; it is given back when the request is done, and its work as well.

        Work that took too long goes on, since no thread can be stopped: it keeps its place meanwhile.

        Raises:
            RefusalError: there is none.
        """
        if not self._places.acquire(blocking=False):
            raise RefusalError(503, _BUSY, _RETRY)
        place = Place(self)
        try:
            yield place
        finally:
            if place.work is None:
                self._leave(place)
            else:
                place.work.cancel()
                place.work.add_done_callback(lambda _: self._leave(place))

    def hold(self, size: int) -> None:
        """See `Place.hold`."""
        with self._changing:
            if self._held + size > self._memory:
                raise RefusalError(503, _BUSY, _RETRY)
            self._held += size

    def close(self) -> None:
        """Take no more work, and do none that has not begun."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, place: Place) -> None:
        with self._changing:
            self._held -= place.held
        self._places.release()
