"""python -m train curves: draw a run's loss, gradient norm and scores: RUN/curves.png."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="RUN", help="the run's directory")


def run(options: argparse.Namespace) -> None:
    from train.curves import draw_curves

    print(draw_curves(options.directory))
