"""Caption photos with a model, or take existing captions, and score them.

The only module that uses both models and metrics. Its result is an `Outcome`, independent of files and options.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner import checkpoint
from captioner._version import __version__
from captioner.checkpoint import Checkpoint
from captioner.config import from_mapping, to_mapping
from captioner.datasets import CaptionedPhoto, count_and_first, to_results
from captioner.decoding.options import DecodingOptions
from captioner.errors import CaptionerError, ImageError, UsageError
from captioner.evaluation.outcome import KnownCaptions, Outcome
from captioner.evaluation.report import report_files
from captioner.evaluation.scores import score
from captioner.files import write_files
from captioner.pages import thumbnail

if TYPE_CHECKING:  # loads torch, which error messages should not wait for
    from captioner.folders.batch import Record
    from captioner.predict import Captioner

ALLOW = "allow_missing skips them"
"""The end of error messages about missing photos and captions."""

_THUMBNAIL = 320  # longer side in pixels


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How to score captions.

    Attributes:
        known: captions that do not count as novel; the references of the photos if None.
        meteor: add METEOR, which needs Java and pycocoevalcap.
        allow_missing: skip missing photos and captions instead of raising an error.
        results: write the captions to this COCO results file, before anything else can fail.
        settings: additional facts for the outcome, as JSON types.
        tell: called with messages for the user.
    """

    known: KnownCaptions | None = None
    meteor: bool = False
    allow_missing: bool = False
    results: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    tell: Callable[[str], None] | None = None

    def miss(self, problem: CaptionerError) -> None:
        """Raise an error about something missing, or report it if `allow_missing` is set."""
        if not self.allow_missing:
            raise problem
        self.say(str(problem).replace(ALLOW, "skipping them"))

    def say(self, sentence: str) -> None:
        """Pass a message to `tell`, if set."""
        if self.tell:
            self.tell(sentence)

    def keep(self, captions: Mapping[str, str]) -> None:
        """Write the captions to `results`, if set."""
        if self.results:
            text = json.dumps(to_results(captions), indent=1) + "\n"
            write_files(self.results.parent, {self.results.name: text})


