"""Memory settings for a server with many visitors."""

import ctypes
import sys

_M_MMAP_THRESHOLD = -3  # glibc's malloc.h
_LARGE = 512 * 1024


def give_back_large_blocks() -> bool:
    """Make the C library return freed blocks of 512 KB or more to the operating system.

    By default, glibc raises this threshold to the size of the largest freed block, up to 32 MB. Smaller blocks then
    come from per-thread heaps, whose free memory stays with the process. With one thread per visitor, uploads and
    bitmaps would fragment many heaps.

    Returns:
        True if the C library supports the setting (glibc only).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _LARGE) == 1
