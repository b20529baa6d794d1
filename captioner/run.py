"""One run over photos: what is done already, where a record goes, and what is made of all of them at the end."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from captioner import results
from captioner.checkpoint import replacing
from captioner.errors import OutputError, UsageError
from captioner.folders import Found
from captioner.journal import Journal, Row, merged, write_rows
from captioner.locks import locked
from captioner.sidecars import Sidecars

Existing = Literal["skip", "overwrite", "error"]


@dataclass(kw_only=True)
class Counts:
    """How many photos.

    Attributes:
        captioned: in this run.
        failed: in this run.
        skipped: done by earlier runs, or named twice.
        skipped_failed: those of them whose record is an error.
        kept: sidecars that stood there already and were left as they are.
    """

    captioned: int = 0
    failed: int = 0
    skipped: int = 0
    skipped_failed: int = 0
    kept: int = 0


class Run:
    """Where the records of one run go; a context, because outputs are locked meanwhile.

    Attributes:
        journal: the file that holds every record; None if no output was asked for.
        counts: how many photos so far.
        locked: whether a second run on the same outputs would be refused.
    """

    def __init__(
        self,
        *,
        outputs: Sequence[Path] = (),
        sidecars: Sidecars | None = None,
        existing: Existing = "skip",
        retry_errors: bool = False,
        dry: bool = False,
    ) -> None:
        """Decide where records go; nothing is read or written yet.

        Args:
            outputs: files; see `results.kind`. The first of JSON lines is the journal, without one it is made beside the
                first output.
            sidecars: a text file a photo; none if None.
            existing: what becomes of photos that are done: `skip` them, do all again and `overwrite` the old results at
                the end, or let it be an `error` if there are results at all.
            retry_errors: do photos again whose record is an error; the new record takes the old one's place at the end.
            dry: change nothing.

        Raises:
            UsageError: an output of unknown kind.
        """
        kinds = [results.kind(path) for path in outputs]
        self.journal: Path | None = None
        if ".jsonl" in kinds:
            self.journal = outputs[kinds.index(".jsonl")]
        elif outputs:
            self.journal = outputs[0].with_name(f"{outputs[0].name}.journal.jsonl")
        self.counts = Counts()
        self.locked = True
        self._outputs = list(dict.fromkeys(path for path in outputs if path != self.journal))
        self._coco = ".json" in kinds
        self._sidecars = sidecars
        self._existing = existing
        self._retry = retry_errors
        self._dry = dry
        self._started: dict[str, Found] = {}
        self._old: Journal | None = None  # a journal of which records are to be replaced
        self._now: Journal | None = None  # the one that grows
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Lock the outputs and read what is done.

        Raises:
            OutputError: an output is in use, cannot be written, or stands there and may not be replaced.
        """
        with contextlib.ExitStack() as stack:
            if self.journal and not self._dry:
                for path in (self.journal, *self._outputs):
                    self.locked &= stack.enter_context(locked(path))
            self._refuse_existing()
            if self.journal:
                self._open(self.journal)
            if self._now is not None and not self._dry:
                stack.enter_context(self._now)
            self._stack = stack.pop_all()
        return self

    @property
    def taken_over(self) -> Journal | None:
        """The records of a stopped `overwrite` or `retry_errors` with which this run goes on."""
        return self._now if self._now is not None and self._now.path != self.journal and len(self._now) else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def survey(self, photos: Iterable[Found]) -> int:
        """Count the photos and find, before hours of work, what would not end well.

        Raises:
            UsageError: two photos would have one sidecar or one COCO number.
            OutputError: there are sidecars, and `existing` calls that an error.
        """
        ids, owners, total = results.ImageIds(), dict[Path, str](), 0
        for photo in photos:
            total += 1
            if self._coco:
                ids.add(photo.path)
            if self._sidecars:
                path = self._sidecars.path(photo)
                other = owners.setdefault(path, photo.path)
                if path == Path(photo.path):
                    raise UsageError(
                        f"{str(path)!a} is where a photo's sidecar belongs, so it is no photo to caption; "
                        "name the folder, or the photos by a pattern such as *.jpg."
                    )
                if other != photo.path:
                    raise UsageError(f"{other!a} and {photo.path!a} would both have the sidecar {path}; rename one.")
                if self._existing == "error":
                    _refuse(path)
        return total

    def todo(self, photos: Iterable[Found]) -> Iterator[Found]:
        """The photos that are to be captioned; the others are counted."""
        for photo in photos:
            if not self.journal and not self._sidecars:
                yield photo  # nothing is kept, so that each naming counts
            elif self._is_done(photo) or photo.path in self._started:
                self.counts.skipped += 1
            else:
                self._started[photo.path] = photo
                yield photo

    def add(self, row: Row) -> None:
        """Take the record of a photo that `todo` gave.

        Raises:
            OutputError: it cannot be written.
        """
        if row["error"] is None:
            self.counts.captioned += 1
        else:
            self.counts.failed += 1
        photo = self._started.pop(row["path"], None)
        if self._sidecars and photo:  # before the record, which says that all is done
            if self._existing == "skip" and self._sidecars.path(photo).exists():
                self.counts.kept += 1
            else:
                self._sidecars.write(photo, row)
        if self._now is not None:
            self._now.append(row)

    def finish(self, *, complete: bool) -> None:
        """Put a new journal in the old one's place, and make the other outputs of it.

        Args:
            complete: whether all photos are done. If not, results that were to be overwritten stay as they are, and the
                same command goes on with the new ones.

        Raises:
            OutputError: an output cannot be written.
            UsageError: an output cannot hold these records.
        """
        if self.journal is None or self._now is None or (self._existing == "overwrite" and not complete):
            return
        self._now.close()
        try:
            if self._existing == "overwrite":
                self._now.path.replace(self.journal)
                _beside(self.journal, "retry").unlink(missing_ok=True)  # it would have mended what is gone
            elif self._old is not None:
                with replacing(self.journal) as temporary:
                    write_rows(temporary, merged(self._old, self._now))
                self._now.path.unlink()
        except OSError as problem:
            raise OutputError(f"{self.journal}: cannot be written ({problem.strerror or problem}).") from None
        if self._outputs:
            whole = Journal(self.journal)
            for path in self._outputs:
                results.write(path, whole.rows())

    def _refuse_existing(self) -> None:
        """Results are replaced only where that was asked for, or where the journal says that they are ours."""
        if self._existing == "error":
            for path in (self.journal, *self._outputs):
                if path:
                    _refuse(path)
        elif self._existing == "skip" and self.journal and not self.journal.exists():
            for path in self._outputs:
                if path.exists():
                    raise OutputError(
                        f"{path}: stands there, but not {self.journal}, from which it would be continued; "
                        "give another name, or --existing overwrite."
                    )

    def _open(self, journal: Path) -> None:
        if self._existing == "overwrite":
            self._now = Journal(_beside(journal, "overwrite"))
        elif self._retry and journal.exists():
            self._old = Journal(journal)
            self._now = Journal(_beside(journal, "retry"))
        else:
            self._now = Journal(journal)

    def _is_done(self, photo: Found) -> bool:
        if self._now is None:  # the sidecar is all that there is to see
            return self._sidecars is not None and self._existing == "skip" and self._sidecars.path(photo).exists()
        path = photo.path
        journal = self._now if path in self._now else self._old
        if journal is None or path not in journal or (journal is self._old and path in journal.failed):
            return False
        self.counts.skipped_failed += path in journal.failed
        if self._sidecars and not self._dry and not self._sidecars.path(photo).exists():
            self._sidecars.write(photo, journal.row(path))  # those of an earlier run, that had none
        return True


def _beside(journal: Path, name: str) -> Path:
    """The journal of a run that takes the place of some or all of another's records at its end."""
    return journal.with_name(f"{journal.name}.{name}")


def _refuse(path: Path) -> None:
    if path.exists():
        raise OutputError(f"{path}: stands there already; --existing skip goes on with it, overwrite replaces it.")
