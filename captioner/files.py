"""Shared file operations: reading text in any common encoding, atomic writes, and locks."""

import codecs
import contextlib
import hashlib
import json
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from captioner.errors import OutputError, UsageError

# Byte-order marks. UTF-32's begins with UTF-16's, so it is tried first.
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a text file as UTF-8, or in the encoding of its byte-order mark. Line endings are kept.

    Raises:
        UsageError: the file cannot be read or decoded.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        reason = getattr(problem, "strerror", None) or problem
        raise UsageError(f"{os.fspath(path)} cannot be read: {reason}.") from None
    return decode_text(data, os.fspath(path))


def decode_text(data: bytes, source: str, *, errors: str = "strict") -> str:
    """Decode the bytes of a text file; see `read_text`.

    Args:
        data: the whole file.
        source: name of the file, for messages.
        errors: how to handle invalid bytes, as for `bytes.decode`.

    Raises:
        UsageError: the bytes cannot be decoded.
    """
    encoding = encoding_of(data)
    try:
        return data.decode(encoding, errors)
    except UnicodeDecodeError as problem:
        name = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise UsageError(f"{source} is not {name} text (byte {problem.start}); save it as UTF-8.") from None


def encoding_of(start: bytes) -> str:
    """The encoding of a text by its first four bytes: that of its byte-order mark, or UTF-8."""
    return next((name for mark, name in _ENCODINGS if start.startswith(mark)), "utf-8")


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Explain that a file cannot be written if the block fails.

    Raises:
        OutputError: the block raised an OSError.
    """
    try:
        yield
    except OSError as problem:
        raise OutputError(f"{path}: cannot be written ({problem.strerror or problem}).") from None


@contextlib.contextmanager
def replacing(path: Path, *, temporary_name: str = "") -> Iterator[Path]:
    """Yield a temporary file in the same directory that atomically replaces `path` if the block succeeds.

    Mode and owner of an existing file are kept. If `path` is a link, the file that it points to is replaced.

    Args:
        path: the file.
        temporary_name: name of the temporary file; random if empty. With a fixed name, the next attempt overwrites what
            a killed process left behind.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    # within the limit on file names
    temporary = target.with_name(temporary_name or f".{target.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _take_after(temporary, target)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _take_after(file: Path, old: Path) -> None:
    """Copy mode and, if permitted, owner of an existing file."""
    with contextlib.suppress(FileNotFoundError):
        status = old.stat()
        if hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):
                os.chown(file, status.st_uid, status.st_gid)
        with contextlib.suppress(PermissionError):  # file systems without modes
            file.chmod(stat.S_IMODE(status.st_mode))


def remove_torn(directory: Path, name: str = "*", *, age: float = 0.0) -> None:
    """Remove temporary files of `replacing` that killed processes left behind.

    Args:
        directory: searched recursively.
        name: pattern of the names of the files being replaced.
        age: minimum time since the last write, in seconds.
    """
    for torn in directory.rglob(f".{name}.????????.part"):
        with contextlib.suppress(FileNotFoundError):  # another process has removed it
            if time.time() - torn.stat().st_mtime >= age:
                torn.unlink()


def escaped(text: str) -> str:
    """Text with what is not valid UTF-8, such as the bytes of some file names, as backslash escapes."""
    return text.encode(errors="backslashreplace").decode()


def json_text(data: object) -> str:
    """Data as the text of an indented JSON file, with accents as they are."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def write_files(directory: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files, each atomically, into a directory, which is created if necessary.

    Args:
        directory: the directory.
        files: name → text or bytes; if empty, only the directory is created.

    Raises:
        OutputError: the directory cannot be written.
    """
    with output_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode(errors="backslashreplace")
            with replacing(directory / name) as temporary:
                temporary.write_bytes(data)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Lock an output file; see `lock`.

    Raises:
        OutputError: another run holds the lock, or the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with output_errors(path):
            try:
                held = stack.enter_context(lock(path))
            except BlockingIOError:
                raise OutputError(
                    f"{path}: another run is writing it; wait until that run ends, or give another name."
                ) from None
        yield held


@contextlib.contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Lock a file by a lock file beside it, which is deleted at the end.

    The lock belongs to the process (POSIX `fcntl`, not `flock`): forks and child processes do not inherit it.

    Yields:
        Whether the file is locked; False on network file systems that do not support locks.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: the folder cannot be written.
    """
    name = path.resolve().with_name(f".{_short(path.name)}.lock")
    name.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            held = _lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            raise
        if not held or is_still(descriptor, name):
            break
        os.close(descriptor)  # its owner deleted it after we opened it
    try:
        yield held
    finally:
        with contextlib.suppress(OSError):  # Windows cannot delete an open file; leaving it is harmless
            name.unlink()
        os.close(descriptor)


def _short(name: str) -> str:
    """A shortened but unique name, to which more can be appended."""
    return name if len(name) <= 40 else f"{name[:40]}-{hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()}"


def _lock(descriptor: int) -> bool:
    """Lock a file; False if the file system does not support locks.

    Raises:
        BlockingIOError: another process holds the lock.
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


def is_still(descriptor: int, name: Path) -> bool:
    """Whether an open file is still the file with that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), name.stat())
    except FileNotFoundError:
        return False
