"""captioner evaluate: score captions against people's: BLEU, ROUGE-L and CIDEr-D as papers report them."""

import argparse
import base64
import hashlib
import io
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.cli.options import DECODING_FLAGS, add_model_options, positive
from captioner.cli.output import require_place, write_files, write_line
from captioner.cli.predictions import Predictions, captioned, given
from captioner.cli.progress import say
from captioner.errors import ImageError, UsageError

if TYPE_CHECKING:
    from captioner.datasets import CaptionedPhoto, CaptionedPhotos
    from captioner.evaluation.comparison import Comparison
    from captioner.evaluation.outcome import KnownCaptions, Outcome

_THUMBNAIL = 320  # longer side in pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--annotations", type=Path, metavar="FILE", help="people's captions: COCO's JSON")
    source.add_argument(
        "--flickr8k",
        type=Path,
        metavar="FILE|DIR",
        help="people's captions with their splits: a JSON list, Karpathy's JSON, CSV, JSON lines, the text files,\nor the directory where one of these is",
    )
    source.add_argument(
        "--compare", type=Path, nargs=2, metavar=("A", "B"), help="two reports on the same photos; nothing is captioned"
    )
    parser.add_argument("--split", help="which of Flickr8k's photos (default: test)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the photos, to be captioned by the model")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="score these captions (COCO's results JSON) instead of the model's;\n--images then only illustrates the report",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only so many photos, drawn at random")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of that drawing (default: 0)")
    parser.add_argument(
        "--allow-missing", action="store_true", help="score what is there if photos, results or references are missing"
    )
    parser.add_argument(
        "--sweep-beams", type=_beam_sizes, metavar="N,N,...", help="also score the model with these beam sizes"
    )
    parser.add_argument("--official", action="store_true", help="add METEOR; needs Java and pycocoevalcap")
    parser.add_argument(
        "--training-captions",
        type=Path,
        metavar="FILE",
        help="captions that are not novel (default: the split train of Flickr8k's\nfile, else the references themselves)",
    )
    parser.add_argument("--results-out", type=Path, metavar="FILE", help="write the captions in COCO's results format")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="write a page about the captions, and its data, into this directory"
    )
    parser.add_argument("--format", choices=["table", "json"], default="table", help="(default: table)")
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Caption the photos, or read somebody's captions, and print their scores; or compare two reports."""
    if options.compare:
        _refuse_ignored(options, set(vars(options)) - {"verb", "compare", "format"}, "--compare only reads two reports")
        from captioner.evaluation.comparison import compare

        return _print(compare(*options.compare), options.format)
    return _print(evaluated(options), options.format)


def evaluated(options: argparse.Namespace) -> "Outcome":
    """Caption the photos, or read somebody's captions, score them, and write what was asked for.

    Raises:
        CaptionerError: see `captioner.errors`.
    """
    _check(options)
    from captioner.datasets import read_coco, read_flickr8k

    problems: list[str] | None = [] if options.allow_missing else None
    read, source = (read_coco, options.annotations) if options.annotations else (read_flickr8k, options.flickr8k)
    annotated = read(source, problems=problems)
    for problem in problems or []:
        say(problem)
    training = _training_captions(options, annotated)
    photos = _drawn(options, annotated if options.annotations else annotated.select(_split(options)))
    predictions = given(options, annotated, photos) if options.results else captioned(options, photos)
    outcome = _outcome(options, photos, predictions, training)
    for remark in outcome.remarks:
        say(remark)
    if options.report:
        from captioner.evaluation.report import report_files

        write_files(options.report, report_files(outcome, lambda photo: _thumbnail(options.images, photo)))
    return outcome


def _check(options: argparse.Namespace) -> None:
    """Say now what would otherwise come to light after all photos are captioned."""
    if not (options.images or options.results):
        raise UsageError("evaluate needs either --images DIR (to caption them) or --results FILE (to score it).")
    if options.annotations and options.split:
        raise UsageError("--split chooses among the photos of --flickr8k; the photos of --annotations have no splits.")
    if options.results and options.sweep_beams:
        raise UsageError("--sweep-beams needs the model to write the captions; leave --results away.")
    if options.results:
        of_the_model = {"model", "device", "batch_size", *DECODING_FLAGS}
        _refuse_ignored(options, of_the_model, "--results are captions that somebody's model has written already")
    if options.images and not options.images.is_dir():
        raise UsageError(f"--images {options.images}: no such directory.")
    if options.official:
        from captioner.evaluation.official import require_official

        require_official()
    require_place(options.results_out)
    if options.report:
        write_files(options.report, {})


