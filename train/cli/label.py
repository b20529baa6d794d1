"""python -m train label: Caption unlabeled photos with a model, as training data (pseudo-labels).

Captions the photos in DIR/images and writes DIR/labels.json, which a run reads as data.also. Several models form an
ensemble: the probabilities of their next words are averaged.
"""

import argparse
import sys
from pathlib import Path

from captioner.cli.options import positive

EXAMPLES = """\
  Caption the photos in more/images with the embedded model:
    python -m train label more --model photo-en
  Write three captions per photo with an ensemble of two models:
    python -m train label more --model runs/a/best --model runs/b/best --captions 3
  Train on the result:
    python -m train fit train/recipes/photo-en.toml --set data.root=DIR --set 'data.also=["more/labels.json"]'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="directory that contains images/")
    parser.add_argument(
        "--model",
        action="append",
        required=True,
        metavar="MODEL",
        help="checkpoint directory or embedded model; repeat it for an ensemble",
    )
    parser.add_argument("--captions", type=positive, default=1, metavar="N", help="captions per photo (default: 1)")
    parser.add_argument(
        "--cache", type=Path, default=Path("cache"), metavar="DIR", help="directory for decoded photos (default: cache)"
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
