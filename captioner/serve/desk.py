"""A bounded queue of photos, and the threads that caption them.

Unlike the web page's gate (`captioner.visit.gate`), where each visitor has a waiting thread, the queue has a maximum
length, and a client that sends slowly does not occupy a thread.
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
    """A request's place in the queue.

    Attributes:
        held: bytes of the request in memory.
        work: the captioning of its photo; None until it is submitted.
    """

    def __init__(self, desk: "Desk") -> None:
        self.held = 0
        self.work: Future[object] | None = None
        self._desk = desk

    def hold(self, size: int) -> None:
        """Count `size` more bytes that the request holds in memory.

        Raises:
            RefusalError: all requests together would exceed the limit.
        """
        self._desk.hold(size)
        self.held += size

    async def do(self, work: Callable[[], _Result]) -> _Result:
        """Run `work` in one of the desk's threads, after the requests before it.

        Raises:
            RefusalError: the time limit is exceeded.
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
    """Limits the number of concurrent requests, their memory and their waiting time.

    Attributes:
        pool: the captioning threads.
        seconds: time limit for captioning a photo, including waiting.
    """

    def __init__(
        self, *, workers: int, queue: int, seconds: float, memory: int, initializer: Callable[[], None] | None = None
    ) -> None:
        """Start the captioning threads.

        Args:
            workers: number of threads.
            queue: maximum number of waiting requests, besides those being processed.
            seconds: time limit for captioning a photo, including waiting.
            memory: maximum number of bytes that all requests together may hold.
            initializer: called at the start of each thread.
        """
        self.pool = ThreadPoolExecutor(workers, "caption", initializer)
        self.seconds = seconds
        self._places = threading.BoundedSemaphore(workers + queue)
        self._memory = memory
        self._held = 0
        self._changing = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Take a place in the queue. It is released once both the request and its work have ended.

        Work that exceeds the time limit continues, because threads cannot be stopped, and keeps its place until it
        ends.

        Raises:
            RefusalError: the queue is full.
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
        """Accept no more work, and cancel work that has not started."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, place: Place) -> None:
        with self._changing:
            self._held -= place.held
        self._places.release()
