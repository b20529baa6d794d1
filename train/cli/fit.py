"""python -m train fit: Train a model from a TOML recipe.

OUT/best is the checkpoint with the best validation score. OUT also contains the state to resume from and the logs.
Recipes that name languages train a translator; all others train a captioner. See train/recipes/ for examples.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import UsageError

EXAMPLES = """\
  Train a captioner on a directory with captions.csv and images/:
    python -m train fit train/recipes/mobilenet.toml --set data.root=DIR
  Continue an interrupted run:
    python -m train fit train/recipes/mobilenet.toml --set data.root=DIR --resume
  Fine-tune the embedded model for two epochs:
    python -m train fit train/recipes/photo-en-reward.toml --set start=photo-en --set data.root=DIR \\
        --set phase.0.epochs=2 --out runs/mine
"""
A_DAY = 24 * 3600.0

if TYPE_CHECKING:
    from train.loop import Training
    from train.parallel import Team
    from train.photos.config import TrainConfig
    from train.photos.task import Captioning
    from train.task import Task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="recipe to train")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        dest="changes",
        help="override a setting, such as phase.0.epochs=2; the value is TOML (repeatable)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="directory of the run (default: runs/NAME, with the recipe's name)"
    )
    parser.add_argument("--resume", action="store_true", help="continue the run in --out from its last saved state")


def run(options: argparse.Namespace) -> None:
    from train.photos.config import TrainConfig
    from train.recipe import read_config

    config = read_config(options.config, options.changes)

    from torch.backends.cpu import get_cpu_capability

    from train.loop import Training, training_device
    from train.parallel import join_team
    from train.sentences.task import Translating

    team = join_team()
    slow = training_device().type == "cpu" and get_cpu_capability() == "AVX2"  # docs/experiments-log.md, "Speed"
    if slow and config.training.precision == "bf16" and team.leads:
        print("train: bf16 is slow on this processor; --set training.precision=float32 is faster.", file=sys.stderr)
    directory = claim(options, config.name)
    task = _captioning(config, team, resume=options.resume) if isinstance(config, TrainConfig) else Translating(config)
    train(Training(task, directory, team), resume=options.resume)
    if team.leads:
        print(f"done: the best checkpoint is {directory / 'best'}")


def claim(options: argparse.Namespace, name: str) -> Path:
    """Check the run's directory and return it; it is created later, when the data has been read.

    Raises:
        UsageError: the directory contains another run, or none that can be resumed.
    """
    from train.loop import BEST, STATE

    directory: Path = options.out or Path("runs") / name
    if (directory / STATE).exists() and not options.resume:
        raise UsageError(
            f"{directory}: already contains a run; continue it with --resume or choose another directory with --out."
        )
    if (directory / BEST).exists() and not options.resume:
        raise UsageError(f"{directory / BEST}: already exists; choose another directory with --out.")
    if options.resume and not (directory / STATE).exists():
        raise UsageError(f"{directory}: contains no saved state to resume from; start the run without --resume.")
    return directory


def train(training: "Training", *, resume: bool) -> None:
    """Train from the beginning, or from the last saved state, to the end."""
    from captioner.files import locked, remove_torn
    from train.loop import STATE

    if resume:
        training.resume()
    else:
        training.start()
    if training.team.leads:
        for sentence in shortened_warmups(training.task):
            print(f"train: {sentence}", file=sys.stderr)
    with locked(training.directory / STATE) if training.team.leads else nullcontext():
        if training.team.leads:
            remove_torn(training.directory)
        try:
            training.fit()
        except KeyboardInterrupt:
            if training.team.leads and (training.directory / STATE).exists():
                print("train: continue from the last saved state with --resume.", file=sys.stderr)
            raise


def shortened_warmups(task: "Task") -> Iterator[str]:
    """A sentence for each phase that is too short for its warm-up; see `train.optimizer.fitting_warmup`."""
    from train.optimizer import fitting_warmup

    for number, phase in enumerate(task.config.phase):
        steps = phase.epochs * task.steps(phase)
        warmup = fitting_warmup(phase.warmup, steps)
        if steps and warmup != phase.warmup:
            yield (
                f"phase {phase.name} has {steps:,} steps, too few for a warm-up of {phase.warmup:,}; "
                f"the warm-up is shortened to {warmup:,} (--set phase.{number}.warmup={warmup})."
            )


def _captioning(config: "TrainConfig", team: "Team", *, resume: bool) -> "Captioning":
    """The task of a captioner's run; photos and captions that cannot be read are reported."""
    from captioner import checkpoint
    from captioner.files import remove_torn
    from train.loop import training_device
    from train.photos.corpus import read_corpus
    from train.photos.data import CACHED, read_splits
    from train.photos.pretrained import pretrained_encoder
    from train.photos.task import Captioning

    start = checkpoint.read(config.start) if config.start else None
    encoder = None if start or resume else pretrained_encoder(config.encoder, config.image)
    for name in CACHED:
        remove_torn(Path(config.data.cache), name, age=A_DAY)  # another run may be writing younger ones
    skipped: list[str] = []
    try:
        splits = read_splits(config.data, skipped)
        with team.leader_first():
            corpus = read_corpus(config, splits, start, skipped)
    finally:  # they may explain an error below
        for sentence in skipped if team.leads else []:
            print(f"skipped: {sentence}", file=sys.stderr)
        if skipped and team.leads:
            print(f"{len(skipped)} photos or captions skipped in total.", file=sys.stderr)
    if len(corpus.validation) == 1 and config.training.select_by == "CIDEr" and team.leads:
        print(
            "train: CIDEr-D of a single validation photo is always 0; use --set training.select_by=Bleu_4.",
            file=sys.stderr,
        )
    return Captioning(config, corpus, start or encoder, training_device())
