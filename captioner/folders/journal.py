"""The journal of a run: an append-only JSON Lines file of records that survives crashes.

Each record is one `write`. A crash during a write leaves an incomplete last line, which the next run removes. So the
file always contains the first records of the run, each once, and a run resumes after them.

Under the key `made`, the first record states the settings of all following records, and the folder to which the paths
are relative, itself relative to the folder of the journal.
"""

import contextlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Self

from captioner.errors import OutputError
from captioner.files import is_still
from captioner.folders import fingerprint

Row = Mapping[str, Any]
"""A record as JSON types; see `captioner.folders.batch.Record.as_dict`."""

Made = Mapping[str, Any]
"""The settings of records: name → value."""

MADE, FOLDER, FINGERPRINT = "made", "folder", "fingerprint"
_NOT_SETTINGS = {FOLDER, "model"}  # a model may be renamed or moved; its `weights` identify it

_MODELS = {"weights": "model", "translator": "translator"}  # identified by a hash, which means nothing to users
_BEGINNING = b'{"path": "'
_TRIED = 100
"""Number of photos to look for; one must exist to trust the journal's folder."""


class Journal:
    """A journal. It is read when created, and opened for appending by `with`.

    Attributes:
        path: the file.
        failed: paths whose record is an error.
        made: the settings of its records; several if journals of several runs were merged.
        making: the settings of appended records; None does not store any.
    """

    def __init__(self, path: Path, making: Made | None = None) -> None:
        """Read the existing records without changing the file.

        Args:
            path: the file.
            making: see above.

        Raises:
            OutputError: the file cannot be read, or was not written by captioner.
        """
        self.path = path
        self.failed: set[str] = set()
        self.made: list[Made] = []
        self.making = making
        self._records: dict[str, tuple[int, int | None]] = {}  # path → offset, and `mark` of the photo
        self._end = 0  # offset after the last complete record
        self._unended = False  # some editors remove the final line break
        self._file: BinaryIO | None = None
        try:
            if path.is_fifo():  # opening it would wait for a writer
                raise OutputError(f"{path}: cannot be written (it is a pipe).")
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    self._index(number, line)
        except OSError as problem:
            raise OutputError(f"{path}: cannot be read ({problem.strerror}).") from None

    def __enter__(self) -> Self:
        return self.open()

    def open(self) -> Self:
        """Open the file for appending, and remove a record that a crash left incomplete.

        Raises:
            OutputError: the file cannot be written.
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

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Flush all records to disk and close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # not supported by some devices
                os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def __contains__(self, path: str) -> bool:
        return path in self._records

    def __len__(self) -> int:
        return len(self._records)

    @property
    def paths(self) -> Collection[str]:
        """The paths of all records, in order."""
        return self._records.keys()

    @property
    def folder(self) -> Path | None:
        """The folder to which paths are relative; None if unknown, or if the journal was moved away from its photos."""
        for folder in (made.get(FOLDER) for made in self.made):
            base = self.path.parent / folder if isinstance(folder, str) else None
            if base and any(os.path.lexists(base / path) for path in islice(self._records, _TRIED)):
                return base
        return None

    def difference(self, asked: Made) -> str | None:
        """Describe how the settings of the records differ from `asked`; None if they do not."""
        return next(filter(None, (difference(made, asked) for made in self.made)), None)

    def check(self) -> None:
        """Check that the open file still has its name and all of its records.

        Raises:
            OutputError: another program deleted, replaced or shortened it.
        """
        assert self._file is not None, "open the journal by with"
        descriptor = self._file.fileno()
        if not is_still(descriptor, self.path) or os.fstat(descriptor).st_size < self._end:
            raise OutputError(
                f"{self.path}: another program deleted, replaced or shortened it; run the same command again."
            )

    def append(self, row: Row) -> None:
        """Append a record atomically.

        Raises:
            OutputError: the record cannot be written, for example because the disk is full; see also `check`.
        """
        assert self._file is not None, "open the journal by with"
        self.check()
        if self.making is not None and self.making not in self.made:
            row = {**row, MADE: self.making}
        line = json.dumps(row).encode("ascii") + b"\n"
        try:
            rest = line
            while rest:  # one write suffices, unless the disk is full, which the next write reports
                rest = rest[os.write(self._file.fileno(), rest) :]
        except OSError as problem:
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
            raise self._not_written(problem) from None
        self._add(row, len(line))

    def row(self, path: str) -> Row:
        """Read the record of a path."""
        with self.path.open("rb") as file:
            file.seek(self._records[path][0])
            found: Row = json.loads(file.readline())
        return found

    def is_of(self, path: str, photo: str) -> bool:
        """Whether a file is still the photo that was captioned, as far as the record can tell."""
        mark = self._records[path][1]
        if mark is None or mark == fingerprint.mark(fingerprint.look(photo)):
            return True
        return not fingerprint.changed(photo, self.row(path)[FINGERPRINT])

    def __iter__(self) -> Iterator[Row]:
        """All records in order, with one in memory at a time."""
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
        if not whole and not known:  # an incomplete last line is removed only if captioner wrote it
            written = line.rstrip(b"\0")  # a power failure can leave zeros
            length = min(len(written), len(_BEGINNING))
            if written[:length] != _BEGINNING[:length] or (number == 1 and not written):
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
        if made is None and not self.made and row.get("language"):  # a journal from before settings were stored
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
    """Describe the first setting in which `made` and `asked` differ; None if there is none."""
    for name in sorted(asked.keys() & made.keys() - _NOT_SETTINGS):
        if asked[name] != made[name]:
            if name in _MODELS:
                return f"was made with another {_MODELS[name]}"
            return f"was made with {name} {made[name]!r}, not {asked[name]!r}"
    return None


def merged(old: Journal, newer: Journal) -> Iterator[Row]:
    """The records of the old journal, replaced by newer ones where there are any, and then all other newer ones."""
    for row in old:
        if row["path"] not in newer:
            yield row
            continue
        replacement = {name: value for name, value in newer.row(row["path"]).items() if name != MADE}
        yield {**replacement, MADE: row[MADE]} if MADE in row else replacement
    for row in newer:
        if row["path"] not in old:
            yield row


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write records to a new JSON Lines file."""
    with path.open("wb") as file:
        file.writelines(json.dumps(row).encode("ascii") + b"\n" for row in rows)
