"""python -m train average: one checkpoint with the mean of several checkpoints' weights.

They must have come from one another, or all from one: then the mean is often better than each of them, at no cost
("model soups", Wortsman et al. 2022). One that is named twice counts twice. Settings, words and search are those of the
first.
"""

import argparse
from pathlib import Path

from captioner.checkpoint import Checkpoint, TranslatorCheckpoint
from captioner.errors import OutputError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help="checkpoint directory, or name of an embedded model")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new directory")


def run(options: argparse.Namespace) -> None:
    from torch.optim.swa_utils import AveragedModel

    from captioner import checkpoint
    from captioner.checkpoint.weights import load_model
    from captioner.models.encoder_decoder import EncoderDecoder

    if options.out.exists():
        raise OutputError(f"{options.out}: stands there already; give another name.")
    read = [checkpoint.read_any(name) for name in options.models]
    for other in read[1:]:
        if other.config != read[0].config or _words(other) != _words(read[0]):
            raise UsageError(f"{other.path}: a network or words unlike those of {read[0].path}; they have no mean.")
    mean = AveragedModel(load_model(read[0]))  # batch norms' statistics are those of pretraining, in all of them
    for one in read:
        mean.update_parameters(load_model(one))
    assert isinstance(mean.module, EncoderDecoder)
    first = read[0]
    checkpoint.save(
        options.out,
        mean.module,
        vocabulary=(first.source, first.target) if isinstance(first, TranslatorCheckpoint) else first.vocabulary,
        decoding=first.decoding,
        scores={},
        training={"mean_of": [dict(one.training) for one in read]},
        card=f"# {options.out.name}\n\nThe mean of {len(read)} checkpoints, by `python -m train average`.\n",
    )
    print(f"the mean of {len(read)} checkpoints is {options.out}")


def _words(read: Checkpoint | TranslatorCheckpoint) -> object:
    return (read.source.model, read.target.model) if isinstance(read, TranslatorCheckpoint) else read.vocabulary
