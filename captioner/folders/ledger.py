"""A run's records: the journal, and a second one with what replaces some of its records at the end.

c.jsonl                 grows by new photos
c.jsonl.retry           photos done again, because they had failed or another photo has taken their name; put in the old
                        records' places at the end, or by the next run
c.jsonl.overwrite       all photos done again; takes the journal's place when it is whole
"""

import os
from pathlib import Path

from captioner.errors import OutputError, UsageError
from captioner.files import replacing
from captioner.folders.finding import Found
from captioner.folders.journal import FOLDER, Journal, Made, Row, merged, write_rows
from captioner.folders.naming import PlaceNames, relative


class Ledger:
    """The records of a run that has a journal.

    Attributes:
        path: of the journal.
    """

    def __init__(self, path: Path, made: Made, *, overwrite: bool, dry: bool) -> None:
        """Read what is there.

        Args:
            path: of the journal.
            made: the settings with which captions are made.
            overwrite: make a new journal, which takes the old one's place at the end.
            dry: change nothing.

        Raises:
            OutputError: a journal cannot be read, or something other than this program wrote it.
            UsageError: the journal's records were made with other settings.
        """
        self.path = path
        grows = _beside(path, "overwrite") if overwrite else path
        self._replacing = _beside(grows, "retry")
        self._now = Journal(grows)
        differs = self._now.difference(made)
        if differs and not overwrite:
            raise UsageError(
                f"{path} {differs}; use the same settings, another --output, or --existing overwrite to start over."
            )
        try:
            if not dry and grows.exists():
                if differs:  # an overwrite with other settings was stopped: nobody wants its records any more
                    grows.unlink()
                    self._now = Journal(grows)
                elif self._replacing.exists():  # a run that was killed left it
                    _merge(self._now, Journal(self._replacing))
                    self._now = Journal(grows)
            if not dry and not grows.exists():
                self._replacing.unlink(missing_ok=True)
        except OSError as problem:
            raise self._not_written(problem) from None
        base = self._now.folder or Path()
        folder = relative(os.path.realpath(base), os.path.realpath(path.parent))
        self._now.making = {FOLDER: Path(folder).as_posix(), **made}
        self._again: Journal | None = None
        self._names = PlaceNames(str(base), self._now.paths)

    @property
    def taken_over(self) -> Journal | None:
        """The records of a stopped overwrite, with which this one goes on."""
        return self._now if self._now.path != self.path and len(self._now) else None

    def open(self) -> None:
        """Get ready for more records.

        Raises:
            OutputError: the journal cannot be written.
        """
        self._now.open()

    def close(self) -> None:
        """See to it that all records are on the disk, and take no more."""
        self._now.close()
        if self._again is not None:
            self._again.close()

    def name(self, photo: Found) -> str:
        """What a photo is called in the journal, from wherever it is named."""
        return photo.path if photo.content is not None else self._names.of(photo.path)

    def find(self, name: str) -> Journal | None:
        """The journal that has the newest record of that name; None if there is none."""
        if self._again is not None and name in self._again:
            return self._again
        return self._now if name in self._now else None

    def append(self, row: Row) -> None:
        """Write a record, whole or not at all; if there is one of that name, it is replaced at the end.

        Raises:
            OutputError: it cannot be written.
        """
        if row["path"] not in self._now:
            self._now.append(row)
            return
        if self._again is None:
            self._again = Journal(self._replacing, self._now.making).open()
        self._again.append(row)

    def finish(self) -> None:
        """Put new records in the places of old ones.

        Raises:
            OutputError: the journal cannot be written.
        """
        self.close()
        try:
            if self._again is not None:
                _merge(self._now, self._again)
            if self._now.path != self.path:
                with replacing(self.path) as temporary:
                    write_rows(temporary, Journal(self._now.path))
                self._now.path.unlink()
                _beside(self.path, "retry").unlink(missing_ok=True)  # it would have mended what is gone
        except OSError as problem:
            raise self._not_written(problem) from None

    def _not_written(self, problem: OSError) -> OutputError:
        return OutputError(f"{self.path}: cannot be written ({problem.strerror or problem}).")


def _merge(old: Journal, newer: Journal) -> None:
    with replacing(old.path) as temporary:
        write_rows(temporary, merged(old, newer))
    newer.path.unlink()


def _beside(journal: Path, name: str) -> Path:
    """The journal of what takes the place of some or all of another's records."""
    return journal.with_name(f"{journal.name}.{name}")
