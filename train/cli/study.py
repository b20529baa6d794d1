"""python -m train study: Test what textbooks claim about recurrent networks.

Prints a table and writes the page NAME.md, the plot NAME.png and the data NAME.json to OUT.
"""

import argparse
from pathlib import Path

from captioner.errors import UsageError

EXAMPLES = """\
  List the studies:
    python -m train study --list
  Run all of them in about three minutes:
    python -m train study all --quick
  Run two of them in full, on real data:
    python -m train study cells attention --data data --out runs/study
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="study to run, or all")
    parser.add_argument("--list", action="store_true", help="list the studies and exit")
    parser.add_argument("--quick", action="store_true", help="take seconds per study instead of minutes, with one seed")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="directory of real data, with flickr8k and text/multi30k (default: generated toy data)",
    )
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="number of seeds, from 1 to 100 (default: 3; with --quick 1)"
    )
    parser.add_argument("--out", type=Path, metavar="OUT", help="output directory (default: runs/study)")


def run(options: argparse.Namespace) -> None:
    from train.study import catalogue

    if options.list:
        width = max(map(len, catalogue.STUDIES))
        for name in catalogue.STUDIES:
            print(f"{name:{width}}  {catalogue.explain(name)}")
        return
    names = catalogue.check_names(options.names)
    if options.seeds is not None and not 1 <= options.seeds <= 100:
        raise UsageError(f"--seeds {options.seeds}: must be a whole number from 1 to 100.")
    if options.data and not options.data.is_dir():
        raise UsageError(f"--data {options.data}: no such directory.")

    from train.study.report import run_and_write
    from train.study.setting import Setting

    seeds = options.seeds or (1 if options.quick else 3)
    setting = Setting(quick=options.quick, data=options.data, seeds=tuple(range(seeds)))
    for name in names:
        run_and_write(name, setting, options.out or Path("runs") / "study")
