"""Multi30k's task 2, five captions of each photo in English and five in German, and what is made of it to train on."""

import json
from collections.abc import Sequence
from pathlib import Path

from captioner.datasets import read_flickr8k
from captioner.errors import UsageError
from captioner.text import ENGLISH
from captioner.translation.translator import Translator
from train.sentences.pairs import held_out_photos, photo_number, read_lines, write_further_pairs
from train.sentences.task import translate

GERMAN = "de"
DESCRIPTIONS = 5
"""Independent captions of a photo in Multi30k's task 2, in each of its languages."""


def read_descriptions(root: Path, language: str = GERMAN) -> dict[str, list[str]]:
    """The five captions of each photo (`photo_number`) in Multi30k's task 2, German or English; neither translates the
    other.

    Raises:
        UsageError: a file is missing or damaged.
    """
    captions: dict[str, list[str]] = {}
    for split in ("train", "val", "test_2016"):
        numbers = map(photo_number, read_lines(root, f"images_{split}_images.txt"))
        written = [read_lines(root, f"{split}.{number}.{language}") for number in range(1, DESCRIPTIONS + 1)]
        captions.update(zip(numbers, map(list, zip(*written, strict=True)), strict=True))
    return captions


def write_german(out: Path, data: Path, photos: Path) -> str:
    """Write Flickr8k with German captions in the place of its English ones; photos without any are left out.

    Args:
        out: a new directory; `captions.json` and a link to the photos are written to it.
        data: Multi30k.
        photos: Flickr8k.

    Returns:
        One sentence for people, as of the functions below.

    Raises:
        UsageError: a file is missing or damaged.
    """
    german = read_descriptions(data / "task2")
    chosen = [photo for photo in read_flickr8k(photos) if photo_number(photo.file) in german]
    out.mkdir(parents=True)
    (out / "images").symlink_to((photos / "images").resolve())
    rows = [
        {"file": photo.file, "split": photo.split, "captions": german[photo_number(photo.file)]} for photo in chosen
    ]
    (out / "captions.json").write_text(json.dumps(rows, ensure_ascii=False, indent=0), encoding="utf-8")
    return f"{len(chosen):,} photos with German captions in {out}"


def write_texts(out: Path, data: Path, held_out: Path) -> str:
    """Write the English captions of photos that are not held out, one a line, to a new file; see `write_german`."""
    without = held_out_photos(held_out)
    captions = [
        caption
        for photo, written in read_descriptions(data / "task2", ENGLISH).items()
        if photo not in without
        for caption in written
        if caption
    ]
    with out.open("x", encoding="utf-8") as file:
        file.writelines(f"{caption}\n" for caption in captions)
    return f"{len(captions):,} captions in {out}"


def backtranslate(out: Path, data: Path, held_out: Path, translator: Translator, captions: int) -> str:
    """Write the German captions of training photos with an English that a translator makes of them; see `write_german`.

    A translator learns from them what Germans say about photos (Sennrich et al. 2016, "Improving neural machine
    translation models with monolingual data").

    Args:
        out: a new directory.
        data: Multi30k.
        held_out: Flickr8k, whose photos for validation and testing are left out.
        translator: from German into English.
        captions: the first so many of each photo's five.

    Raises:
        UsageError: the translator writes another language, or there is no caption to translate.
    """
    if translator.languages != (ENGLISH,):
        written = ", ".join(translator.languages)
        raise UsageError(f"{translator.checkpoint.path}: writes {written}; name a model that writes English.")
    german = read_descriptions(data / "task2")
    chosen = [
        (file, caption)
        for file in _training_photos(data, held_out)
        for caption in german.get(photo_number(file), ())[:captions]
        if caption
    ]
    if not chosen:
        raise UsageError(f"{data}: no photo to train on has a German caption.")
    photos, sources = zip(*chosen, strict=True)
    out.mkdir(parents=True)
    count = write_further_pairs(out, photos, {ENGLISH: translate(translator, sources, ENGLISH), GERMAN: sources})
    return f"{count:,} German captions with an English in {out}"


def forwardtranslate(out: Path, data: Path, held_out: Path, translator: Translator) -> str:
    """Write one English caption more of each training photo with a translator's own translations; see `backtranslate`.

    A translator learns from what it says itself ("self-training", He et al. 2020, "Revisiting self-training for neural
    sequence generation").
    """
    english = read_descriptions(data / "task2", ENGLISH)
    translated = {_letters(sentence) for sentence in read_lines(data / "task1", f"train.{ENGLISH}")} | {""}
    chosen = []
    for number, file in enumerate(_training_photos(data, held_out)):
        captions = english.get(photo_number(file), [])
        if new := [caption for caption in captions if _letters(caption) not in translated]:
            chosen.append((file, new[number % len(new)]))  # now the first of its five, now another
    if not chosen:
        raise UsageError(f"{data}: no photo to train on has an English caption without a translation.")
    photos, sources = zip(*chosen, strict=True)
    out.mkdir(parents=True)
    written = {language: translate(translator, sources, language) for language in translator.languages}
    count = write_further_pairs(out, photos, {ENGLISH: sources, **written})
    return f"{count:,} English captions with translations in {out}"


def _training_photos(data: Path, held_out: Path) -> Sequence[str]:
    """The photo of each line of task 1 that is not held out."""
    without = held_out_photos(held_out)
    return [file for file in read_lines(data / "task1", "images_train.txt") if photo_number(file) not in without]


def _letters(sentence: str) -> str:
    """What makes two captions the same, whatever their case, spaces and full stops."""
    return "".join(filter(str.isalnum, sentence.lower()))
