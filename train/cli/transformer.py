"""python -m train transformer: Train a transformer on a translator's recipe and score it, for comparison.

Data, subwords, training loop and search are those of the recipe; only the networks differ. No checkpoint is written.
"""

import argparse
from pathlib import Path

from captioner.errors import UsageError
from train.cli import fit

EXAMPLES = """\
  Train a transformer of about the same size as the recipe's model:
    python -m train transformer train/recipes/text-en-de-fr-cs.toml --layers 4 --set data.root=multi30k/task1
  Continue it:
    python -m train transformer train/recipes/text-en-de-fr-cs.toml --layers 4 --set data.root=multi30k/task1 --resume
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    fit.add_arguments(parser)
    parser.add_argument("--width", type=int, default=256, metavar="N", help="size of every vector (default: 256)")
    parser.add_argument(
        "--layers", type=int, default=5, metavar="N", help="layers of the encoder and of the decoder (default: 5)"
    )


def run(options: argparse.Namespace) -> None:
    from train.recipe import read_config
    from train.sentences.config import TranslationConfig

    config = read_config(options.config, options.changes)
    if not isinstance(config, TranslationConfig):
        raise UsageError(f"{options.config}: this recipe trains a captioner; give a translator's recipe.")

    from train.sentences.bleu import score_translations, to_table
    from train.study.learning import count_parameters
    from train.study.transformer import HEADS, Comparison, Transforming

    if options.layers < 1 or options.width < HEADS or options.width % HEADS:
        raise UsageError(f"--layers must be at least 1, and --width a multiple of {HEADS}.")
    directory = fit.claim(options, f"{config.name}-transformer")
    task = Transforming(config, width=options.width, layers=options.layers)
    training = Comparison(task, directory)
    fit.train(training, resume=options.resume)
    print(f"{count_parameters(training.model) / 1e6:.1f} million parameters\n")
    print(to_table(score_translations(task.translator(training.model), Path(config.data.root))))
