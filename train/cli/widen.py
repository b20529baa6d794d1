"""python -m train widen: a checkpoint whose decoder has more units and says the same.

What is new reads everything and is read by nothing yet; training takes it from there ("Net2Net", Chen, Goodfellow and Shlens 2016).
"""

import argparse
from pathlib import Path

from captioner.cli.options import positive
from captioner.errors import OutputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", metavar="MODEL", help="checkpoint directory, or name of an embedded model")
    parser.add_argument("--hidden-size", type=positive, required=True, metavar="N", help="units of the decoder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new directory")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the new units' weights (default: 1)")


def run(options: argparse.Namespace) -> None:
    """Widen."""
    from captioner import checkpoint
    from captioner.checkpoint import TranslatorCheckpoint
    from train.widening import widen

    if options.out.exists():
        raise OutputError(f"{options.out}: stands there already; give another name.")
    read = checkpoint.read_any(options.model)
    checkpoint.save(
        options.out,
        widen(read, options.hidden_size, seed=options.seed),
        vocabulary=(read.source, read.target) if isinstance(read, TranslatorCheckpoint) else read.vocabulary,
        decoding=read.decoding,
        scores=read.scores,
        training={"widened_from": dict(read.training)},
        card=f"# {options.out.name}\n\nA checkpoint widened by `python -m train widen`.\n",
    )
    print(f"{options.out} has {options.hidden_size} units")
