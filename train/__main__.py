"""`python -m train`: the trainer's command line."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from captioner.errors import CaptionerError, OutputError, UsageError


def parser() -> argparse.ArgumentParser:
    """The verbs and their arguments."""
    parser = argparse.ArgumentParser(prog="python -m train", description="Train captioning models.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    fit = verbs.add_parser(
        "fit",
        help="train a model from a TOML configuration",
        description="Train a model from a TOML configuration. The best checkpoint by validation score is kept in"
        " OUT/best; OUT also holds the state to resume from and the logs.",
    )
    fit.set_defaults(run=_fit)
    fit.add_argument("config", type=Path, metavar="CONFIG.toml")
    fit.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="changes", help="change a setting"
    )
    fit.add_argument("--out", type=Path, metavar="DIR", help="the run's directory (default: runs/NAME)")
    fit.add_argument("--resume", action="store_true", help="go on where the run in OUT was stopped")
    curves = verbs.add_parser(
        "curves",
        help="draw a run's curves",
        description="Draw loss, gradient norm and scores of a run: RUN/curves.png.",
    )
    curves.set_defaults(run=_curves)
    curves.add_argument("directory", type=Path, metavar="RUN", help="the run's directory")
    speed = verbs.add_parser(
        "speed",
        help="measure a training step against simpler ones",
        description="Measure a training step of the embedded model's decoder against steps that share no grid among captions"
        " and against a loop over single captions: captions a second and peak memory.",
    )
    speed.set_defaults(run=_speed)
    speed.add_argument("--threads", type=int, default=1, metavar="N", help="of the processor (default: 1)")
    speed.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured")
    _add_study(verbs)
    return parser


def _add_study(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    study = verbs.add_parser(
        "study",
        help="try what the lecture notes on recurrent networks claim",
        description="Try what the lecture notes on recurrent networks claim. Prints a table and writes NAME.png, NAME.json"
        " and a page NAME.md to OUT.",
    )
    study.set_defaults(run=_study)
    study.add_argument("names", nargs="*", metavar="NAME", help="of a study, or all")
    study.add_argument("--list", action="store_true", help="say what each study is about, and stop")
    study.add_argument("--quick", action="store_true", help="seconds a study instead of minutes, and one seed")
    study.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="real data: DIR/flickr8k and DIR/text/multi30k (default: generated toys)",
    )
    study.add_argument("--seeds", type=int, metavar="N", help="repetitions (default: 3, with --quick 1)")
    study.add_argument("--out", type=Path, metavar="OUT", help="directory for what is written (default: runs/study)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code (see `captioner.errors`)."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except CaptionerError as problem:
        print(f"train: {problem}", file=sys.stderr)
        return problem.exit_code
    except BrokenPipeError:  # whoever read our output has seen enough; the state is saved
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:  # a directory that cannot be made, a full disk
        print(f"train: {problem.filename or 'a file'}: cannot be written ({problem.strerror}).", file=sys.stderr)
        return OutputError.exit_code
    except KeyboardInterrupt:
        print("train: interrupted; --resume goes on from the last saved state.", file=sys.stderr)
        return 130
    return 0


def _fit(options: argparse.Namespace) -> None:
    from train.config import read_config

    config = read_config(options.config, options.changes)  # before torch is imported: a typo answers at once

    from captioner import checkpoint
    from train.corpus import read_corpus
    from train.data import read_splits
    from train.loop import STATE, Run
    from train.parallel import join_team

    team = join_team()
    start = checkpoint.read(config.start) if config.start else None
    directory = options.out or Path("runs") / config.name
    skipped: list[str] = []
    splits = read_splits(config.data, skipped)
    if (directory / STATE).exists() and not options.resume:
        raise UsageError(f"{directory}: holds a run already; --resume goes on with it, --out starts another elsewhere.")
    directory.mkdir(parents=True, exist_ok=True)
    with team.leader_first():
        corpus = read_corpus(config, splits, start)
    skipped += [*corpus.train.skipped, *corpus.validation.skipped]
    for sentence in skipped if team.leads else []:
        print(f"skipped: {sentence}", file=sys.stderr)
    if skipped and team.leads:
        print(f"{len(skipped)} photos or captions skipped in all.", file=sys.stderr)
    run = Run(config, corpus, directory, team)
    if options.resume:
        run.resume()
    else:
        run.start(start)
    run.fit()
    if team.leads:
        print(f"done: the best checkpoint is {directory / 'best'}")


def _curves(options: argparse.Namespace) -> None:
    from train.curves import draw_curves

    print(draw_curves(options.directory))


def _speed(options: argparse.Namespace) -> None:
    if options.threads < 1:
        raise UsageError(f"--threads {options.threads}: at least 1 is needed.")
    from train.speed import compare, to_table

    result = compare(options.threads)
    print(to_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _study(options: argparse.Namespace) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
