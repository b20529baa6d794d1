"""python -m train record: write a checkpoint's scores into it.

captioner evaluate is run on MODEL, and the scores are written into its config.json and into the table of its card.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--also", action="append", type=Path, default=[], metavar="FILE", help="a further file with such a table"
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="checkpoint directory")
    parser.add_argument("name", metavar="NAME", help='what the photos are called, such as "Flickr8k test"')
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="options of captioner evaluate")


def run(options: argparse.Namespace) -> None:
    from train.record import record

    print(record(options.model, options.name, options.arguments, also=options.also).to_table())
