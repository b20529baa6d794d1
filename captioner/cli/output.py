"""Standard output, for results: whole lines, at once, and an error that users understand."""

import os
import sys

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
        raise OutputError(f"standard output cannot be written ({problem.strerror}).") from None


def abandon_output() -> None:
    """Let Python's own last flush go nowhere: it would fail again and print a traceback."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
