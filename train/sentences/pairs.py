"""Sentences and their translations, as Multi30k has them: a file a language, line by line."""

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
"""From five on: fewer ask for other forms of the nouns that follow."""


@dataclass(frozen=True)
class Pair:
    """A sentence and its translations.

    Attributes:
        source: to be translated; English unless a run reads another language.
        targets: by language.
    """

    source: str
    targets: dict[str, str]


def read_pairs(
    root: Path, split: str, languages: Sequence[str], *, read: str = ENGLISH, without: frozenset[str] = frozenset()
) -> list[Pair]:
    """Sentences of a split and their translations, line by line.

    Args:
        root: the directory.
        split: `train`, `val` or a test set's name.
        languages: those wanted; all must be there.
        read: the one that is translated.
        without: photos (`photo_number`) whose sentences are left out.

    Raises:
        UsageError: a file is missing, the files have different numbers of lines, or one to translate is empty.
    """
    source, *targets = (read_lines(root, f"{split}.{language}") for language in (read, *languages))
    photos = read_lines(root, f"images_{split}.txt") if without else [""] * len(source)
    for name, lines in zip((*languages, "images"), (*targets, photos), strict=True):
        if len(lines) != len(source):
            raise UsageError(f"{root}: {split} has {len(source)} sentences, but {len(lines)} lines in {name!r}.")
    empty = next((number for number, sentence in enumerate(source, start=1) if not sentence), None)
    if empty:
        raise UsageError(f"{root}: line {empty} of {split}.{read} is empty; take it out of all its files.")
    return [
        Pair(sentence, dict(zip(languages, translations, strict=True)))
        for photo, sentence, *translations in zip(photos, source, *targets, strict=True)
        if photo_number(photo) not in without
    ]


def read_further_pairs(
    root: Path, languages: Sequence[str], *, read: str = ENGLISH, without: frozenset[str] = frozenset()
) -> list[Pair]:
    """Sentences to train on with their translations into some of the languages; see `read_pairs`.

    Raises:
        UsageError: there are none, or as for `read_pairs`.
    """
    written = [language for language in languages if find_lines(root, f"train.{language}")]
    if not written:
        raise UsageError(f"{root}: has train files in none of the languages {', '.join(languages)}.")
    return read_pairs(root, "train", written, read=read, without=without)


def write_further_pairs(out: Path, files: Sequence[str], texts: Mapping[str, Sequence[str]]) -> int:
    """Write sentences for `read_further_pairs` into a directory; those that are empty in a language are left out.

    Args:
        out: the directory, which is there.
        files: each line's photo.
        texts: the lines of each language.

    Returns:
        How many lines were written.
    """
    rows = [row for row in zip(files, *texts.values(), strict=True) if all(row)]
    names = ("images_train.txt", *(f"train.{language}" for language in texts))
    for name, lines in zip(names, zip(*rows, strict=True), strict=True):
        (out / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(rows)


def photo_number(file: str) -> str:
    """What names a Flickr photo in every collection: what stands before the first `_` or `.` of its file's name."""
    return file.partition(".")[0].partition("_")[0]


def held_out_photos(file: Path) -> frozenset[str]:
    """The photos (`photo_number`) of a file of captioned photos that are neither for training nor unused.

    Raises:
        UsageError: the file cannot be read, or has no splits.
    """
    photos = datasets.read(file)
    if not any(photo.split for photo in photos):
        raise UsageError(f"{photos.source}: has no splits, so it does not say which photos to hold out.")
    return frozenset(photo_number(photo.file) for photo in photos if photo.split not in {"train", "restval", "unused"})


def read_lines(root: Path, name: str) -> list[str]:
    """The lines of a file of text, normalised; unpacked where it stands there as `.gz`.

    Raises:
        UsageError: it is missing or damaged.
    """
    path = find_lines(root, name)
    if not path:
        raise UsageError(f"{root / name}: there is no such file, with or without .gz.")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return [normalize(line) for line in decode_text(content, str(path)).removesuffix("\n").split("\n")]
    except (OSError, EOFError, zlib.error, ValueError) as problem:
        raise UsageError(f"{path}: cannot be read ({problem}).") from None


def find_lines(root: Path, name: str) -> Path | None:
    """The file of that name, or the same with `.gz`, if there is one."""
    return next((path for path in (root / name, root / f"{name}.gz") if path.is_file()), None)


def with_copied_words(pair: Pair, subwords: Subwords) -> Pair:
    """A pair with `MARK` for the words to copy (see `copying.hide`) that stand in all of its translations as well."""
    _, words = hide(pair.source, subwords)
    written = [set(map(bare, text.split(" "))) for text in pair.targets.values()]
    return _marked(pair, {word for word in words if all(word in others for others in written)})


def with_copied_number(pair: Pair, read: str = ENGLISH) -> Pair | None:
    """A pair, its source in the language `read`, with `MARK` for the first of `NUMBERS` that stands in it in all
    languages.

    Few captions have figures, and so the numbers that are written as words show where one belongs. None if none does,
    or a language is not among them.
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
