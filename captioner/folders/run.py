"""One run over photos: which are done, where records go, and which files to write at the end."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

from captioner.errors import OutputError, UsageError
from captioner.files import locked
from captioner.folders import fingerprint, results
from captioner.folders.finding import Found
from captioner.folders.fingerprint import Fingerprint
from captioner.folders.journal import FINGERPRINT, MADE, Journal, Made, Row, difference
from captioner.folders.ledger import Ledger
from captioner.folders.metadata import Metadata, only_described
from captioner.folders.outputs import Outputs
from captioner.folders.receipts import Receipts
from captioner.folders.sidecars import Sidecars

Existing = Literal["skip", "overwrite", "error"]


@dataclass(kw_only=True)
class Counts:
    """Numbers of photos.

    Attributes:
        captioned: captioned in this run.
        failed: failed in this run.
        skipped: done in earlier runs, or given twice.
        skipped_failed: skipped photos whose record is an error.
        changed: captioned again, because the file changed since the last run.
        kept: existing sidecars that were not replaced.
        described: skipped because of `skip_described`; included in `skipped`.
        written: captions written into metadata.
        foreign: captions not written into metadata, to keep descriptions that captioner did not write.
        unwritten: captions that could not be written into metadata.
    """

    captioned: int = 0
    failed: int = 0
    skipped: int = 0
    skipped_failed: int = 0
    changed: int = 0
    kept: int = 0
    described: int = 0
    written: int = 0
    foreign: int = 0
    unwritten: int = 0


class _Started(NamedTuple):
    photo: Found
    name: str  # in the journal
    again: bool  # replaces existing results


class Run:
    """Writes the records of one run. A context manager, because outputs are locked meanwhile.

    Attributes:
        journal: the file with all records; None without an output.
        counts: numbers of photos so far.
        locked: whether outputs are locked against a second run.
    """

    def __init__(
        self,
        *,
        outputs: Sequence[Path],
        sidecars: Sidecars | None,
        metadata: Metadata | None,
        receipts: Receipts,
        existing: Existing,
        retry_errors: bool,
        dry: bool,
        made: Made,
    ) -> None:
        """Decide where records go, without reading or writing files.

        Args:
            outputs: files; see `results.kind`. The first JSON Lines file is the journal; without one, the journal is
                written beside the first output.
            sidecars: write a text file for each photo; none if None.
            metadata: reads and writes the metadata of photos; ignored if None.
            receipts: the receipts that `metadata` writes.
            existing: if there are results: `skip` finished photos, caption all again and `overwrite` the results at
                the end, or raise an `error`.
            retry_errors: caption photos again whose record is an error; new records replace the old ones at the end.
            dry: change nothing.
            made: the settings that captions depend on; results made with others are not resumed.

        Raises:
            UsageError: an output has an unknown suffix, or two are the same file.
        """
        _refuse_same(outputs)
        kinds = [results.kind(path) for path in outputs]
        self.journal: Path | None = None
        if ".jsonl" in kinds:
            self.journal = outputs[kinds.index(".jsonl")]
        elif outputs:
            self.journal = outputs[0].with_name(f"{outputs[0].name}.journal.jsonl")
        self.counts = Counts()
        self.locked = True
        others = [path for path in outputs if path != self.journal]
        self._outputs = Outputs(others, overwrite=existing == "overwrite")
        self._sidecars = sidecars
        self._metadata = metadata
        self._writes_metadata = metadata is not None and metadata.options.target is not None
        self._receipts = receipts
        self._existing = existing
        self._retry = retry_errors
        self._dry = dry
        self._made = made
        self._started: dict[str, _Started] = {}
        self._busy: set[str] = set()  # names of photos in progress
        self._ledger: Ledger | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Lock the outputs and read existing results.

        Raises:
            OutputError: an output is in use, cannot be written, or exists and must not be replaced.
            UsageError: existing results were made with other settings.
        """
        with contextlib.ExitStack() as stack:
            if self.journal:
                self._open(self.journal, stack)
            self._stack = stack.pop_all()
        return self

    def _open(self, journal: Path, stack: contextlib.ExitStack) -> None:
        outputs = (journal, *self._outputs.paths)
        if not self._dry:
            for path in outputs:
                self.locked &= stack.enter_context(locked(path))
        if self._existing == "error":
            for path in outputs:
                _refuse(path)
        self._outputs.check(journal)
        self._ledger = Ledger(journal, self._made, overwrite=self._existing == "overwrite", dry=self._dry)
        if not self._dry:
            stack.callback(self._ledger.close)
            self._ledger.open()

    @property
    def taken_over(self) -> Journal | None:
        """The journal of a stopped `overwrite` that this run resumes."""
        return self._ledger.taken_over if self._ledger else None

    @property
    def set_aside(self) -> Mapping[Path, Path]:
        """Files changed after captioner wrote them → the names to which they were renamed."""
        return self._outputs.set_aside

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def survey(self, photos: Iterable[Found]) -> int:
        """Count the photos, and check before the work for conflicts.

        Raises:
            UsageError: two photos would share a sidecar, or sidecars were made with other settings.
            OutputError: sidecars exist, and `existing` is `error`.
        """
        owners, total = dict[Path, str](), 0
        for photo in photos:
            total += 1
            if self._sidecars:
                path = self._sidecars.path(photo)
                self._check_sidecar(self._sidecars, photo, path)
                other = owners.setdefault(path, photo.path)
                if other != photo.path and not _same(other, photo.path):
                    raise UsageError(
                        f"{other!a} and {photo.path!a} would share the sidecar {path}; "
                        "rename one, or caption them in two runs with different --sidecar-dir."
                    )
        return total

    def _check_sidecar(self, sidecars: Sidecars, photo: Found, path: Path) -> None:
        if path == Path(photo.path):
            raise UsageError(
                f"{str(path)!a} is the sidecar of another photo, not a photo; "
                "give the folder, or a pattern such as *.jpg."
            )
        if self._existing == "overwrite" or not sidecars.stands(photo):
            return
        if self._existing == "error":
            _refuse(path)
        differs = difference(sidecars.last(photo).get(MADE) or {}, self._made)
        if differs and sidecars.own(photo):
            raise UsageError(
                f"{path} {differs}; use the same settings, another --sidecar-name, or --existing overwrite to start "
                "over."
            )

    def todo(self, photos: Iterable[Found]) -> Iterator[Found]:
        """Yield the photos to caption, and count the others."""
        for photo in photos:
            name = self._ledger.name(photo) if self._ledger else photo.path
            started = None if name in self._busy else self._start(photo, name)
            if started is None:
                self.counts.skipped += 1
            elif self._is_described(photo):
                self.counts.skipped += 1
                self.counts.described += 1
            elif not self.journal and not self._sidecars and not self._writes_metadata:
                yield photo  # without outputs, duplicates are captioned again
            else:
                self._started[photo.path] = started
                self._busy.add(name)
                yield photo

    def add(self, row: Row) -> None:
        """Write the record of a photo from `todo`.

        Raises:
            OutputError: the record cannot be written.
        """
        if row["error"] is None:
            self.counts.captioned += 1
        else:
            self.counts.failed += 1
        started = self._started.pop(row["path"], None)
        if started is None:
            return
        if self._sidecars:  # before the record, which marks the photo as done
            replace = started.again or self._existing == "overwrite"
            self.counts.kept += not self._sidecars.write(started.photo, row, made=self._made, replace=replace)
        if self._ledger is not None:
            self._ledger.append({**row, "path": started.name})
            self._busy.discard(started.name)  # it is in the journal now
        self._describe(started.photo, row)

    def finish(self, *, complete: bool) -> None:
        """Replace old records by new ones, and write the other outputs.

        Args:
            complete: whether all photos are done. If not, results to be overwritten stay as they are, and the next run
                resumes with the new ones.

        Raises:
            OutputError: an output cannot be written, or was changed by another program.
            UsageError: a format cannot represent these records.
        """
        if self.journal is None or self._ledger is None or (self._existing == "overwrite" and not complete):
            return
        self._ledger.finish()
        self._outputs.write(self.journal)

    def _start(self, photo: Found, name: str) -> _Started | None:
        """How to caption a photo; None if it is done."""
        if self._ledger is None:
            return self._start_sidecar(photo, name)
        journal = self._ledger.find(name)
        if journal is None:
            return _Started(photo, name, again=False)
        if not journal.is_of(name, photo.path) and not self._only_described(photo, journal.row(name)[FINGERPRINT]):
            self.counts.changed += 1
            return _Started(photo, name, again=True)
        if name in journal.failed:
            if self._retry:
                return _Started(photo, name, again=True)
            self.counts.skipped_failed += 1
        if self._sidecars and not self._dry and not self._sidecars.stands(photo):
            # The photo has a record, but a sidecar is missing.
            self._sidecars.write(photo, journal.row(name), made=self._made, replace=False)
        if self._writes_metadata and not self._dry:
            self._describe(photo, journal.row(name))
        return None

    def _describe(self, photo: Found, row: Row) -> None:
        """Write a caption into the photo's metadata, if the options say so."""
        if self._metadata is None or not self._writes_metadata or row["error"] is not None:
            return
        match self._metadata.write(photo, row):
            case "written":
                self.counts.written += 1
            case "foreign":
                self.counts.foreign += 1
            case "failed":
                self.counts.unwritten += 1

    def _is_described(self, photo: Found) -> bool:
        return (
            self._metadata is not None and self._metadata.options.skip_described and self._metadata.is_described(photo)
        )

    def _only_described(self, photo: Found, recorded: Fingerprint | None) -> bool:
        return only_described(photo.path, recorded, self._receipts)

    def _start_sidecar(self, photo: Found, name: str) -> _Started | None:
        """The same, for runs without a journal."""
        sidecars = self._sidecars
        if sidecars is None or not sidecars.stands(photo):
            return _Started(photo, name, again=False)
        if self._existing == "overwrite":
            if sidecars.own(photo):
                return _Started(photo, name, again=True)
            self.counts.kept += 1
            return None
        recorded = sidecars.last(photo).get(FINGERPRINT)
        changed = recorded and fingerprint.changed(photo.path, recorded) and not self._only_described(photo, recorded)
        if changed and sidecars.own(photo):
            self.counts.changed += 1
            return _Started(photo, name, again=True)
        if self._writes_metadata and not self._dry and not changed and (row := sidecars.row(photo)):
            self._describe(photo, row)
        return None


def _refuse(path: Path) -> None:
    if path.exists():
        raise OutputError(
            f"{path} already exists; use --existing skip to resume, or --existing overwrite to replace it."
        )


def _refuse_same(outputs: Sequence[Path]) -> None:
    places: dict[str, Path] = {}
    for path in outputs:
        other = places.setdefault(os.path.realpath(path), path)
        if other != path:
            raise UsageError(f"--output {other} and --output {path} are the same file; give one of them.")


def _same(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
