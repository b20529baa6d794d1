"""python -m train average: Average the weights of related checkpoints (a model soup).

The checkpoints must have been trained from one another, or from a common ancestor: then the average is often better
than each of them, at no cost ("Model soups", Wortsman et al. 2022). A checkpoint that is named twice counts twice.
Configuration, vocabulary and decoding defaults are those of the first.
"""

import argparse
from pathlib import Path

from captioner.checkpoint import Checkpoint, TranslatorCheckpoint
from captioner.errors import OutputError, UsageError

EXAMPLES = """\
  Average two stages of training:
    python -m train average runs/photo-en/best runs/photo-en-reward/best --out runs/mean
  Give the first checkpoint twice the weight:
    python -m train average runs/a/best runs/a/best runs/b/best --out runs/mean
  Average your fine-tuned model with the embedded one:
    python -m train average photo-en runs/mine/best --out runs/mean
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help="checkpoint directory or embedded model")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory to create")


def run(options: argparse.Namespace) -> None:
    from torch.optim.swa_utils import AveragedModel

    from captioner import checkpoint
    from captioner.checkpoint.weights import load_model
    from captioner.models.encoder_decoder import EncoderDecoder

    if options.out.exists():
        raise OutputError(f"{options.out}: already exists; choose another name.")
    read = [checkpoint.read_any(name) for name in options.models]
    for other in read[1:]:
        if other.config != read[0].config or _words(other) != _words(read[0]):
            raise UsageError(
                f"{other.path}: architecture or vocabulary differs from {read[0].path}; "
                "only related checkpoints can be averaged."
            )
    mean = AveragedModel(load_model(read[0]))  # batch norm statistics are the pretrained ones in all
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
        card=f"# {options.out.name}\n\nThe average of {len(read)} checkpoints, made by `python -m train average`.\n",
    )
    print(f"wrote the average of {len(read)} checkpoints to {options.out}")


def _words(read: Checkpoint | TranslatorCheckpoint) -> object:
    return (read.source.model, read.target.model) if isinstance(read, TranslatorCheckpoint) else read.vocabulary
