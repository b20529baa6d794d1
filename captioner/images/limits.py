"""What one photo, and all photos that are decoded at the same time, may ask of this machine."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from captioner.errors import UsageError


class RefusedError(Exception):
    """Why a photo is not read, without its name, which `open_image` adds."""


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """How much one photo may ask of this machine. All limits are checked before a pixel is decoded.

    Attributes:
        max_bytes: of its file. Files are read whole, so this bounds memory. The default is what 65 megapixels of 16-bit
            RGBA take uncompressed.
        max_pixels: width times height; bounds the time. The default has room for phones that promise 200 megapixels.
        max_side: longer side in pixels; the default is the most that a JPEG can have.
        min_side: shorter side in pixels.
        max_memory: bytes that decoding it may take, its file included, estimated from format, mode and size.

    Raises:
        UsageError: a limit is not a whole number above 0, or `min_side` is above `max_side`.
    """

    max_bytes: int = 520_000_000
    max_pixels: int = 250_000_000
    max_side: int = 65_535
    min_side: int = 1
    max_memory: int = 1_000_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"ImageLimits.{field.name} is {value!r}; give a whole number above 0")
        if self.min_side > self.max_side:
            raise UsageError(f"ImageLimits.min_side, {self.min_side}, is above max_side, {self.max_side}; lower it")

    def check_bytes(self, size: int) -> None:
        """Refuse a file of more bytes."""
        if size > self.max_bytes:
            raise RefusedError(f"it is larger than the limit of {self.max_bytes / 1e6:g} MB; make it smaller")

    def check_size(self, width: int, height: int) -> None:
        """Refuse sides and pixels beyond the limits."""
        if min(width, height) < self.min_side:
            wrong = f"a side below the minimum of {self.min_side} pixels; use a larger photo"
        elif max(width, height) > self.max_side:
            wrong = f"a side above the limit of {self.max_side} pixels; make it smaller"
        elif width * height > self.max_pixels:
            wrong = f"more than the limit of {self.max_pixels / 1e6:g} million; make it smaller"
        else:
            return
        raise RefusedError(f"it has {width} × {height} pixels, {wrong}")

    def check_memory(self, cost: int) -> None:
        """Refuse what takes more memory to decode."""
        if cost > self.max_memory:
            needed, allowed = _bytes(cost), _bytes(self.max_memory)
            raise RefusedError(
                f"decoding it would take {needed} of memory, above the limit of {allowed}; make it smaller"
            )


def _bytes(number: float) -> str:
    return f"{number / 1e9:.2g} GB" if number >= 1e9 else f"{number / 1e6:.3g} MB"


DEFAULT_LIMITS = ImageLimits()


# Freed blocks of Pillow's, 16 MB each, stay in a heap of the thread that had them, up to a picture's size a thread.
_TRIMMED = 100_000_000
_BIG_FILE = 50_000_000


def _give_back_freed_memory() -> None:
    """Have the C library hand freed memory back to the system, if it is glibc."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class Budget:
    """Memory that several threads share: a thread waits until what it needs is free, or nobody else holds any."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._held = 0
        self._changed = threading.Condition()
        self._big_file = threading.Lock()

    @contextmanager
    def file(self, size: int) -> Iterator[int]:
        """Hold what a file of so many bytes takes while it is read and decoded; yields how much that is.

        It is in memory before it is known what decoding it takes. So big files go one by one, and small ones are free.
        """
        if size <= _BIG_FILE:
            yield 0
        else:
            with self._big_file, self.hold(size):
                yield size

    @contextmanager
    def hold(self, amount: int, *, held: int = 0) -> Iterator[None]:
        """Hold so many bytes beside those that the same thread holds; more than the total if nobody else holds any."""
        with self._changed:
            self._changed.wait_for(lambda: self._held <= held or self._held + amount <= self._total)
            self._held += amount
        try:
            yield
        finally:
            if amount > _TRIMMED:
                _give_back_freed_memory()
            with self._changed:
                self._held -= amount
                self._changed.notify_all()


# One for the process, whatever its threads are: the memory that it bounds is the process's, too.
DECODING = Budget(DEFAULT_LIMITS.max_memory)
