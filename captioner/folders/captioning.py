"""Caption folders of any size, from Python or the command line. Runs can be stopped at any time and resumed."""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.config import to_mapping
from captioner.decoding.options import DecodingOptions
from captioner.errors import ImageError, UsageError
from captioner.folders import cluster
from captioner.folders.exiftool import ExifTool
from captioner.folders.finding import Found, PassedOver, Photos
from captioner.folders.journal import Row
from captioner.folders.metadata import Metadata, MetadataOptions
from captioner.folders.receipts import Receipts
from captioner.folders.run import Counts, Existing, Run
from captioner.folders.sidecars import Sidecars
from captioner.images import ImageLimits, Source
from captioner.text import ENGLISH

if TYPE_CHECKING:  # loads torch, which error messages should not wait for
    from captioner.predict import Captioner

    Model = Captioner | Checkpoint | str | os.PathLike[str] | None


_SHOWN_PROBLEMS = 5


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """How to caption the photos of a folder, and what to write.

    Attributes:
        search: decoding options; the model's defaults if None.
        language: of the captions, two-letter code; a loaded model keeps its own.
        prefix: text to add before each caption.
        suffix: text to add after each caption.
        sidecars: also write a text file for each photo.
        metadata: read and write the metadata of photos; ignored if None.
        existing: if a photo has results already: `skip` it, caption it again and `overwrite` the results, or raise
            an `error`.
        retry_errors: caption photos again that failed in an earlier run.
        max_errors: stop after more than this many photos failed.
        device: device of the model; see `captioner.load`.
        precision: arithmetic of a model that is loaded; see `captioner.load`.
        batch_size: photos per batch.
        workers: captioning threads; see `captioner.folders.batch.caption_photos`.
        limits: limits on photos.
        pool: caption on a Ray cluster; in this process if None.
        dry_run: report which photos would be captioned, but write nothing.
    """

    search: DecodingOptions | None = None
    language: str = ""
    prefix: str = ""
    suffix: str = ""
    sidecars: Sidecars | None = None
    metadata: MetadataOptions | None = None
    existing: Existing = "skip"
    retry_errors: bool = False
    max_errors: int | None = None
    device: str = "auto"
    precision: str = "auto"
    batch_size: int = 32
    workers: int | None = None
    limits: ImageLimits = field(default_factory=ImageLimits)
    pool: cluster.Pool | None = None
    dry_run: bool = False


class Step(NamedTuple):
    """Progress of a run, reported when the work begins and after each photo.

    Attributes:
        record: record of the photo, as in the JSON Lines output; only `path` in a dry run; None when the work begins.
        counts: counts of the photos so far.
        total: number of photos found, skipped ones included.
    """

    record: Row | None
    counts: Counts
    total: int


@dataclass(frozen=True, kw_only=True)
class FolderResult:
    """The result of captioning a folder.

    Attributes:
        counts: photos captioned, failed and skipped.
        total: photos found.
        journal: the file with all records; None without an output.
        passed: files and folders that the search ignored.
        complete: whether all photos are done; if not, the same call resumes the run.
    """

    counts: Counts
    total: int
    journal: Path | None
    passed: PassedOver
    complete: bool


