"""python -m train texts: English captions of photos that Flickr8k's scores are not measured on, for a decoder to read before it sees photos.

FILE then holds those of Multi30k's task 2, one a line, as a run reads them by `data.text`.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("out", type=Path, metavar="FILE", help="a new file")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="Multi30k, with task2 in it")
    parser.add_argument(
        "--held-out", type=Path, required=True, metavar="DIR", help="Flickr8k: its other splits stay out"
    )


def run(options: argparse.Namespace) -> None:
    """Write the captions of the photos that are not held out."""
    from captioner.text import ENGLISH
    from train.sentences.pairs import held_out_photos, read_descriptions

    without = held_out_photos(options.held_out)
    captions = [
        caption
        for photo, written in read_descriptions(options.data / "task2", ENGLISH).items()
        if photo not in without
        for caption in written
        if caption
    ]
    with options.out.open("x", encoding="utf-8") as file:
        file.writelines(f"{caption}\n" for caption in captions)
    print(f"{len(captions):,} captions in {options.out}")
