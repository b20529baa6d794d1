"""python -m train record: write a checkpoint's scores into it.

MODEL captions the photos with its own decoding defaults; the scores are written into its config.json and into the
table of its card. `captioner evaluate` prints the same scores.
"""

import argparse
import sys
from pathlib import Path

from captioner.cli.options import positive
from captioner.errors import CaptionerError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="checkpoint directory")
    parser.add_argument("name", metavar="NAME", help='what the photos are called, such as "Flickr8k test"')
    parser.add_argument(
        "--also", action="append", type=Path, default=[], metavar="FILE", help="a further file with such a table"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--annotations", type=Path, metavar="FILE", help="captioned photos, all of them")
    source.add_argument("--flickr8k", type=Path, metavar="FILE|DIR", help="captioned photos with splits")
    parser.add_argument("--split", default="test", help="which photos of --flickr8k (default: test)")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the photos")
    parser.add_argument("--limit", type=positive, metavar="N", help="only so many photos, drawn at random")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of that drawing (default: 0)")
    parser.add_argument("--allow-missing", action="store_true", help="leave out photos that are missing or unreadable")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help="(default: auto)")
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="photos at once (default: 32)")
    for refused in ("--results", "--compare"):  # of `captioner evaluate`
        parser.add_argument(refused, nargs="+", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> None:
    from captioner import datasets
    from captioner.evaluation.evaluate import ALLOW, EvaluationOptions
    from train.record import record

    if options.results or options.compare:
        raise UsageError("record measures the model itself; leave --results and --compare away.")
    problems: list[str] | None = [] if options.allow_missing else None
    photos = datasets.read(options.annotations or options.flickr8k, problems=problems)
    for problem in problems or []:
        _say(problem)
    if options.flickr8k:
        photos = photos.select(options.split)
    if options.limit:
        photos = photos.sample(options.limit, seed=options.seed)
    try:
        outcome = record(
            options.model,
            options.name,
            photos,
            EvaluationOptions(allow_missing=options.allow_missing, tell=_say),
            images=options.images,
            device=options.device,
            batch_size=options.batch_size,
            also=options.also,
        )
    except CaptionerError as problem:
        raise type(problem)(str(problem).replace(ALLOW, "--allow-missing skips them")) from None
    print(outcome.to_table())


def _say(sentence: str) -> None:
    print(f"train: {sentence}", file=sys.stderr)