def _refuse_ignored(options: argparse.Namespace, names: Collection[str], reason: str) -> None:
    """Refuse options that were given and would do nothing.

    Raises:
        UsageError: one of them has another value than if it were left out.
    """
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = [name for name in vars(options) if name in names and getattr(options, name) != parser.get_default(name)]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{reason}; leave {flags} away.")


def _split(options: argparse.Namespace) -> str:
    return options.split or "test"


def _drawn(options: argparse.Namespace, photos: "CaptionedPhotos") -> "list[CaptionedPhoto]":
    import random

    drawn = list(photos)
    if options.limit and options.limit < len(drawn):
        chosen = sorted(random.Random(options.seed).sample(range(len(drawn)), options.limit))
        drawn = [drawn[number] for number in chosen]
    return drawn


def _training_captions(options: argparse.Namespace, annotated: "CaptionedPhotos") -> "KnownCaptions | None":
    """Captions that the model may have learned by heart; None if nobody says which."""
    from captioner.datasets import read_captioned_photos
    from captioner.evaluation.outcome import KnownCaptions

    source = read_captioned_photos(options.training_captions) if options.training_captions else annotated
    training = [photo for photo in source if photo.split in {"train", "restval"}]
    if options.training_captions and not training:
        training = list(source)
    captions = tuple(caption for photo in training for caption in photo.captions)
    return KnownCaptions(f"the {len(captions):,} training captions of {source.source}", captions) if captions else None


def _outcome(
    options: argparse.Namespace,
    photos: "Sequence[CaptionedPhoto]",
    predictions: Predictions,
    training: "KnownCaptions | None",
) -> "Outcome":
    from captioner.evaluation.outcome import KnownCaptions, Outcome
    from captioner.evaluation.scores import score

    captions = predictions.captions
    scored = tuple(photo for photo in photos if photo.id in captions)
    references = {photo.id: photo.captions for photo in scored}
    scores = score(captions, references)
    meteor = None
    if options.official:
        from captioner.evaluation.official import meteor as official_meteor

        meteor = official_meteor(captions, references)
    theirs = tuple(caption for photo in scored for caption in photo.captions)
    return Outcome(
        photos=scored,
        captions=captions,
        scores=scores,
        settings=_settings(options, photos, references) | dict(predictions.settings),
        known=training or KnownCaptions(f"the {len(theirs):,} references of these photos", theirs),
        confidences=predictions.confidences,
        beam_sizes={size: score(others, references) for size, others in predictions.beams.items()},
        meteor=meteor,
    )


def _settings(
    options: argparse.Namespace, photos: "Sequence[CaptionedPhoto]", references: dict[str, tuple[str, ...]]
) -> dict[str, Any]:
    from captioner._version import __version__

    in_order = json.dumps(sorted(references.items()))
    return {
        "references": str(options.annotations or options.flickr8k),
        "references_sha256": hashlib.sha256(in_order.encode()).hexdigest(),  # two reports must agree to be compared
        "split": None if options.annotations else _split(options),
        "limit": options.limit,
        "seed": options.seed if options.limit else None,
        "photos_missing": len(photos) - len(references),
        "captioner": __version__,
    }


def _thumbnail(images: Path | None, photo: "CaptionedPhoto") -> str | None:
    """A small JPEG as a data URI; None where there is no such photo."""
    if images is None:
        return None
    from captioner.images import open_image

    try:
        small = open_image(images / photo.file, draft=_THUMBNAIL).image
    except ImageError:
        return None
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def _print(result: "Outcome | Comparison", form: str) -> int:
    write_line(json.dumps(result.to_json(), indent=1) if form == "json" else result.to_table())
    return 0


def _beam_sizes(text: str) -> tuple[int, ...]:
    """Several beam sizes, each once, for argparse."""
    return tuple(sorted({positive(part) for part in text.split(",")}))