def caption_folder(
    model: "Model",
    photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Photos,
    options: FolderOptions | None = None,
    *,
    output: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    recursive: bool = False,
    progress: Callable[[Step], None] | None = None,
    tell: Callable[[str], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> FolderResult:
    """Caption all photos of one or more folders. To resume a stopped run, repeat the call.

    A photo that cannot be read yields a record with its error. Files not written by captioner are never overwritten.

    Args:
        model: a loaded model, or an argument of `captioner.load`; loaded only if there are photos to caption.
        photos: folders, files or patterns, or a `Photos` search.
        options: how to caption the photos.
        output: output files; the suffix determines the format: `.jsonl`, `.csv`, `.json` (COCO results),
            `.parquet` or `.sqlite`.
        recursive: also search subfolders.
        progress: called when the work begins and after each photo.
        tell: called with messages for the user.
        stop: called before each photo; if it returns True, the run finishes the photos in progress and stops.

    Raises:
        UsageError: there are no photos, existing results were made with other settings, or ExifTool is required but
            missing.
        OutputError: an output is in use, cannot be written, or exists and must not be replaced.
        ModelError: there is no usable model.
    """
    options = options or FolderOptions()
    if not isinstance(photos, Photos):
        photos = Photos(arguments=[os.fspath(one) for one in _listed(photos)], recursive=recursive)
    outputs = [Path(one) for one in _listed(output)]
    progress, stop, tell = progress or (lambda _: None), stop or (lambda: False), tell or (lambda _: None)
    return _Work(model, photos, options, outputs=outputs, progress=progress, stop=stop).do(tell)


class _Work:
    def __init__(
        self,
        model: "Model",
        photos: Photos,
        options: FolderOptions,
        *,
        outputs: Sequence[Path],
        progress: Callable[[Step], None],
        stop: Callable[[], bool],
    ) -> None:
        if model is None or isinstance(model, str | os.PathLike | Checkpoint):
            self.model, self.read, self.language = None, checkpoint.read(model), options.language or ENGLISH
        else:
            self.model, self.read, self.language = model, model.checkpoint, model.language
            if options.language not in {"", model.language}:
                raise UsageError(f"the model was loaded for language {model.language!r}, not {options.language!r}.")
        if self.language != ENGLISH:
            checkpoint.read_translator().check_language(self.language)
        self.photos, self.options, self.progress, self.stop = photos, options, progress, stop
        self.search = options.search or self.read.decoding
        self.exiftool = ExifTool() if options.metadata else None
        receipts = Receipts()
        self.metadata = None
        if options.metadata and self.exiftool:
            self.metadata = Metadata(options.metadata, self.exiftool, receipts)
        self.target = Run(
            outputs=outputs,
            sidecars=options.sidecars,
            metadata=self.metadata,
            receipts=receipts,
            existing=options.existing,
            retry_errors=options.retry_errors,
            dry=options.dry_run,
            made=self._settings() if outputs or options.sidecars else {},
        )
        self.total = 0

    def do(self, tell: Callable[[str], None]) -> FolderResult:
        passed, complete = PassedOver(), False
        # Nothing has been written yet, but a search may take long enough to be stopped.
        self.total = self.target.survey(itertools.takewhile(lambda _: not self.stop(), self.photos.search(passed)))
        if not self.stop():
            if not passed.photos:
                reasons = passed.reasons() or "it contains no files"
                raise UsageError(f"{self.photos.described}: no photos found; {reasons}.")
            with self.exiftool or contextlib.nullcontext(), self.target:
                complete = self._dry() if self.options.dry_run else self._captioned(tell)
        return FolderResult(
            counts=self.target.counts, total=self.total, journal=self.target.journal, passed=passed, complete=complete
        )

    def _settings(self) -> dict[str, object]:
        """The settings that captions depend on, to detect results made with others."""
        translated = self.language != ENGLISH
        return {
            "model": self.read.path.name,
            "weights": checkpoint.digest(self.read),
            "precision": self.model.precision_setting if self.model else self.options.precision,
            "language": self.language,
            "translator": checkpoint.digest(checkpoint.read_translator()) if translated else None,
            "prefix": self.options.prefix,
            "suffix": self.options.suffix,
            **to_mapping(self.search),
        }

    def _step(self, record: Row | None) -> None:
        self.progress(Step(record, self.target.counts, self.total))

    def _dry(self) -> bool:
        for photo in itertools.takewhile(lambda _: not self.stop(), self.target.todo(self.photos)):
            self._step({"path": photo.path})
        return not self.stop()

    def _captioned(self, tell: Callable[[str], None]) -> bool:
        """Caption the remaining photos; returns whether all are done."""
        target, options = self.target, self.options
        if not target.locked:
            tell(
                f"{target.journal}: this file system has no file locks; do not start a second run with the same output."
            )
        if target.taken_over is not None:
            many, path = len(target.taken_over), target.taken_over.path
            tell(f"resuming a stopped run with {many:,} records; to start over, delete {path}.")
        todo = itertools.takewhile(lambda _: not self.stop(), target.todo(self.photos))
        first = next(todo, None)  # without photos to caption, no model is loaded
        rows = iter(()) if first is None else self._rows(itertools.chain([first], todo))
        self._step(None)
        stopped = False
        for row in rows:
            framed = _framed(row, options.prefix, options.suffix)
            target.add(framed)
            self._step(framed)
            stopped = options.max_errors is not None and target.counts.failed > options.max_errors
            if stopped or (options.pool and self.stop()):
                break
        complete = not (stopped or self.stop())
        target.finish(complete=complete)
        for path, aside in target.set_aside.items():
            tell(f"{path} was changed after captioner wrote it; the changed file is kept as {aside}.")
        self._tell_problems(tell)
        return complete

    def _tell_problems(self, tell: Callable[[str], None]) -> None:
        sidecars = self.options.sidecars
        for what, problems in (
            ("photos whose metadata could not be written", self.metadata.problems if self.metadata else []),
            ("sidecars that could not be written", sidecars.problems if sidecars else []),
        ):
            for sentence in problems[:_SHOWN_PROBLEMS]:
                tell(sentence)
            if len(problems) > _SHOWN_PROBLEMS:
                tell(f"and {len(problems) - _SHOWN_PROBLEMS:,} more {what}.")

    def _rows(self, photos: Iterable[Found]) -> Iterator[Row]:
        """Yield records of the photos, from this process or from a cluster."""
        options = self.options
        if options.pool:
            return cluster.caption_photos(
                self.read,
                photos,
                self.search,
                batch_size=options.batch_size,
                language=self.language,
                pool=options.pool,
                limits=options.limits,
            )
        from captioner.folders.batch import caption_photos
        from captioner.predict import Captioner

        model = self.model or Captioner.load(
            self.read, device=options.device, precision=options.precision, language=self.language
        )
        sources: Iterator[tuple[str, Source | ImageError]] = (
            (photo.path, photo.problem or (photo.path if photo.content is None else photo.content)) for photo in photos
        )
        records = caption_photos(
            model,
            sources,
            self.search,
            batch_size=options.batch_size,
            workers=options.workers,
            limits=options.limits,
        )
        return (record.as_dict() for record in records)


def _listed(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> Sequence[str | os.PathLike[str]]:
    return [paths] if isinstance(paths, str | os.PathLike) else paths


def _framed(row: Row, before: str, behind: str) -> Row:
    """A record with prefix and suffix added to each caption."""
    if row["captions"] is None or not (before or behind):
        return row
    sentences = [{**one, "caption": f"{before}{one['caption']}{behind}"} for one in row["captions"]]
    return {**row, "caption": sentences[0]["caption"], "captions": sentences}
