"""The memory of a server that many visitors share."""

import ctypes
import sys

_M_MMAP_THRESHOLD = -3  # glibc's malloc.h
_LARGE = 512 * 1024


def give_back_large_blocks() -> bool:
    """Have the C library hand each block of memory of half a megabyte or more back to the system when it is freed.

    glibc does so by itself until the first such block is freed; then it raises its bound to that block's size, up to
    32 MB, and takes what is smaller from heaps, one for each few threads, whose holes stay with the process. The
    uploads and bitmaps of a server with a thread for each visitor leave such holes everywhere.

    Returns:
        Whether the C library is one that can be told; only glibc is.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _LARGE) == 1
