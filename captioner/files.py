"""Files that many write and read: text in whatever encoding people's programs give it, replaced at once or not at all,
locked.
"""

import codecs
import contextlib
import hashlib
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from captioner.errors import OutputError, UsageError

# The marks that Windows programs put first. UTF-32's begins with UTF-16's, so it is tried before it.
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a text file as UTF-8, or as what its byte-order mark says; line ends stay as they are.

    Raises:
        UsageError: the file cannot be read, or is not text in these encodings.
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
        source: what to call it in an error.
        errors: what becomes of bytes that are not text, as for `bytes.decode`.

    Raises:
        UsageError: the bytes are not text in these encodings.
    """
    encoding = encoding_of(data)
    try:
        return data.decode(encoding, errors)
    except UnicodeDecodeError as problem:
        name = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise UsageError(f"{source} is not {name} text (byte {problem.start}); save it as UTF-8.") from None


def encoding_of(start: bytes) -> str:
    """The encoding of a text that begins with these bytes, at least four if it has so many; UTF-8 unless a mark says
    otherwise.
    """
    return next((name for mark, name in _ENCODINGS if start.startswith(mark)), "utf-8")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file in the same directory that takes the place of `path` at once when the block ends well.

    Mode and owner of what stands there stay, and a link stays a link: the file that it leads to is replaced.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.part")  # no longer than a name may be
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _take_after(temporary, target)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _take_after(file: Path, old: Path) -> None:
    """Give a file the owner, where that is allowed, and the mode of another one, if that exists."""
    with contextlib.suppress(FileNotFoundError):
        status = old.stat()
        if hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):
                os.chown(file, status.st_uid, status.st_gid)
        with contextlib.suppress(PermissionError):  # file systems without modes
            file.chmod(stat.S_IMODE(status.st_mode))


def remove_torn(directory: Path, name: str = "*", *, age: float = 0.0) -> None:
    """Remove what processes that were killed have left of the files that they were replacing there; see `replacing`.

    Args:
        directory: where they are, at any depth.
        name: the files' names, with wildcards.
        age: seconds for which nobody has written to them.
    """
    for torn in directory.rglob(f".{name}.????????.part"):
        with contextlib.suppress(FileNotFoundError):  # another process does the same
            if time.time() - torn.stat().st_mtime >= age:
                torn.unlink()


def write_files(directory: Path, files: Mapping[str, str]) -> None:
    """Write files of text, each at once or not at all, into a directory that is made if need be.

    Args:
        directory: where to.
        files: name → text; none only make the directory.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with replacing(directory / name) as temporary:
                temporary.write_bytes(text.encode(errors="backslashreplace"))
    except OSError as problem:
        raise OutputError(f"{directory}: cannot be written ({problem.strerror or problem}).") from None


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
        raise OutputError(
            f"{path}: another run is writing it; wait until that run ends, or give another name."
        ) from None
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
