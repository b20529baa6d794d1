"""Read and write the metadata of photos with ExifTool, as one process that stays open.

ExifTool never writes to a user's file: it edits copies in a temporary folder. So a killed process never leaves a
partly written photo, and no file name is mistaken for an option.
"""

import contextlib
import html
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from captioner.errors import UsageError

OLDEST = 12.40
"""The oldest supported version, that of Ubuntu 22.04; older ones cannot write alt texts."""
INSTALL = (
    "apt install libimage-exiftool-perl (Debian, Ubuntu), brew install exiftool (macOS), or "
    "winget install OliverBetz.ExifTool (Windows)"
)
_NO_REASON = "ExifTool gave no reason; the disk with temporary files may be full"
_LONGEST = 120.0  # seconds for one file
_WAIT = 5.0  # seconds for the process to exit after it was told to

# If captioner is killed, ExifTool would wait for commands forever, so the end of its input is turned into the command
# to stop.
_UNTIL_THE_END = '{ cat; printf "%s\\n" -stay_open False; } | exec "$0" "$@"'


class ExifToolError(Exception):
    """An error of ExifTool; the message does not name the file."""


class ExifTool:
    """An ExifTool process that ends with the `with` block.

    Attributes:
        folder: a temporary folder for the files to edit.
    """

    def __init__(self) -> None:
        """Find the program; it is started on first use.

        Raises:
            UsageError: ExifTool is not installed, or too old.
        """
        self._program = _program()
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.ExitStack()
        self.folder = Path()
        self._errors: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="captioner-")))
        self._errors = self._stack.enter_context(tempfile.TemporaryFile())
        self._stack.callback(self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, path: str | os.PathLike[str], tags: Sequence[str]) -> Mapping[str, str | list[str]]:
        """Read some tags of a file.

        Args:
            path: the file.
            tags: names with groups, such as `XMP-dc:Description*`.

        Returns:
            Name with group → value, for tags that the file has. Numbers are strings, as written in the file.

        Raises:
            ExifToolError: the file cannot be read.
        """
        answer, problems = self._ask(["-j", "-G1", *(f"-{tag}" for tag in tags), self._safe(os.fspath(path))])
        try:
            rows: list[dict[str, Any]] = json.loads(answer, parse_int=str, parse_float=str)
        except ValueError:
            raise ExifToolError(_first(problems)) from None
        return rows[0]

    def write(self, path: Path, values: Sequence[tuple[str, str]]) -> None:
        """Set tags of a file without changing anything else in it.

        Args:
            path: a file in `folder`; a file that ends in .xmp is created if it does not exist.
            values: name with group, and new value; an empty value deletes the tag. If a name is repeated, its last
                value is used.

        Raises:
            ExifToolError: ExifTool cannot write the file, which is unchanged.
        """
        settings = [f"-{tag}={_escaped(value)}" for tag, value in values]
        answer, problems = self._ask(["-E", "-overwrite_original", *settings, str(path)])
        if not {"1 image files updated", "1 image files created"} & {line.strip() for line in answer.splitlines()}:
            raise ExifToolError(_first(problems))

    def _safe(self, path: str) -> str:
        """A path to the file that is a single line and cannot be mistaken for an option."""
        whole = os.path.abspath(path)
        if not {"\n", "\r"} & set(whole):
            return whole
        link = self.folder / "link"
        link.unlink(missing_ok=True)
        link.symlink_to(whole)
        return str(link)

    def _ask(self, arguments: Sequence[str]) -> tuple[str, str]:
        """Send a command; returns ExifTool's standard output and standard error."""
        process = self._running()
        assert process.stdin is not None
        assert self._errors is not None
        clock = threading.Timer(_LONGEST, _kill, [process])
        clock.daemon = True
        clock.start()
        try:
            process.stdin.write(b"".join(os.fsencode(one) + b"\n" for one in (*arguments, "-execute")))
            process.stdin.flush()
            answer = _answer(process)
        except OSError:
            answer = None
        finally:
            clock.cancel()
        if answer is None:
            self._stop()
            raise ExifToolError(f"ExifTool stopped or took more than {_LONGEST:g} seconds")
        self._errors.seek(0)
        problems = self._errors.read().decode("utf-8", "replace")
        self._errors.seek(0)
        self._errors.truncate()
        return answer.decode("utf-8", "replace"), problems

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            command = [self._program, "-stay_open", "True", "-@", "-", "-common_args", "-charset", "utf8"]
            command += ["-charset", "filename=utf8"] if sys.platform == "win32" else []
            if sys.platform != "win32":
                command = ["/bin/sh", "-c", _UNTIL_THE_END, *command]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                # Ctrl-C must not reach ExifTool: captioner finishes the photos that it has started.
                start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.write(b"-stay_open\nFalse\n")
            process.stdin.close()
        try:
            process.wait(_WAIT)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _program() -> str:
    program = shutil.which("exiftool")
    if program is None:
        raise UsageError(f"ExifTool is required for metadata, but is not installed; install it with: {INSTALL}.")
    try:
        version = subprocess.run([program, "-ver"], capture_output=True, text=True, timeout=60, check=True).stdout
        if float(version) >= OLDEST:
            return program
    except (OSError, ValueError, subprocess.SubprocessError):
        raise UsageError(f"{program} does not start; reinstall ExifTool with: {INSTALL}.") from None
    raise UsageError(
        f"{program} is version {version.strip()}, but {OLDEST:.2f} or newer is required; update it with: {INSTALL}."
    )


def _answer(process: "subprocess.Popen[bytes]") -> bytes | None:
    """Read a complete answer; None if the process exited before its end."""
    assert process.stdout is not None
    lines: list[bytes] = []
    for line in process.stdout:
        if line.rstrip() == b"{ready}":
            return b"".join(lines)
        lines.append(line)
    return None


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _escaped(value: str) -> str:
    """Escape a value as HTML on a single line, for ExifTool's option -E."""
    return html.escape(value, quote=False).replace("\n", "&#10;").replace("\r", "&#13;")


def _first(problems: str) -> str:
    """The first error in ExifTool's standard error, without the name of the file."""
    lines = [line.strip() for line in problems.splitlines() if line.strip()]
    line = next((line for line in lines if line.startswith("Error")), lines[0] if lines else _NO_REASON)
    if "not supported" in line:
        return "ExifTool cannot write to this file format"
    return line.removeprefix("Error: ").removeprefix("[minor] ").rpartition(" - ")[0] or line
