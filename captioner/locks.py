"""One run at a time on an output: a lock that is gone when its process is, however that ended."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from captioner.errors import OutputError


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of an output: a lock on a file beside it, which is deleted at the end.

    It is the process's own (POSIX `fcntl`, not `flock`): neither a fork nor a program that it starts has it.

    Yields:
        Whether there is a lock: some network file systems know none, and then nobody is refused.

    Raises:
        OutputError: another run has it, or the folder cannot be written.
    """
    name = path.resolve().with_name(f".{_short(path.name)}.lock")
    try:
        name.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
            held = _lock(descriptor)
            if not held or _is(descriptor, name):
                break
            os.close(descriptor)  # its owner deleted it between our opening and our locking it
    except BlockingIOError:
        os.close(descriptor)
        raise OutputError(f"{path}: another run is writing it; wait for its end or give another name.") from None
    except OSError as problem:
        raise OutputError(f"{path}: cannot be written ({problem.strerror}).") from None
    try:
        yield held
    finally:
        with contextlib.suppress(OSError):  # Windows deletes no open file; an empty one does no harm
            name.unlink()
        os.close(descriptor)


def _short(name: str) -> str:
    """A name that leaves room for more behind it, and is still no other file's."""
    return name if len(name) <= 40 else f"{name[:40]}-{hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()}"


def _lock(descriptor: int) -> bool:
    """Lock a file; False where the file system knows no locks.

    Raises:
        BlockingIOError: somebody else has it.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise BlockingIOError from None
    except OSError:
        return False
    return True


def _is(descriptor: int, name: Path) -> bool:
    """Whether an open file still has that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), name.stat())
    except FileNotFoundError:
        return False
