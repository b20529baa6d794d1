"""Find photos by the words of their captions, the best first."""

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

# The caption that stands counts four times as much as the others of its photo (BM25).
_FIND = """
SELECT captions.* FROM captions JOIN captions_fts ON captions.id = captions_fts.rowid
WHERE captions_fts MATCH ? ORDER BY bm25(captions_fts, 4.0, 1.0), captions.id LIMIT ?
"""
_COUNT = "SELECT count(*) FROM captions_fts WHERE captions_fts MATCH ?"
_FOLDERS_OF_PHOTOS = ("", "images", "Images")  # where `datasets.read` looks beside a file of captions


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A photo that was found.

    Attributes:
        path: as the captions have it.
        captions: at least one, the one that stands first.
    """

    path: str
    captions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Hits:
    """What a search found.

    Attributes:
        hits: the best first, as many as were asked for.
        total: how many photos there are to find.
        words: that were searched for.
        partial: no caption has all of the words; these have some of them.
        problems: a sentence for each entry of the captions that cannot be read.
    """

    hits: tuple[Hit, ...]
    total: int
    words: tuple[str, ...]
    partial: bool
    problems: tuple[str, ...]


def search(query: str, captions: str | os.PathLike[str], *, limit: int = 20) -> Hits:
    """Search captions for words; English words are found in all their forms.

    An SQLite database that `captioner caption` wrote is searched as it is; other formats are read and indexed first.

    Args:
        query: words in any order. Function words such as "on" count only if there are no others.
        captions: whatever `captioner.datasets.read` reads, or COCO's results.
        limit: the most photos to return.

    Raises:
        UsageError: the query has no word, the captions cannot be read, or SQLite has no full-text search.
    """
    database.require_full_text()
    words, problems = words_of(query), list[str]()
    with _index(Path(captions), problems) as connection:
        for operator in ("AND", "OR"):
            wanted = match(words, operator)
            total: int = connection.execute(_COUNT, (wanted,)).fetchone()[0]
            if total:
                break
        rows = map(database.record, connection.execute(_FIND, (wanted, limit)))
        found = tuple(Hit(path=row.file, captions=row.captions) for row in map(database_row, rows))
    partial = operator == "OR" and len(words) > 1
    return Hits(hits=found, total=total, words=tuple(words), partial=partial, problems=tuple(problems))


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
    """The captions in whatever format; entries that are wrong are left out."""
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
    """Where a photo is that captions name: relative to these, to the working directory, or to another folder.

    Args:
        path: of the photo, as the captions have it.
        captions: the file or directory of captions.
        folder: where photos are; replaces the two other places.

    Returns:
        The first file of that name; None if there is none.
    """
    top = captions if captions.is_dir() else captions.parent
    folders = [folder] if folder else [*(top / name for name in _FOLDERS_OF_PHOTOS), Path()]
    return next((place / path for place in folders if os.path.isfile(place / path)), None)  # noqa: PTH113 - any name
