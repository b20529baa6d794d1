"""The records of a run: the journal, and a second journal with records that replace old ones at the end.

c.jsonl                 new photos are appended
c.jsonl.retry           photos captioned again, because they failed or their file changed; they replace the old records
                        at the end of the run, or at the start of the next
c.jsonl.overwrite       all photos captioned again; replaces the journal when it is complete
"""

import os
from pathlib import Path

from captioner.errors import UsageError
from captioner.files import output_errors, replacing
from captioner.folders.finding import Found
from captioner.folders.journal import FOLDER, Journal, Made, Row, merged, write_rows
from captioner.folders.naming import PlaceNames, relative


class Ledger:
    """The records of a run with a journal.

    Attributes:
        path: of the journal.
    """

    def __init__(self, path: Path, made: Made, *, overwrite: bool, dry: bool) -> None:
        """Read the existing journals.

        Args:
            path: of the journal.
            made: the settings that captions depend on.
            overwrite: write a new journal, which replaces the old one at the end.
            dry: change nothing.

        Raises:
            OutputError: a journal cannot be read, or was not written by captioner.
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
        with output_errors(path):
            if not dry and grows.exists():
                if differs:  # records of a stopped overwrite with other settings are obsolete
                    grows.unlink()
                    self._now = Journal(grows)
                elif self._replacing.exists():  # left by a run that was killed
                    _merge(self._now, Journal(self._replacing))
                    self._now = Journal(grows)
            if not dry and not grows.exists():
                self._replacing.unlink(missing_ok=True)
        base = self._now.folder or Path()
        folder = relative(os.path.realpath(base), os.path.realpath(path.parent))
        self._now.making = {FOLDER: Path(folder).as_posix(), **made}
        self._again: Journal | None = None
        self._names = PlaceNames(str(base), self._now.paths)

    @property
    def taken_over(self) -> Journal | None:
        """The journal of a stopped overwrite that this run resumes; None if there is none."""
        return self._now if self._now.path != self.path and len(self._now) else None

    def open(self) -> None:
        """Open the journal for appending.

        Raises:
            OutputError: the journal cannot be written.
        """
        self._now.open()

    def close(self) -> None:
        """Flush all records to disk and close the journals."""
        self._now.close()
        if self._again is not None:
            self._again.close()

    def name(self, photo: Found) -> str:
        """The name of a photo in the journal, independent of the working directory."""
        return photo.path if photo.content is not None else self._names.of(photo.path)

    def find(self, name: str) -> Journal | None:
        """The journal with the newest record of a photo; None if there is none."""
        if self._again is not None and name in self._again:
            return self._again
        return self._now if name in self._now else None

    def append(self, row: Row) -> None:
        """Write a record atomically. An existing record of that photo is replaced at the end.

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
        """Replace old records by new ones.

        Raises:
            OutputError: the journal cannot be written.
        """
        self._now.check()
        self.close()
        with output_errors(self.path):
            if self._again is not None:
                _merge(self._now, self._again)
            if self._now.path != self.path:
                with replacing(self.path) as temporary:
                    write_rows(temporary, Journal(self._now.path))
                self._now.path.unlink()
                # Its records would replace records that no longer exist.
                _beside(self.path, "retry").unlink(missing_ok=True)


def _merge(old: Journal, newer: Journal) -> None:
    with replacing(old.path) as temporary:
        write_rows(temporary, merged(old, newer))
    newer.path.unlink()


def _beside(journal: Path, name: str) -> Path:
    """The path of a journal whose records replace those of `path`."""
    return journal.with_name(f"{journal.name}.{name}")
