"""Find photos by the words of their captions, best match first."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from captioner import database
from captioner.datasets import CaptionedPhoto, read, read_results
from captioner.datasets.rows import database_row
from captioner.errors import UsageError
from captioner.search.words import match, words_of

# BM25: a photo's first caption weighs four times as much as its others.
_FIND = """
SELECT captions.* FROM captions JOIN captions_fts ON captions.id = captions_fts.rowid
WHERE captions_fts MATCH ? ORDER BY bm25(captions_fts, 4.0, 1.0), captions.id LIMIT ?
"""
_MOST = 2**63 - 1  # the greatest integer of SQLite
_COUNT = "SELECT count(*) FROM captions_fts WHERE captions_fts MATCH ?"
_FOLDERS_OF_PHOTOS = ("", "images", "Images")  # where `datasets.read` looks for photos, relative to the captions file


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A photo found by a search.

    Attributes:
        path: path of the photo, as given in the captions file.
        captions: its captions, at least one; the first is the main caption.
    """

    path: str
    captions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Hits:
    """The result of a search.

    Attributes:
        hits: the photos found, best match first, at most `limit`.
        total: number of all matching photos.
        words: the words searched for.
        partial: whether no photo matches all of the words, so that the hits match some of them.
        problems: a message for each entry of the captions file that cannot be read.
    """

    hits: tuple[Hit, ...]
    total: int
    words: tuple[str, ...]
    partial: bool
    problems: tuple[str, ...]


def search(query: str, captions: str | os.PathLike[str], *, limit: int = 20) -> Hits:
    """Search captions for words. English words match in all their forms.

    SQLite databases written by `captioner caption` have an index; other formats are read and indexed first.

    Args:
        query: words in any order. Function words such as "on" count only if there are no others.
        captions: a file or directory that `captioner.datasets.read` reads, or COCO results.
        limit: maximum number of hits.

    Raises:
        UsageError: the query has no words, the captions cannot be read, or SQLite lacks full-text search.
    """
    database.require_full_text()
    words, problems = words_of(query), list[str]()
    with _index(Path(captions), problems) as connection:
        for operator in ("AND", "OR"):
            wanted = match(words, operator)
            total: int = connection.execute(_COUNT, (wanted,)).fetchone()[0]
            if total:
                break
        before = len(problems)
        found = tuple(_hits(connection.execute(_FIND, (wanted, min(limit, _MOST))), problems, captions))
    total -= len(problems) - before
    partial = operator == "OR" and len(words) > 1
    return Hits(hits=found, total=total, words=tuple(words), partial=partial, problems=tuple(problems))


def _hits(rows: Iterable[sqlite3.Row], problems: list[str], captions: str | os.PathLike[str]) -> Iterator[Hit]:
    for values in map(database.record, rows):
        try:
            row = database_row(values)
        except ValueError as problem:  # someone edited the database
            problems.append(f"{os.fspath(captions)}, row {values.get('id')} {problem}.")
        else:
            yield Hit(path=row.file, captions=row.captions)


@contextlib.contextmanager
def _index(path: Path, problems: list[str]) -> Iterator[sqlite3.Connection]:
    if path.suffix.lower() in database.SUFFIXES and not path.is_dir():
        with database.opened(path) as connection:
            if database.is_indexed(connection):
                yield connection
                return
    rows = (
        {"path": photo.file, "caption": photo.captions[0], "captions": list(photo.captions)}
        for photo in _photos(path, problems)
    )
    with contextlib.closing(database.create(None, rows, ())) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def _photos(path: Path, problems: list[str]) -> Iterable[CaptionedPhoto]:
    """Read captions in any supported format; invalid entries are skipped and reported in `problems`."""
    try:
        return read(path)
    except UsageError as first:
        if path.suffix.lower() == ".json":
            with contextlib.suppress(UsageError):
                results = read_results(path)
                return [CaptionedPhoto(name, name, (caption,)) for name, caption in results.items()]
        with contextlib.suppress(UsageError):
            return read(path, problems=problems)
        raise first from None


def locate(path: str, captions: Path, folder: Path | None = None) -> Path | None:
    """Find the file of a photo, relative to the captions or to the working directory.

    Args:
        path: path of the photo, as given in the captions file.
        captions: the captions file or directory.
        folder: where the photos are; if given, only this folder is searched.

    Returns:
        The first file found; None if there is none.
    """
    top = captions if captions.is_dir() else captions.parent
    folders = [folder] if folder else [*(top / name for name in _FOLDERS_OF_PHOTOS), Path()]
    # Path.is_file raises an error for names that no file can have.
    return next((place / path for place in folders if os.path.isfile(place / path)), None)  # noqa: PTH113
