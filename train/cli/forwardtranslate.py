"""python -m train forwardtranslate: English captions that people wrote, with translations a model made of them, to train on.

A translator learns from what it says itself of other captions of the photos ("self-training", He et al. 2020, "Revisiting
self-training for neural sequence generation"). OUT then holds `train.en`, a file for each language of the model and
`images_train.txt`, which a run reads as data.also.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("out", type=Path, metavar="OUT", help="a new directory")
    parser.add_argument("--model", metavar="MODEL", help="a translator of English (default: the embedded one)")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="Multi30k, with task1 and task2 in it")
    parser.add_argument(
        "--held-out", type=Path, required=True, metavar="DIR", help="Flickr8k: its other splits stay out"
    )


def run(options: argparse.Namespace) -> None:
    """Translate one caption of each training photo that people have not translated."""
    from captioner.errors import UsageError
    from captioner.text import ENGLISH
    from captioner.translation.translator import Translator
    from train.sentences.pairs import held_out_photos, photo_number, read_descriptions, read_lines, write_further_pairs
    from train.sentences.task import translate

    translator = Translator.load(options.model)
    english, without = read_descriptions(options.data / "task2", ENGLISH), held_out_photos(options.held_out)
    translated = {_letters(sentence) for sentence in read_lines(options.data / "task1", f"train.{ENGLISH}")}
    chosen = []
    for number, file in enumerate(read_lines(options.data / "task1", "images_train.txt")):
        captions = [] if photo_number(file) in without else english.get(photo_number(file), [])
        if new := [caption for caption in captions if _letters(caption) not in translated | {""}]:
            chosen.append((file, new[number % len(new)]))  # now the first of its five, now another
    if not chosen:
        raise UsageError(f"{options.data}: no photo to train on has an English caption without a translation.")
    files, sources = zip(*chosen, strict=True)
    options.out.mkdir(parents=True)
    written = {language: translate(translator, sources, language) for language in translator.languages}
    count = write_further_pairs(options.out, files, {ENGLISH: sources, **written})
    print(f"{count:,} English captions with translations in {options.out}")


def _letters(sentence: str) -> str:
    """What makes two captions the same, whatever their case, spaces and full stops."""
    return "".join(filter(str.isalnum, sentence.lower()))
