"""python -m train multi30k: make training data of Multi30k's captions.

german            OUT becomes Flickr8k with German captions, to train and evaluate a captioner on
texts             OUT becomes a file of English captions of photos that are not held out, which a run reads as data.text
backtranslate     OUT becomes German captions with an English that --model makes of them, which a run reads as data.also
forwardtranslate  OUT becomes further English captions with translations by --model, which a run reads as data.also
"""

import argparse
from pathlib import Path

from captioner.cli.options import positive
from captioner.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=["german", "texts", "backtranslate", "forwardtranslate"], metavar="KIND")
    parser.add_argument("out", type=Path, metavar="OUT", help="a new directory; a new file for texts")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="Multi30k, with task1 and task2 in it")
    parser.add_argument(
        "--held-out", type=Path, metavar="DIR", help="Flickr8k: its other splits stay out (all kinds but german)"
    )
    parser.add_argument("--photos", type=Path, metavar="DIR", help="Flickr8k (german)")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="from German into English (backtranslate), or from English (forwardtranslate; default: the embedded one)",
    )
    parser.add_argument(
        "--captions", type=positive, metavar="N", help="of each photo's five (backtranslate; default: all of them)"
    )


NEEDS = {
    "german": ({"photos"}, set()),
    "texts": ({"held_out"}, set()),
    "backtranslate": ({"held_out", "model"}, {"captions"}),
    "forwardtranslate": ({"held_out"}, {"model"}),
}
"""The options that each kind needs, and those that it may have besides."""


def run(options: argparse.Namespace) -> None:
    """Check the options and write the data.

    Raises:
        UsageError: an option is missing or does nothing.
    """
    needed, possible = NEEDS[options.kind]
    for name in ("held_out", "photos", "model", "captions"):
        flag, given = f"--{name.replace('_', '-')}", getattr(options, name) is not None
        if name in needed and not given:
            raise UsageError(f"multi30k {options.kind} needs {flag}.")
        if given and name not in needed | possible:
            raise UsageError(f"{flag} does nothing for multi30k {options.kind}; leave it out.")
    from captioner.translation.translator import Translator
    from train.sentences import multi30k

    out, data, held_out = options.out, options.data, options.held_out
    match options.kind:
        case "german":
            print(multi30k.write_german(out, data, options.photos))
        case "texts":
            print(multi30k.write_texts(out, data, held_out))
        case "backtranslate":
            translator = Translator.load(options.model)
            print(multi30k.backtranslate(out, data, held_out, translator, options.captions or multi30k.DESCRIPTIONS))
        case _:
            print(multi30k.forwardtranslate(out, data, held_out, Translator.load(options.model)))
