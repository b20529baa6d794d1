"""python -m train curves: Plot a run's loss, gradient norm and scores to RUN/curves.png."""

import argparse
from pathlib import Path

EXAMPLES = """\
    python -m train curves runs/photo-en
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="RUN", help="directory of the run")


def run(options: argparse.Namespace) -> None:
    from train.curves import draw_curves

    print(draw_curves(options.directory))
