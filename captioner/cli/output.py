"""Writing to standard output, and early checks of output files."""

import os
import sys
from pathlib import Path
from unicodedata import category

from captioner.errors import OutputError


def write_line(text: str) -> None:
    """Write one line of results and flush it.

    Raises:
        OutputError: standard output cannot be written.
        BrokenPipeError: the reader has quit.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed; redirect it to a file.")
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        abandon_output()
        raise OutputError(f"standard output cannot be written ({problem.strerror}).") from None


def one_line(path: str) -> str:
    """A name without tabs, line ends and their kind, which are escaped; bytes that are not UTF-8 stay as they are."""
    return "".join(c.encode("unicode_escape").decode() if category(c) in {"Cc", "Zl", "Zp"} else c for c in path)


def abandon_output() -> None:
    """Discard further output, because Python's final flush would fail again and print a traceback."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def require_place(*files: Path | None) -> None:
    """Check before the work that output files can be written.

    Raises:
        OutputError: a file's directory does not exist, or the file is a directory.
    """
    for file in files:
        if file and not file.parent.is_dir():
            raise OutputError(f"{file}: cannot be written (no such directory).")
        if file and file.is_dir():
            raise OutputError(f"{file}: cannot be written (it is a directory).")
