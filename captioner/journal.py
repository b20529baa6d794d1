"""The journal of a run: a JSON-lines file that grows by one whole record at a time and outlives every crash.

A record is one `write`. A crash inside it leaves a torn last line, which the next run cuts off. So the file always holds
the first records of the run, each once, and the run goes on behind them.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from captioner.errors import OutputError

Row = Mapping[str, Any]
"""A record as JSON's types; see `captioner.batch.Record.as_dict`."""

_BEGINNING = b'{"path": "'


class Journal:
    """A journal that is read, and opened for more by `with`.

    Attributes:
        path: the file.
        failed: paths whose record is an error.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there; nothing is changed.

        Raises:
            OutputError: the file cannot be read, or something other than this program wrote it.
        """
        self.path = path
        self.failed: set[str] = set()
        self._offsets: dict[str, int] = {}
        self._end = 0  # behind the last whole record
        self._file: BinaryIO | None = None
        try:
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    self._index(number, line)
        except OSError as problem:
            raise OutputError(f"{path}: cannot be read ({problem.strerror}).") from None

    def __enter__(self) -> Self:
        """Open it for more records, and cut off what a crash left half written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
            self._file.truncate(self._end)
        except OSError as problem:
            raise self._not_written(problem) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """See to it that all records are on the disk, and take no more."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a device that cannot
                os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def __contains__(self, path: str) -> bool:
        return path in self._offsets

    def __len__(self) -> int:
        return len(self._offsets)

    def append(self, row: Row) -> None:
        """Write a record, whole or not at all.

        Raises:
            OutputError: it cannot be written, for instance because the disk is full.
        """
        assert self._file is not None, "open the journal by with"
        line = json.dumps(row).encode("ascii") + b"\n"
        try:
            rest = line
            while rest:  # once, unless the disk is full, which the second time says
                rest = rest[os.write(self._file.fileno(), rest) :]
        except OSError as problem:
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
            raise self._not_written(problem) from None
        self._add(row, len(line))

    def row(self, path: str) -> Row:
        """The record of a path that is in the journal."""
        with self.path.open("rb") as file:
            file.seek(self._offsets[path])
            found: Row = json.loads(file.readline())
        return found

    def rows(self) -> Iterator[Row]:
        """All records, in order, one in memory at a time."""
        if not self._offsets:
            return
        with self.path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield json.loads(line)

    def _index(self, number: int, line: bytes) -> None:
        if not line.endswith(b"\n"):  # the last one, torn; but only ours is cut off
            length = min(len(line), len(_BEGINNING))
            if line[:length] != _BEGINNING[:length]:
                raise self._foreign(number)
            return
        try:
            row = json.loads(line)
            known = isinstance(row["path"], str) and "error" in row and "caption" in row
        except (ValueError, TypeError, KeyError, RecursionError):
            known = False
        if not known:
            raise self._foreign(number)
        if row["path"] in self._offsets:
            raise OutputError(f"{self.path}: line {number} is a second record of {row['path']!a}; remove one.")
        self._add(row, len(line))

    def _add(self, row: Row, length: int) -> None:
        self._offsets[row["path"]] = self._end
        if row["error"] is not None:
            self.failed.add(row["path"])
        self._end += length

    def _foreign(self, number: int) -> OutputError:
        return OutputError(f"{self.path}: line {number} is no record of captioner's; give another name.")

    def _not_written(self, problem: OSError) -> OutputError:
        reason = problem.strerror or problem
        return OutputError(
            f"{self.path}: cannot be written ({reason}); what it holds is whole, the same command goes on."
        )


def merged(old: Journal, newer: Journal) -> Iterator[Row]:
    """The records of an old journal, those that a newer one has too taken from there, and then the newer one's others."""
    for row in old.rows():
        yield newer.row(row["path"]) if row["path"] in newer else row
    for row in newer.rows():
        if row["path"] not in old:
            yield row


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a whole file of JSON lines."""
    with path.open("wb") as file:
        file.writelines(json.dumps(row).encode("ascii") + b"\n" for row in rows)
