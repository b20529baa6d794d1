"""`python -m train`: the trainer's command line."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

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
    benchmark = verbs.add_parser(
        "benchmark",
        help="measure captioning against other models and the machine's limits",
        description="Measure captioning on this machine against BLIP-base, ViT-GPT2 and a ResNet-101 captioner of random weights, and"
        " against what the machine can do: throughput, latency, start, memory, growth. Linux; about 10 minutes.",
    )
    benchmark.set_defaults(run=_benchmark)
    benchmark.add_argument("--photos", type=Path, metavar="DIR", help="of JPEG files (default: 500 that are made)")
    benchmark.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured")
    benchmark.add_argument("--plot", type=Path, metavar="FILE.png", help="also draw how time grows")
    size = benchmark.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_true", help="a few photos, to see that it works; the figures mean little"
    )
    size.add_argument("--long", action="store_true", help="also the memory of 10,000 photos")
    size.add_argument(
        "--candidates", action="store_true", help="only what was tried to be faster (docs/experiments.md)"
    )
    return parser


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


def _benchmark(options: argparse.Namespace) -> None:
    from train.benchmark import candidates, everything, table
    from train.benchmark.photos import find_photos

    if options.candidates:
        with TemporaryDirectory() as scratch:
            found = candidates.measure(find_photos(options.photos, 256, Path(scratch)))
        print(json.dumps(found, indent=1))
        return
    plan = everything.QUICK if options.quick else everything.LONG if options.long else everything.Plan()
    result = everything.run(plan, options.photos, say=lambda line: print(f"measuring: {line}", file=sys.stderr))
    print(table.to_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        table.draw_growth(result["growth"], options.plot)


if __name__ == "__main__":
    sys.exit(main())
