"""python -m train multi30k: make training data of Multi30k's captions."""

import argparse
from pathlib import Path

from captioner.cli.options import positive

KINDS = {
    "german": "Flickr8k with German captions, to train and evaluate a captioner on",
    "texts": "English captions of photos that are not held out, which a run reads as data.text",
    "backtranslate": "German captions with an English that a model makes of them, which a run reads as data.also",
    "forwardtranslate": "further English captions with translations by a model, which a run reads as data.also",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, about in KINDS.items():
        one = kinds.add_parser(kind, help=about, description=f"Write {about}.")
        out = "a new file" if kind == "texts" else "a new directory"
        one.add_argument("out", type=Path, metavar="OUT", help=out)
        one.add_argument("--data", type=Path, required=True, metavar="DIR", help="Multi30k, with task1 and task2 in it")
        if kind == "german":
            one.add_argument("--photos", type=Path, required=True, metavar="DIR", help="Flickr8k")
            continue
        one.add_argument(
            "--held-out", type=Path, required=True, metavar="DIR", help="Flickr8k: its other splits stay out"
        )
        if kind == "backtranslate":
            one.add_argument("--model", required=True, metavar="MODEL", help="a translator from German into English")
            one.add_argument(
                "--captions", type=positive, default=5, metavar="N", help="of each photo's five (default: all of them)"
            )
        elif kind == "forwardtranslate":
            one.add_argument("--model", metavar="MODEL", help="a translator of English (default: the embedded one)")


def run(options: argparse.Namespace) -> None:
    """Write the data, and say how much it is."""
    from captioner.translation.translator import Translator
    from train.sentences import multi30k

    out, data = options.out, options.data
    match options.kind:
        case "german":
            print(multi30k.write_german(out, data, options.photos))
        case "texts":
            print(multi30k.write_texts(out, data, options.held_out))
        case "backtranslate":
            print(multi30k.backtranslate(out, data, options.held_out, Translator.load(options.model), options.captions))
        case _:
            print(multi30k.forwardtranslate(out, data, options.held_out, Translator.load(options.model)))
