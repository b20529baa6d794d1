"""python -m train record: Evaluate a checkpoint and write the scores into it.

MODEL captions the photos with its own decoding defaults. The scores are written to its config.json and to the table in
its model card. `captioner evaluate` prints the same scores.
"""

import argparse
import sys
from pathlib import Path

from captioner.cli.options import positive
from captioner.errors import CaptionerError, UsageError

EXAMPLES = """\
  Record the scores on Flickr8k's test photos:
    python -m train record runs/photo-en/best "Flickr8k test" --flickr8k flickr8k --images flickr8k/images
  Record the scores on the validation photos:
    python -m train record runs/photo-en/best "Flickr8k dev" --flickr8k flickr8k --images flickr8k/images --split dev
  Record the scores on COCO photos, and update the table in another file too:
    python -m train record runs/photo-en/best COCO --annotations refs.json --images photos --also README.md
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="checkpoint directory")
    parser.add_argument("name", metavar="NAME", help='name of the set of photos, such as "Flickr8k test"')
    parser.add_argument(
        "--also",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="further file whose table of scores is updated (repeatable)",
    )
    group = parser.add_argument_group("photos and reference captions")
    source = group.add_mutually_exclusive_group(required=True)
    source.add_argument("--annotations", type=Path, metavar="FILE", help="captioned photos; all of them are evaluated")
    source.add_argument("--flickr8k", type=Path, metavar="FILE|DIR", help="captioned photos with splits")
    group.add_argument(
        "--split", metavar="NAME", default="test", help="split of --flickr8k to evaluate (default: test)"
    )
    group.add_argument("--images", type=Path, required=True, metavar="DIR", help="directory of the photos")
    group.add_argument("--limit", type=positive, metavar="N", help="evaluate N photos drawn at random")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="random seed for --limit (default: 0)")
    group.add_argument("--allow-missing", action="store_true", help="skip photos that are missing or unreadable")
    group = parser.add_argument_group("computation")
    group.add_argument(
        "--device",
        choices=["auto", "cpu", "cuda", "mps"],
        default="auto",
        help="where to run the model (default: auto)",
    )
    group.add_argument("--batch-size", type=positive, default=32, metavar="N", help="photos per batch (default: 32)")
    for refused in ("--results", "--compare"):  # options of `captioner evaluate`
        parser.add_argument(refused, nargs="+", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> None:
    from captioner import datasets
    from captioner.evaluation.evaluate import ALLOW, EvaluationOptions
    from train.record import record

    if options.results or options.compare:
        raise UsageError("record evaluates the model itself; omit --results and --compare.")
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
