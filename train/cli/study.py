"""python -m train study: try what the lecture notes on recurrent networks claim.

Prints a table and writes NAME.png, NAME.json and a page NAME.md to OUT.
"""

import argparse
from pathlib import Path

from captioner.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a study, or all")
    parser.add_argument("--list", action="store_true", help="say what each study is about, and stop")
    parser.add_argument("--quick", action="store_true", help="seconds a study instead of minutes, and one seed")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="real data: DIR/flickr8k and DIR/text/multi30k (default: generated toys)",
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="repetitions (default: 3, with --quick 1)")
    parser.add_argument("--out", type=Path, metavar="OUT", help="directory for what is written (default: runs/study)")


def run(options: argparse.Namespace) -> None:
    from train.study import catalogue

    if options.list:
        width = max(map(len, catalogue.STUDIES))
        for name in catalogue.STUDIES:
            print(f"{name:{width}}  {catalogue.explain(name)}")
        return
    names = catalogue.check_names(options.names)
    if options.seeds is not None and not 1 <= options.seeds <= 100:
        raise UsageError(f"--seeds {options.seeds}: give a whole number from 1 to 100.")
    if options.data and not options.data.is_dir():
        raise UsageError(f"--data {options.data}: there is no such directory.")

    from train.study.report import run_and_write
    from train.study.setting import Setting

    seeds = options.seeds or (1 if options.quick else 3)
    setting = Setting(quick=options.quick, data=options.data, seeds=tuple(range(seeds)))
    for name in names:
        run_and_write(name, setting, options.out or Path("runs") / "study")
