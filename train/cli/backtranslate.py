"""python -m train backtranslate: German captions that people wrote, with an English a model made of them, to train on.

A translator learns from them what Germans say about photos (Sennrich et al. 2016, "Improving neural machine translation models
with monolingual data"). OUT then holds `train.en`, `train.de` and `images_train.txt`, which a run reads as data.also.
"""

import argparse
from pathlib import Path

from captioner.cli.options import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("out", type=Path, metavar="OUT", help="a new directory")
    parser.add_argument("--model", required=True, metavar="MODEL", help="a translator from German into English")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="Multi30k, with task1 and task2 in it")
    parser.add_argument(
        "--held-out", type=Path, required=True, metavar="DIR", help="Flickr8k: its other splits stay out"
    )
    parser.add_argument(
        "--captions", type=positive, default=5, metavar="N", help="of each photo's five (default: all of them)"
    )


def run(options: argparse.Namespace) -> None:
    """Translate the captions of the photos that people's translations are about as well."""
    from captioner.errors import UsageError
    from captioner.text import ENGLISH
    from captioner.translation.translator import Translator
    from train.sentences.pairs import held_out_photos, photo_number, read_descriptions, read_lines, write_further_pairs
    from train.sentences.task import translate

    translator = Translator.load(options.model)
    if translator.languages != (ENGLISH,):
        raise UsageError(
            f"{options.model}: writes {', '.join(translator.languages)}; name a model that writes English."
        )
    german, without = read_descriptions(options.data / "task2"), held_out_photos(options.held_out)
    files = read_lines(options.data / "task1", "images_train.txt")
    chosen = [
        (file, caption)
        for file in files
        if photo_number(file) not in without
        for caption in german.get(photo_number(file), ())[: options.captions]
        if caption
    ]
    if not chosen:
        raise UsageError(f"{options.data}: no photo to train on has a German caption.")
    photos, captions = zip(*chosen, strict=True)
    options.out.mkdir(parents=True)
    count = write_further_pairs(
        options.out, photos, {ENGLISH: translate(translator, captions, ENGLISH), "de": captions}
    )
    print(f"{count:,} German captions with an English in {options.out}")
