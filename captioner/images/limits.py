"""Limits on single photos, and on the memory of all photos that are decoded concurrently."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from captioner.errors import UsageError


class RefusedError(Exception):
    """A photo is rejected; `open_image` adds its name to the message."""


class OtherReaderError(RefusedError):
    """The format of a file needs an extra package.

    Attributes:
        name: name of the format, with article.
        reader: the module of `captioner.images` that reads it: `raw` or `jxl`.
    """

    def __init__(self, name: str, reader: str) -> None:
        super().__init__(f"it is {name}; save it as JPEG or PNG")
        self.name = name
        self.reader = reader


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """Limits on one photo, checked before any pixel is decoded.

    Attributes:
        max_bytes: size of the file, which is read completely into memory. The default is 65 megapixels of uncompressed
            16-bit RGBA.
        max_pixels: width times height, which determines the decoding time. The default includes 200-megapixel phones.
        max_side: length of the longer side in pixels; the default is the maximum of JPEG.
        min_side: length of the shorter side in pixels.
        max_memory: memory for decoding in bytes, including the file, estimated from format, mode and size.

    Raises:
        UsageError: a limit is not a positive integer, or `min_side` is above `max_side`.
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
        """Reject files that are too large."""
        if size > self.max_bytes:
            raise RefusedError(f"it is larger than the limit of {self.max_bytes / 1e6:g} MB; make it smaller")

    def check_size(self, width: int, height: int) -> None:
        """Reject photos with too many or too few pixels."""
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
        """Reject photos that take too much memory to decode."""
        if cost > self.max_memory:
            needed, allowed = _bytes(cost), _bytes(self.max_memory)
            raise RefusedError(
                f"decoding it would take {needed} of memory, above the limit of {allowed}; make it smaller"
            )


def _bytes(number: float) -> str:
    return f"{number / 1e9:.2g} GB" if number >= 1e9 else f"{number / 1e6:.3g} MB"


DEFAULT_LIMITS = ImageLimits()


# Freed 16 MB blocks of Pillow remain in the heap of their thread, up to the size of a picture per thread.
_TRIMMED = 100_000_000
_BIG_FILE = 50_000_000


def _give_back_freed_memory() -> None:
    """Return freed memory to the system (glibc only)."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class Budget:
    """A memory budget shared by threads. A thread waits until enough is free, or no other thread holds any."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._held = 0
        self._changed = threading.Condition()
        self._big_file = threading.Lock()

    @contextmanager
    def file(self, size: int) -> Iterator[int]:
        """Hold the memory for a file of `size` bytes while it is read and decoded; yields the held amount.

        A file is in memory before its decoding cost is known. So large files are read one at a time; small ones are
        not counted.
        """
        if size <= _BIG_FILE:
            yield 0
        else:
            with self._big_file, self.hold(size):
                yield size

    @contextmanager
    def hold(self, amount: int, *, held: int = 0) -> Iterator[None]:
        """Hold `amount` bytes in addition to `held`; more than the total only if no other thread holds any."""
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


# One budget per process, because memory is per process as well.
DECODING = Budget(DEFAULT_LIMITS.max_memory)
