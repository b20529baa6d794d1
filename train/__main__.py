"""`python -m train`: the trainer's command line."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from captioner.cli.options import positive
from captioner.errors import CaptionerError, OutputError, UsageError

if TYPE_CHECKING:
    from train.captioning import Captioning
    from train.config import TrainConfig
    from train.parallel import Team


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
    label = verbs.add_parser(
        "label",
        help="caption photos that have no captions, to train on them",
        description="Caption the photos in DIR/images with one model, or with what several hold probable on average, and"
        " write DIR/labels.json, which a run reads as data.also.",
    )
    label.set_defaults(run=_label)
    label.add_argument("directory", type=Path, metavar="DIR", help="where images is")
    label.add_argument(
        "--model", action="append", required=True, metavar="MODEL", help="checkpoint directory or name; may be repeated"
    )
    label.add_argument("--captions", type=positive, default=1, metavar="N", help="of each photo (default: 1)")
    label.add_argument(
        "--cache", type=Path, default=Path("cache"), metavar="DIR", help="for decoded photos (default: cache)"
    )
    record = verbs.add_parser(
        "record",
        help="write a checkpoint's scores into it",
        description="Run captioner evaluate on MODEL, and write the scores into its config.json and into the table of its card.",
    )
    record.set_defaults(run=_record)
    record.add_argument(
        "--also", action="append", type=Path, default=[], metavar="FILE", help="a further file with such a table"
    )
    record.add_argument("model", type=Path, metavar="MODEL", help="checkpoint directory")
    record.add_argument("name", metavar="NAME", help='what the photos are called, such as "Flickr8k test"')
    record.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="options of captioner evaluate")
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
    bleu = verbs.add_parser(
        "bleu",
        help="score a translator on Multi30k",
        description="sacreBLEU of a translator on Multi30k's test sets and, with --photos, of photos' captions in German.",
    )
    bleu.set_defaults(run=_bleu)
    bleu.add_argument(
        "model", nargs="?", metavar="MODEL", help="checkpoint directory or name (default: the embedded one)"
    )
    bleu.add_argument("--data", type=Path, required=True, metavar="DIR", help="Multi30k, with task1 and task2 in it")
    bleu.add_argument("--record", action="store_true", help="also write the scores into the model's config.json")
    bleu.add_argument("--photos", type=Path, metavar="DIR", help="Flickr8k: caption its test photos and translate that")
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
    from train.config import TrainConfig, read_config

    config = read_config(options.config, options.changes)  # before torch is imported: a typo answers at once

    from train.loop import STATE, Run
    from train.parallel import join_team
    from train.translation import Translation

    team = join_team()
    directory = options.out or Path("runs") / config.name
    if (directory / STATE).exists() and not options.resume:
        raise UsageError(f"{directory}: holds a run already; --resume goes on with it, --out starts another elsewhere.")
    task = _captioning(config, team) if isinstance(config, TrainConfig) else Translation(config)
    directory.mkdir(parents=True, exist_ok=True)
    run = Run(task, directory, team)
    if options.resume:
        run.resume()
    else:
        run.start()
    run.fit()
    if team.leads:
        print(f"done: the best checkpoint is {directory / 'best'}")


def _captioning(config: "TrainConfig", team: "Team") -> "Captioning":
    """The photos and captions of a run; what cannot be read is named."""
    from captioner import checkpoint
    from train.captioning import Captioning
    from train.corpus import read_corpus
    from train.data import read_splits
    from train.loop import find_device

    start = checkpoint.read(config.start) if config.start else None
    skipped: list[str] = []
    splits = read_splits(config.data, skipped)
    with team.leader_first():
        corpus = read_corpus(config, splits, start)
    skipped += [*corpus.train.skipped, *corpus.validation.skipped]
    for sentence in skipped if team.leads else []:
        print(f"skipped: {sentence}", file=sys.stderr)
    if skipped and team.leads:
        print(f"{len(skipped)} photos or captions skipped in all.", file=sys.stderr)
    return Captioning(config, corpus, start, find_device())


def _label(options: argparse.Namespace) -> None:
    from train.label import label
    from train.loop import find_device

    out, skipped = label(
        options.directory, options.model, captions=options.captions, cache=options.cache, device=find_device()
    )
    for sentence in skipped:
        print(f"skipped: {sentence}", file=sys.stderr)
    print(out)


def _record(options: argparse.Namespace) -> None:
    from train.record import record

    print(record(options.model, options.name, options.arguments, also=options.also).to_table())


def _curves(options: argparse.Namespace) -> None:
    from train.curves import draw_curves

    print(draw_curves(options.directory))


def _bleu(options: argparse.Namespace) -> None:
    from captioner.predict import Captioner
    from captioner.translator import Translator
    from train.bleu import record, score_captions, score_translations, to_table

    translator = Translator.load(options.model)
    scores = score_translations(translator, options.data / "task1")
    if options.photos:
        scores.append(score_captions(Captioner.load(), translator, options.data / "task2", options.photos))
    if options.record:
        record(translator.checkpoint.path, scores)
    print(to_table(scores))


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
