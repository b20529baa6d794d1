"""Fingerprints of files, to detect that a photo has changed: size, modification time, and a hash."""

import hashlib
import os
import stat
from collections.abc import Mapping
from functools import partial
from typing import Any

Fingerprint = Mapping[str, Any]
"""`bytes`: file size; `modified`: seconds since 1970; `digest`: hash of the content, None if it was not read."""

_MOST = 2**30
"""Maximum size of a file to hash, in bytes; larger files are not readable photos."""


def take(path: str | os.PathLike[str]) -> Fingerprint | None:
    """Take the fingerprint of a file; None if it is not a readable file.

    The time is taken before the content is read, so that a change in between is detected later.
    """
    quick = look(path)
    return quick and {**quick, "digest": digest(path) if quick["bytes"] <= _MOST else None}


def look(path: str | os.PathLike[str]) -> Fingerprint | None:
    """A file's size and time; None if it is not a readable file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    # Microseconds are precise enough, and survive any JSON program.
    return {"bytes": status.st_size, "modified": round(status.st_mtime, 6)} if stat.S_ISREG(status.st_mode) else None


def changed(path: str | os.PathLike[str], recorded: Fingerprint) -> bool:
    """Whether a file has changed. Its content is read only if the time differs but the size does not."""
    now = look(path)
    if now is None or (now["bytes"], now["modified"]) == (recorded.get("bytes"), recorded.get("modified")):
        return False
    known = recorded.get("digest")
    return now["bytes"] != recorded.get("bytes") or known is None or digest(path) != known


def mark(recorded: object) -> int | None:
    """Size and time as one number, to save memory; None if they are missing."""
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
