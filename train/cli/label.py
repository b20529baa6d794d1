"""python -m train label: caption photos that have no captions, to train on them.

The photos in DIR/images are captioned with one model, or with what several hold probable on average, and
DIR/labels.json is written, which a run reads as data.also.
"""

import argparse
import sys
from pathlib import Path

from captioner.cli.options import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="where images is")
    parser.add_argument(
        "--model", action="append", required=True, metavar="MODEL", help="checkpoint directory or name; may be repeated"
    )
    parser.add_argument("--captions", type=positive, default=1, metavar="N", help="of each photo (default: 1)")
    parser.add_argument(
        "--cache", type=Path, default=Path("cache"), metavar="DIR", help="for decoded photos (default: cache)"
    )


def run(options: argparse.Namespace) -> None:
    from train.label import label
    from train.loop import training_device

    out, skipped = label(
        options.directory, options.model, captions=options.captions, cache=options.cache, device=training_device()
    )
    for sentence in skipped:
        print(f"skipped: {sentence}", file=sys.stderr)
    print(out)
