"""python -m train multi30k: Make training data from Multi30k's captions."""

import argparse
from pathlib import Path

from captioner.cli.options import positive

KINDS = {
    "german": "Flickr8k with German captions, to train and evaluate a captioner on",
    "texts": "English captions of photos that are not held out; a run reads them as data.text",
    "backtranslate": "German captions with English back-translations by a model; a run reads them as data.also",
    "forwardtranslate": "further English captions with translations by a model; a run reads them as data.also",
}
EXAMPLES = """\
  Flickr8k with German captions:
    python -m train multi30k german flickr8k-de --data multi30k --photos flickr8k
  English captions for text pretraining:
    python -m train multi30k texts texts.txt --data multi30k --held-out flickr8k
  Back-translate two German captions per photo:
    python -m train multi30k backtranslate more --model runs/de-en/best --data multi30k --held-out flickr8k --captions 2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, about in KINDS.items():
        one = kinds.add_parser(kind, help=about, description=f"Write {about}.")
        out = "file to create" if kind == "texts" else "directory to create"
        one.add_argument("out", type=Path, metavar="OUT", help=out)
        one.add_argument(
            "--data", type=Path, required=True, metavar="DIR", help="directory of Multi30k, with task1 and task2"
        )
        if kind == "german":
            one.add_argument("--photos", type=Path, required=True, metavar="DIR", help="directory of Flickr8k")
            continue
        one.add_argument(
            "--held-out",
            type=Path,
            required=True,
            metavar="DIR",
            help="directory of Flickr8k; photos of its other splits are left out",
        )
        if kind == "backtranslate":
            one.add_argument("--model", required=True, metavar="MODEL", help="translator from German to English")
            one.add_argument(
                "--captions", type=positive, default=5, metavar="N", help="captions per photo (default: 5, all of them)"
            )
        elif kind == "forwardtranslate":
            one.add_argument("--model", metavar="MODEL", help="translator from English (default: text-en-de-fr-cs)")


def run(options: argparse.Namespace) -> None:
    """Write the data and print how much was written."""
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
