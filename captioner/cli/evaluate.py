"""captioner evaluate: score captions against people's: BLEU, ROUGE-L and CIDEr-D as papers report them."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.cli.options import add_model_options, decoding_options, positive
from captioner.cli.output import write_line
from captioner.errors import OutputError, UsageError

if TYPE_CHECKING:
    from captioner.evaluation.data import CaptionedPhoto


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--annotations", type=Path, metavar="FILE", help="people's captions: COCO's JSON")
    source.add_argument(
        "--flickr8k",
        type=Path,
        metavar="FILE|DIR",
        help="people's captions: a JSON list, Karpathy's JSON, or the text files",
    )
    parser.add_argument("--split", default="test", help="which of Flickr8k's photos (default: test)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the photos, to be captioned by the model")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="score these captions (COCO's results JSON) instead of the model's"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only so many photos, drawn at random")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of that drawing (default: 0)")
    parser.add_argument(
        "--allow-missing", action="store_true", help="score what is there if photos or results are missing"
    )
    parser.add_argument("--results-out", type=Path, metavar="FILE", help="write the captions in COCO's results format")
    parser.add_argument("--format", choices=["table", "json"], default="table", help="(default: table)")
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Caption the photos, or read somebody's captions, and print their scores."""
    if (options.images is None) == (options.results is None):
        raise UsageError("evaluate needs either --images DIR (to caption them) or --results FILE (to score it).")

    from captioner.evaluation.scores import score

    photos = _photos(options)
    if options.results:
        predictions, settings = _given(options), {"results": str(options.results)}
    else:
        predictions, settings = _captioned(options, photos)
    references = {photo.id: photo.captions for photo in photos}
    missing = [key for key in references if key not in predictions]
    if missing and not options.allow_missing:
        raise UsageError(
            f"{len(missing)} of {len(references)} photos have no caption (the first: {', '.join(missing[:3])});"
            " --allow-missing scores the others."
        )
    references = {key: captions for key, captions in references.items() if key in predictions}
    if options.results_out:
        _write_results(options.results_out, predictions)
    result = score(predictions, references).to_json() | {"settings": _settings(options) | settings}
    write_line(json.dumps(result, indent=1) if options.format == "json" else _table(result))
    return 0


def _photos(options: argparse.Namespace) -> "list[CaptionedPhoto]":
    import random

    from captioner.evaluation.data import read_coco, read_flickr8k

    if options.annotations:
        photos = [photo for photo in read_coco(options.annotations) if photo.captions]
    else:
        photos = list(read_flickr8k(options.flickr8k).select(options.split))
    if options.limit and options.limit < len(photos):
        chosen = sorted(random.Random(options.seed).sample(range(len(photos)), options.limit))
        photos = [photos[number] for number in chosen]
    return photos


def _given(options: argparse.Namespace) -> dict[str, str]:
    from captioner.evaluation.data import read_results

    return read_results(options.results)


def _captioned(options: argparse.Namespace, photos: "list[CaptionedPhoto]") -> tuple[dict[str, str], dict[str, Any]]:
    from tqdm import tqdm

    from captioner import checkpoint
    from captioner.batch import caption_photos
    from captioner.config import to_mapping
    from captioner.predict import Captioner

    read = checkpoint.read(options.model)
    search = decoding_options(options, read.decoding)  # a mistake answers before torch loads
    model = Captioner.load(read, device=options.device)
    sources = [(photo.id, options.images / photo.file) for photo in photos]
    records = caption_photos(model, sources, search, batch_size=options.batch_size)
    predictions = {}
    for record in tqdm(records, total=len(sources), unit="photo", disable=not sys.stderr.isatty()):
        if record.caption is None:
            print(f"captioner: {record.error}", file=sys.stderr)
        else:
            predictions[record.path] = record.caption
    return predictions, {"model": model.checkpoint.path.name, "decoding": to_mapping(search)}


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "references": str(options.annotations or options.flickr8k),
        "split": None if options.annotations else options.split,
        "limit": options.limit,
        "seed": options.seed if options.limit else None,
    }


def _write_results(path: Path, predictions: dict[str, str]) -> None:
    from captioner.checkpoint import replacing
    from captioner.evaluation.data import to_results

    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(to_results(predictions), indent=1) + "\n", encoding="utf-8")
    except OSError as problem:
        raise OutputError(f"{path}: cannot be written ({problem.strerror or problem}).") from None


def _table(result: dict[str, Any]) -> str:
    lines = [f"{'':10}{'score':>8}   95 % interval (×100)"]
    for name, (low, high) in result["confidence_intervals"].items():
        lines.append(f"{name:10}{100 * result[name]:8.1f}   {100 * low:.1f} to {100 * high:.1f}")
    lines.append(f"{result['images']:,} photos scored")
    return "\n".join(lines)
