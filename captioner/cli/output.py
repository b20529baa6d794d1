"""Standard output in whole lines, and checks of the files that results go to; with errors that users understand."""

import os
import sys
from pathlib import Path
from unicodedata import category

from captioner.errors import OutputError


def write_line(text: str) -> None:
    """Write one line of results and see it through.

    Raises:
        OutputError: standard output cannot be written.
        BrokenPipeError: whoever read it has seen enough.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed.")
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
    """Let Python's own last flush go nowhere: it would fail again and print a traceback."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def require_place(*files: Path | None) -> None:
    """Say before the work, and not after it, that files of results could not be written.

    Raises:
        OutputError: one of them has no directory to stand in, or is one.
    """
    for file in files:
        if file and not file.parent.is_dir():
            raise OutputError(f"{file}: cannot be written (there is no such directory).")
        if file and file.is_dir():
            raise OutputError(f"{file}: cannot be written (it is a directory).")
