"""python -m train german: Flickr8k with Multi30k's German captions in the place of its English ones, to train a captioner on.

OUT then holds `captions.json` and a link to the photos, as `train fit` and `captioner evaluate` read them; splits stay, photos
without German captions are left out.
"""

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("out", type=Path, metavar="OUT", help="a new directory")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="Multi30k, with task2 in it")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="Flickr8k")


def run(options: argparse.Namespace) -> None:
    """Join the two."""
    from captioner.datasets import read_flickr8k
    from train.sentences.pairs import photo_number, read_descriptions

    german = read_descriptions(options.data / "task2")
    photos = [photo for photo in read_flickr8k(options.photos) if photo_number(photo.file) in german]
    options.out.mkdir(parents=True)
    (options.out / "images").symlink_to((options.photos / "images").resolve())
    rows = [
        {"file": photo.file, "split": photo.split, "captions": german[photo_number(photo.file)]} for photo in photos
    ]
    (options.out / "captions.json").write_text(json.dumps(rows, ensure_ascii=False, indent=0), encoding="utf-8")
    print(f"{len(photos):,} photos with German captions in {options.out}")
