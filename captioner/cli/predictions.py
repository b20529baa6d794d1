"""Where the verb `evaluate` has its captions from: the model, or somebody's results file; and what it does about missing ones."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.cli.options import decoding_options
from captioner.cli.output import write_files
from captioner.cli.progress import say
from captioner.errors import CaptionerError, ImageError, UsageError

if TYPE_CHECKING:
    from captioner.datasets import CaptionedPhoto, CaptionedPhotos
    from captioner.decoding import DecodingOptions
    from captioner.folders.batch import Record
    from captioner.predict import Captioner

_ALLOW = "--allow-missing leaves them out"


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Captions to be scored.

    Attributes:
        captions: photo id → caption.
        settings: where they come from.
        confidences: photo id → the model's confidence; empty without a model.
        beams: beam size → captions of the same photos, if several were tried.
    """

    captions: Mapping[str, str]
    settings: Mapping[str, Any]
    confidences: Mapping[str, float] = field(default_factory=dict)
    beams: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


def given(options: argparse.Namespace, annotated: "CaptionedPhotos", photos: "Sequence[CaptionedPhoto]") -> Predictions:
    """Captions from a results file, less those of photos that are not evaluated.

    Raises:
        UsageError: captions of unknown photos, or photos without a caption, unless missing ones are allowed.
    """
    from captioner.datasets import read_results
    from captioner.datasets.structure import count_and_first

    results = read_results(options.results)
    known, wanted = {photo.id for photo in annotated}, [photo.id for photo in photos]
    stray = [key for key in results if key not in known]
    if stray:
        message = f"{options.results}: {count_and_first(stray, 'id')} without annotations in {annotated.source}"
        _miss(options, UsageError(f"{message}; {_ALLOW}."))
    bare = [key for key in wanted if key not in results]
    if bare:
        message = f"{options.results}: {count_and_first(bare, 'photo')} of {len(photos):,} without a caption"
        _miss(options, UsageError(f"{message}; {_ALLOW}."))
    captions = {key: results[key] for key in wanted if key in results}
    others = len(results) - len(stray) - len(captions)
    if others:
        say(f"{options.results}: left out what it says of {others:,} photos that are not evaluated.")
    _write_results(options.results_out, captions)
    return Predictions(captions=captions, settings={"results": str(options.results)})


def captioned(options: argparse.Namespace, photos: "Sequence[CaptionedPhoto]") -> Predictions:
    """Captions by the model. The results file is written before anything else can go wrong.

    Raises:
        UsageError: photos are missing, unless missing ones are allowed.
        ImageError: photos cannot be read, unless missing ones are allowed.
        ModelError: there is no usable model.
        OutputError: the results file cannot be written.
    """
    from captioner import checkpoint
    from captioner.config import to_mapping
    from captioner.datasets.structure import count_and_first

    # Mistakes in the options and missing photos answer here, before torch loads.
    read = checkpoint.read(options.model)
    search = decoding_options(options, read.decoding)
    sweep = {size: _with_beam(search, size) for size in options.sweep_beams or ()}
    there = [photo for photo in photos if (options.images / photo.file).is_file()]
    absent = [photo.file for photo in photos if not (options.images / photo.file).is_file()]
    if absent:
        message = f"{options.images}: {count_and_first(absent, 'photo')} of {len(photos):,} missing"
        _miss(options, UsageError(f"{message}; {_ALLOW}."))
    from captioner.predict import Captioner

    model = Captioner.load(read, device=options.device)
    records = _records(options, model, there, search)
    good = {record.path: record for record in records if record.error is None}
    captions = _captions(good.values())
    _write_results(options.results_out, captions)
    unreadable = [record.path for record in records if record.error is not None]
    if unreadable:
        _miss(options, ImageError(f"{count_and_first(unreadable, 'photo')} could not be read; {_ALLOW}."))
    readable = [photo for photo in there if photo.id in good]
    beams = {
        size: captions if other == search else _captions(_records(options, model, readable, other))
        for size, other in sweep.items()
    }
    return Predictions(
        captions=captions,
        settings={"model": model.checkpoint.path.name, "decoding": to_mapping(search)},
        confidences={key: record.confidence or 0.0 for key, record in good.items()},
        beams=beams,
    )


def _with_beam(search: "DecodingOptions", size: int) -> "DecodingOptions":
    from captioner.config import from_mapping, to_mapping
    from captioner.decoding.options import DecodingOptions

    return from_mapping(DecodingOptions, to_mapping(search) | {"beam_size": size}, where="--sweep-beams")


def _records(
    options: argparse.Namespace, model: "Captioner", photos: "Sequence[CaptionedPhoto]", search: "DecodingOptions"
) -> "list[Record]":
    from tqdm import tqdm

    from captioner.folders.batch import caption_photos

    sources = [(photo.id, options.images / photo.file) for photo in photos]
    records = tqdm(
        caption_photos(model, sources, search, batch_size=options.batch_size),
        total=len(sources),
        desc=f"beam {search.beam_size}",
        unit="photo",
        disable=not sys.stderr.isatty(),
    )
    found = []
    for record in records:
        if record.error is not None:
            say(record.error)
        found.append(record)
    return found


def _captions(records: "Iterable[Record]") -> dict[str, str]:
    return {record.path: record.caption or "" for record in records}


def _miss(options: argparse.Namespace, problem: CaptionerError) -> None:
    """Stop because something is missing, or only say so if that was allowed."""
    if not options.allow_missing:
        raise problem
    say(str(problem).replace(_ALLOW, "they are left out"))


def _write_results(path: Path | None, captions: Mapping[str, str]) -> None:
    from captioner.datasets import to_results

    if path:
        write_files(path.parent, {path.name: json.dumps(to_results(captions), indent=1) + "\n"})
