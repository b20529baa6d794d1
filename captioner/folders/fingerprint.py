"""What tells a photo from another one that has taken its name: its size, its time, and a hash of its bytes."""

import hashlib
import os
import stat
from collections.abc import Mapping
from functools import partial
from typing import Any

Fingerprint = Mapping[str, Any]
"""`bytes`: the file's size; `modified`: seconds since 1970; `digest`: of the content, None where it was not read."""

_MOST = 2**30
"""Bytes up to which a file is hashed; what is larger is no photo that is read."""


def take(path: str | os.PathLike[str]) -> Fingerprint | None:
    """Take the fingerprint of a file; None if it is none, or cannot be looked at.

    Its time is looked at before its bytes are read: a photo that is exchanged meanwhile differs later.
    """
    quick = look(path)
    return quick and {**quick, "digest": digest(path) if quick["bytes"] <= _MOST else None}


def look(path: str | os.PathLike[str]) -> Fingerprint | None:
    """A file's size and time; None if it is no file, or cannot be looked at."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    # Microseconds are enough, and any program reads them back as they were written.
    return {"bytes": status.st_size, "modified": round(status.st_mtime, 6)} if stat.S_ISREG(status.st_mode) else None


def changed(path: str | os.PathLike[str], recorded: Fingerprint) -> bool:
    """Whether a file is another one than it was; its bytes are read only if its time alone is new."""
    now = look(path)
    if now is None or (now["bytes"], now["modified"]) == (recorded.get("bytes"), recorded.get("modified")):
        return False
    known = recorded.get("digest")
    return now["bytes"] != recorded.get("bytes") or known is None or digest(path) != known


def mark(recorded: object) -> int | None:
    """A number for size and time, of which a million take little memory; None if there are none."""
    if not isinstance(recorded, Mapping):
        return None
    found = (recorded.get("bytes"), recorded.get("modified"))
    return hash(found) if all(isinstance(value, int | float) for value in found) else None


def digest(path: str | os.PathLike[str]) -> str | None:
    """A hash of a file's content, 64 bits in hexadecimal; None if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=8)).hexdigest()
    except OSError:
        return None


def digest_of(content: bytes) -> str:
    """The same hash of bytes in memory."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()
