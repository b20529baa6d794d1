"""The journal of a run: a JSON-lines file that grows by one whole record at a time and outlives every crash.

A record is one `write`. A crash inside it leaves a torn last line, which the next run cuts off. So the file always
holds the first records of the run, each once, and the run goes on behind them.

The first record also says how it and those behind it were made, under the key `made`: the settings, and the folder to
which the paths are relative, itself relative to the journal's.
"""

import contextlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from captioner.errors import OutputError
from captioner.folders import fingerprint

Row = Mapping[str, Any]
"""A record as JSON's types; see `captioner.folders.batch.Record.as_dict`."""

Made = Mapping[str, Any]
"""How records were made: setting → value."""

MADE, FOLDER, FINGERPRINT = "made", "folder", "fingerprint"
_NOT_SETTINGS = {FOLDER, "model"}  # a model may be called otherwise or stand elsewhere; its `weights` say which it is

_MODELS = {"weights": "model", "translator": "translator"}  # known by a hash, which says nothing to people
_BEGINNING = b'{"path": "'
_TRIED = 100
"""Photos of which one must be there, if a journal is to be believed where they are."""


class Journal:
    """A journal that is read, and opened for more by `with`.

    Attributes:
        path: the file.
        failed: paths whose record is an error.
        made: how its records were made; several if journals of several runs were put together.
        making: how the records are made that are appended; None does not say so.
    """

    def __init__(self, path: Path, making: Made | None = None) -> None:
        """Read what is there; nothing is changed.

        Args:
            path: the file.
            making: see above.

        Raises:
            OutputError: the file cannot be read, or something other than this program wrote it.
        """
        self.path = path
        self.failed: set[str] = set()
        self.made: list[Made] = []
        self.making = making
        self._records: dict[str, tuple[int, int | None]] = {}  # where each begins, and `mark` of its photo
        self._end = 0  # behind the last whole record
        self._unended = False  # the last record lacks its line end, which some editors leave away
        self._file: BinaryIO | None = None
        try:
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    self._index(number, line)
        except OSError as problem:
            raise OutputError(f"{path}: cannot be read ({problem.strerror}).") from None

    def __enter__(self) -> Self:
        return self.open()

    def open(self) -> Self:
        """Open it for more records, and cut off what a crash left half written.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
            self._file.truncate(self._end)
            if self._unended:
                self._end += os.write(self._file.fileno(), b"\n")
                self._unended = False
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
        return path in self._records

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Row]:
        return self.rows()

    @property
    def paths(self) -> Collection[str]:
        """Of all records, in order."""
        return self._records.keys()

    @property
    def folder(self) -> Path | None:
        """The folder to which its paths are relative; None if it does not say so, or was moved away from its photos."""
        for folder in (made.get(FOLDER) for made in self.made):
            base = self.path.parent / folder if isinstance(folder, str) else None
            if base and any(os.path.lexists(base / path) for path in islice(self._records, _TRIED)):
                return base
        return None

    def difference(self, asked: Made) -> str | None:
        """In words, in which setting its records differ from what is asked for; None if in none."""
        return next(filter(None, (difference(made, asked) for made in self.made)), None)

    def append(self, row: Row) -> None:
        """Write a record, whole or not at all.

        Raises:
            OutputError: it cannot be written, for instance because the disk is full.
        """
        assert self._file is not None, "open the journal by with"
        if self.making is not None and self.making not in self.made:
            row = {**row, MADE: self.making}
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
            file.seek(self._records[path][0])
            found: Row = json.loads(file.readline())
        return found

    def is_of(self, path: str, photo: str) -> bool:
        """Whether the record of a path is of the photo that is in a file now; where that cannot be told, it is."""
        mark = self._records[path][1]
        if mark is None or mark == fingerprint.mark(fingerprint.look(photo)):
            return True
        return not fingerprint.changed(photo, self.row(path)[FINGERPRINT])

    def rows(self) -> Iterator[Row]:
        """All records, in order, one in memory at a time."""
        if not self._records:
            return
        with self.path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n") or self._unended:
                    yield json.loads(line)

    def _index(self, number: int, line: bytes) -> None:
        whole = line.endswith(b"\n")
        try:
            row = json.loads(line)
            known = isinstance(row["path"], str) and "error" in row and "caption" in row
        except (ValueError, TypeError, KeyError, RecursionError):
            known = False
        if not whole and not known:  # the last one, torn; but only ours is cut off
            length = min(len(line), len(_BEGINNING))
            if line[:length] != _BEGINNING[:length]:
                raise self._foreign(number)
            return
        if not known:
            raise self._foreign(number)
        self._unended = not whole
        if row["path"] in self._records:
            raise OutputError(
                f"{self.path}: line {number} is a second record of {row['path']!a}; remove one of the two lines."
            )
        self._add(row, len(line))

    def _add(self, row: Row, length: int) -> None:
        self._records[row["path"]] = (self._end, fingerprint.mark(row.get(FINGERPRINT)))
        if row["error"] is not None:
            self.failed.add(row["path"])
        made = row.get(MADE)
        if made is None and not self.made and row.get("language"):  # of before journals said how they were made
            made = {"language": row["language"]}
        if isinstance(made, dict) and made not in self.made:
            self.made.append(made)
        self._end += length

    def _foreign(self, number: int) -> OutputError:
        return OutputError(f"{self.path}: line {number} was not written by captioner; give another output name.")

    def _not_written(self, problem: OSError) -> OutputError:
        reason = problem.strerror or problem
        return OutputError(
            f"{self.path}: cannot be written ({reason}); finished photos are kept; run the same command to resume."
        )


def difference(made: Made, asked: Made) -> str | None:
    """In words, in which setting records that were made differ from those that are asked for; None if in none."""
    for name in sorted(asked.keys() & made.keys() - _NOT_SETTINGS):
        if asked[name] != made[name]:
            if name in _MODELS:
                return f"was made with another {_MODELS[name]}"
            return f"was made with {name} {made[name]!r}, not {asked[name]!r}"
    return None


def merged(old: Journal, newer: Journal) -> Iterator[Row]:
    """The records of an old journal, those that a newer one has too taken from there, and then the newer one's
    others.
    """
    for row in old.rows():
        if row["path"] not in newer:
            yield row
            continue
        replacement = {name: value for name, value in newer.row(row["path"]).items() if name != MADE}
        yield {**replacement, MADE: row[MADE]} if MADE in row else replacement
    for row in newer.rows():
        if row["path"] not in old:
            yield row


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a whole file of JSON lines."""
    with path.open("wb") as file:
        file.writelines(json.dumps(row).encode("ascii") + b"\n" for row in rows)