def evaluate(
    model: "Captioner | Checkpoint | str | os.PathLike[str] | None",
    photos: Iterable[CaptionedPhoto],
    options: EvaluationOptions | None = None,
    *,
    images: str | os.PathLike[str],
    search: DecodingOptions | None = None,
    beam_sizes: Collection[int] = (),
    device: str = "auto",
    precision: str = "float32",
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Caption photos with a model and score the captions against the references.

    Args:
        model: a loaded model, or an argument of `captioner.load`; loaded after checking that all photos exist.
        photos: photos with references.
        options: how to score the captions.
        images: the directory of the photos.
        search: decoding options; the model's defaults if None.
        beam_sizes: also score captions with these beam sizes.
        device: device of the model; see `captioner.load`.
        precision: arithmetic of the model; see `captioner.load`. In float32, scores are the same on all processors.
        batch_size: photos per batch.
        progress: called after each photo with the numbers of finished and of all photos, over all beam sizes.

    Raises:
        UsageError: photos are missing and `allow_missing` is not set, or there is nothing to score.
        ImageError: photos cannot be read and `allow_missing` is not set.
        ModelError: there is no usable model.
        OutputError: the results file cannot be written.
    """
    photos, options = list(photos), options or EvaluationOptions()
    if model is None or isinstance(model, str | os.PathLike | Checkpoint):
        read = checkpoint.read(model)
    else:
        read = model.checkpoint
    search = search or read.decoding
    sweep = {size: _with_beam(search, size) for size in sorted(set(beam_sizes))}
    _check(options)
    there = _there(photos, Path(images), options)
    from captioner.predict import Captioner

    if not isinstance(model, Captioner):
        model = Captioner.load(read, device=device, precision=precision)
    work = _Captioning(model, Path(images), batch_size, options.say, progress)
    records = work.do(there, search, more=sum(other != search for other in sweep.values()))
    good = {record.path: record for record in records if record.error is None}
    captions = _texts(good.values())
    options.keep(captions)
    unreadable = [record.path for record in records if record.error is not None]
    if unreadable:
        options.miss(ImageError(f"{count_and_first(unreadable, 'photo')} could not be read; {ALLOW}."))
    readable = [photo for photo in there if photo.id in good]
    return _outcome(
        photos,
        captions,
        options,
        settings={"model": read.path.name, "precision": model.precision, "decoding": to_mapping(search)},
        confidences={key: record.confidence or 0.0 for key, record in good.items()},
        beams={
            size: captions if other == search else _texts(work.do(readable, other)) for size, other in sweep.items()
        },
    )


def evaluate_captions(
    captions: Mapping[str, str],
    photos: Iterable[CaptionedPhoto],
    options: EvaluationOptions | None = None,
    *,
    source: str = "captions",
) -> Outcome:
    """Score existing captions against the references.

    Args:
        captions: photo id → caption.
        photos: photos with references.
        options: how to score the captions.
        source: name of the captions in messages, usually their file.

    Raises:
        UsageError: there are captions of unknown photos, or photos without captions, and `allow_missing` is not set;
            or there is nothing to score.
        OutputError: the results file cannot be written.
    """
    photos, options = list(photos), options or EvaluationOptions()
    _check(options)
    known = {photo.id for photo in photos}
    stray = [key for key in captions if key not in known]
    if stray:
        options.miss(UsageError(f"{source}: {count_and_first(stray, 'id')} without annotations; {ALLOW}."))
    bare = [photo.id for photo in photos if photo.id not in captions]
    if bare:
        of = f"{count_and_first(bare, 'photo')} of {len(photos):,}"
        options.miss(UsageError(f"{source}: {of} without a caption; {ALLOW}."))
    chosen = {photo.id: captions[photo.id] for photo in photos if photo.id in captions}
    options.keep(chosen)
    return _outcome(photos, chosen, options, settings={"results": source})


def write_report(outcome: Outcome, directory: Path, *, images: Path | None = None) -> None:
    """Write an HTML report and its data to a directory; see `captioner.evaluation.report`.

    Args:
        outcome: the results to report.
        directory: created if necessary.
        images: the directory of the photos; if None, the report shows no photos.

    Raises:
        OutputError: the directory cannot be written.
    """
    write_files(directory, report_files(outcome, lambda photo: _thumbnail(images, photo)))


def _check(options: EvaluationOptions) -> None:
    if options.meteor:
        from captioner.evaluation.official import require_official

        require_official()


def _with_beam(search: DecodingOptions, size: int) -> DecodingOptions:
    return from_mapping(DecodingOptions, to_mapping(search) | {"beam_size": size}, where="beam sizes")


def _there(photos: Sequence[CaptionedPhoto], images: Path, options: EvaluationOptions) -> list[CaptionedPhoto]:
    absent = [photo.file for photo in photos if not (images / photo.file).is_file()]
    if absent:
        of = f"{count_and_first(absent, 'photo')} of {len(photos):,}"
        options.miss(UsageError(f"{images}: {of} missing; {ALLOW}."))
    return [photo for photo in photos if photo.file not in set(absent)] if absent else list(photos)


@dataclass
class _Captioning:
    """Captions photos with one or more beam sizes, and reports progress."""

    model: "Captioner"
    images: Path
    batch_size: int
    tell: Callable[[str], None]
    progress: Callable[[int, int], None] | None
    done: int = 0
    wanted: int = 0

    def do(self, photos: Sequence[CaptionedPhoto], search: DecodingOptions, *, more: int = 0) -> "list[Record]":
        """Caption photos, which will be captioned `more` times again."""
        from captioner.folders.batch import caption_photos

        self.wanted = self.wanted or len(photos) * (1 + more)
        sources = [(photo.id, self.images / photo.file) for photo in photos]
        records = []
        for record in caption_photos(self.model, sources, search, batch_size=self.batch_size):
            if record.error is not None:
                self.tell(record.error)
                self.wanted -= more  # an unreadable photo is not tried again
            self.done += 1
            if self.progress:
                self.progress(self.done, self.wanted)
            records.append(record)
        return records


def _texts(records: "Iterable[Record]") -> dict[str, str]:
    return {record.path: record.caption or "" for record in records}


def _outcome(
    photos: Sequence[CaptionedPhoto],
    captions: Mapping[str, str],
    options: EvaluationOptions,
    *,
    settings: Mapping[str, Any],
    confidences: Mapping[str, float] | None = None,
    beams: Mapping[int, Mapping[str, str]] | None = None,
) -> Outcome:
    scored = tuple(photo for photo in photos if photo.id in captions)
    references = {photo.id: photo.captions for photo in scored}
    scores = score(captions, references)
    meteor = None
    if options.meteor:
        from captioner.evaluation.official import meteor as official_meteor

        meteor = official_meteor(captions, references)
    theirs = tuple(caption for photo in scored for caption in photo.captions)
    facts = {
        # Reports can be compared only if these are equal.
        "references_sha256": hashlib.sha256(json.dumps(sorted(references.items())).encode()).hexdigest(),
        "photos_missing": len(photos) - len(scored),
        "captioner": __version__,
    }
    outcome = Outcome(
        photos=scored,
        captions=captions,
        scores=scores,
        settings={**options.settings, **facts, **settings},
        known=options.known or KnownCaptions(f"the {len(theirs):,} references of these photos", theirs),
        confidences=confidences or {},
        beam_sizes={size: score(others, references) for size, others in (beams or {}).items()},
        meteor=meteor,
    )
    for remark in outcome.remarks:
        options.say(remark)
    return outcome


def _thumbnail(images: Path | None, photo: CaptionedPhoto) -> str | None:
    """A thumbnail as a data URI; None if the photo cannot be read."""
    if images is None:
        return None
    try:
        return thumbnail(images / photo.file, _THUMBNAIL)
    except ImageError:
        return None
