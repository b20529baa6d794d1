"""Training data from Multi30k's task 2, which has five English and five German captions of each photo."""

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
"""Independent captions per photo and language in Multi30k's task 2."""


def read_descriptions(root: Path, language: str = GERMAN) -> dict[str, list[str]]:
    """The five captions of each photo (`photo_number`) in Multi30k's task 2, German or English; they are not
    translations of each other.

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
    """Write Flickr8k with German captions instead of its English ones; photos without German captions are left out.

    Args:
        out: directory to create; receives `captions.json` and a link to the photos.
        data: directory of Multi30k.
        photos: directory of Flickr8k.

    Returns:
        One sentence that says how much was written (so do the functions below).

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
    """Write the English captions of photos that are not held out to a new file, one per line; see `write_german`."""
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
    """Write German captions of training photos with their back-translations to English; see `write_german`.

    They teach a translator what Germans say about photos (Sennrich et al. 2016, "Improving neural machine translation
    models with monolingual data").

    Args:
        out: directory to create.
        data: directory of Multi30k.
        held_out: directory of Flickr8k, whose validation and test photos are left out.
        translator: translator from German to English.
        captions: how many of each photo's five captions to use.

    Raises:
        UsageError: the translator writes another language, or there is no caption to translate.
    """
    if translator.languages != (ENGLISH,):
        written = ", ".join(translator.languages)
        raise UsageError(
            f"{translator.checkpoint.path}: this model writes {written}; give a model that writes English."
        )
    german = read_descriptions(data / "task2")
    chosen = [
        (file, caption)
        for file in _training_photos(data, held_out)
        for caption in german.get(photo_number(file), ())[:captions]
        if caption
    ]
    if not chosen:
        raise UsageError(f"{data}: no training photo has a German caption.")
    photos, sources = zip(*chosen, strict=True)
    out.mkdir(parents=True)
    count = write_further_pairs(out, photos, {ENGLISH: translate(translator, sources, ENGLISH), GERMAN: sources})
    return f"{count:,} German captions with English back-translations in {out}"


def forwardtranslate(out: Path, data: Path, held_out: Path, translator: Translator) -> str:
    """Write one further English caption of each training photo with a model's translations; see `backtranslate`.

    This is self-training (He et al. 2020, "Revisiting self-training for neural sequence generation").
    """
    english = read_descriptions(data / "task2", ENGLISH)
    translated = {_letters(sentence) for sentence in read_lines(data / "task1", f"train.{ENGLISH}")} | {""}
    chosen = []
    for number, file in enumerate(_training_photos(data, held_out)):
        captions = english.get(photo_number(file), [])
        if new := [caption for caption in captions if _letters(caption) not in translated]:
            chosen.append((file, new[number % len(new)]))  # not always the first of the five
    if not chosen:
        raise UsageError(f"{data}: no training photo has an English caption without a translation.")
    photos, sources = zip(*chosen, strict=True)
    out.mkdir(parents=True)
    written = {language: translate(translator, sources, language) for language in translator.languages}
    count = write_further_pairs(out, photos, {ENGLISH: sources, **written})
    return f"{count:,} English captions with translations in {out}"


def _training_photos(data: Path, held_out: Path) -> Sequence[str]:
    """The photo of each line of task 1, without held-out photos."""
    without = held_out_photos(held_out)
    return [file for file in read_lines(data / "task1", "images_train.txt") if photo_number(file) not in without]


def _letters(sentence: str) -> str:
    """A caption without case, spaces and full stops, to compare captions by."""
    return "".join(filter(str.isalnum, sentence.lower()))
