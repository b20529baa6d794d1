"""Sentences and their translations in Multi30k's format: one file per language, aligned by line."""

import gzip
import zlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner import datasets
from captioner.errors import UsageError
from captioner.files import decode_text
from captioner.text import ENGLISH
from captioner.text.subwords import Subwords, normalize
from captioner.translation.copying import bare, hide, mark

NUMBERS = {
    "en": ("five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fifteen", "twenty"),
    "de": ("fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf", "fünfzehn", "zwanzig"),
    "fr": ("cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze", "quinze", "vingt"),
    "cs": ("pět", "šest", "sedm", "osm", "devět", "deset", "jedenáct", "dvanáct", "patnáct", "dvacet"),
}
"""Numbers from five up: smaller ones change the form of the following noun."""


@dataclass(frozen=True)
class Pair:
    """A sentence and its translations.

    Attributes:
        source: sentence to translate; English by default.
        targets: translations by language.
    """

    source: str
    targets: dict[str, str]


def read_pairs(
    root: Path, split: str, languages: Sequence[str], *, read: str = ENGLISH, without: frozenset[str] = frozenset()
) -> list[Pair]:
    """Read the sentences of a split and their translations.

    Args:
        root: the directory.
        split: `train`, `val` or a test set's name.
        languages: target languages; all must be present.
        read: source language.
        without: photos (`photo_number`) whose sentences are left out.

    Raises:
        UsageError: a file is missing, the files have different numbers of lines, or a source line is empty.
    """
    source, *targets = (read_lines(root, f"{split}.{language}") for language in (read, *languages))
    photos = read_lines(root, f"images_{split}.txt") if without else [""] * len(source)
    for name, lines in zip((*languages, "images"), (*targets, photos), strict=True):
        if len(lines) != len(source):
            raise UsageError(f"{root}: {split} has {len(source)} sentences, but {len(lines)} lines in {name!r}.")
    empty = next((number for number, sentence in enumerate(source, start=1) if not sentence), None)
    if empty:
        raise UsageError(
            f"{root}: line {empty} of {split}.{read} is empty; remove this line from the files of all languages."
        )
    return [
        Pair(sentence, dict(zip(languages, translations, strict=True)))
        for photo, sentence, *translations in zip(photos, source, *targets, strict=True)
        if photo_number(photo) not in without
    ]


def read_further_pairs(
    root: Path, languages: Sequence[str], *, read: str = ENGLISH, without: frozenset[str] = frozenset()
) -> list[Pair]:
    """Read training sentences with translations into some of the languages; see `read_pairs`.

    Raises:
        UsageError: there are none, or as for `read_pairs`.
    """
    written = [language for language in languages if find_lines(root, f"train.{language}")]
    if not written:
        raise UsageError(f"{root}: has no train files in any of the languages {', '.join(languages)}.")
    return read_pairs(root, "train", written, read=read, without=without)


def write_further_pairs(out: Path, files: Sequence[str], texts: Mapping[str, Sequence[str]]) -> int:
    """Write sentences for `read_further_pairs` to a directory; those that are empty in a language are left out.

    Args:
        out: existing directory.
        files: photo of each line.
        texts: lines by language.

    Returns:
        The number of lines written.
    """
    rows = [row for row in zip(files, *texts.values(), strict=True) if all(row)]
    names = ("images_train.txt", *(f"train.{language}" for language in texts))
    for name, lines in zip(names, zip(*rows, strict=True), strict=True):
        (out / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(rows)


def photo_number(file: str) -> str:
    """A Flickr photo's number, the same in every dataset: its file name up to the first `_` or `.`."""
    return file.partition(".")[0].partition("_")[0]


def held_out_photos(file: Path) -> frozenset[str]:
    """The validation and test photos (`photo_number`) of a file of captioned photos.

    Raises:
        UsageError: the file cannot be read, or has no splits.
    """
    photos = datasets.read(file)
    if not any(photo.split for photo in photos):
        raise UsageError(
            f"{photos.source}: has no splits, so the photos to hold out are unknown; give a file with splits."
        )
    return frozenset(photo_number(photo.file) for photo in photos if photo.split not in {"train", "restval", "unused"})


def read_lines(root: Path, name: str) -> list[str]:
    """The normalized lines of a text file, or of the same file as `.gz`.

    Raises:
        UsageError: the file is missing or damaged.
    """
    path = find_lines(root, name)
    if not path:
        raise UsageError(f"{root / name}: no such file, with or without .gz.")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return [normalize(line) for line in decode_text(content, str(path)).removesuffix("\n").split("\n")]
    except (OSError, EOFError, zlib.error, ValueError) as problem:
        raise UsageError(f"{path}: cannot be read ({problem}).") from None


def find_lines(root: Path, name: str) -> Path | None:
    """The file of this name, with or without `.gz`, if it exists."""
    return next((path for path in (root / name, root / f"{name}.gz") if path.is_file()), None)


def with_copied_words(pair: Pair, subwords: Subwords) -> Pair:
    """A pair with `MARK` in place of words to copy (see `copying.hide`) that occur in all of its translations too."""
    _, words = hide(pair.source, subwords)
    written = [set(map(bare, text.split(" "))) for text in pair.targets.values()]
    return _marked(pair, {word for word in words if all(word in others for others in written)})


def with_copied_number(pair: Pair, read: str = ENGLISH) -> Pair | None:
    """A pair with `MARK` in place of the first of `NUMBERS` that occurs in all languages; `read` is the source
    language.

    Few captions contain figures, so numbers written as words show where one belongs. None if there is no such number,
    or a language is not supported.
    """
    texts = {read: pair.source, **pair.targets}
    if not texts.keys() <= NUMBERS.keys():
        return None
    words = {language: [bare(token).lower() for token in text.split(" ")] for language, text in texts.items()}
    for number in zip(*(NUMBERS[language] for language in texts), strict=True):
        named = dict(zip(texts, number, strict=True))
        if all(words[language].count(word) == 1 for language, word in named.items()):
            return _marked(pair, {form for word in number for form in (word, word.capitalize())})
    return None


def _marked(pair: Pair, words: Container[str]) -> Pair:
    return Pair(mark(pair.source, words), {language: mark(text, words) for language, text in pair.targets.items()})
