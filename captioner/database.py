"""Captions in a SQLite database, with a full-text index (FTS5) that follows every change of a caption.

captions        a row for each photo: path, caption, confidence and so on; lists are JSON
captions_fts    the words of each row's captions: the one that stands, and the others that a photo has
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from captioner.errors import UsageError

SUFFIXES = (".sqlite", ".sqlite3", ".db")
"""Of files that are read as a database; the first one is written."""

_TYPES = {"log_prob": "REAL", "confidence": "REAL", "width": "INTEGER", "height": "INTEGER"}
_COLUMNS = ("path", "caption", "captions")  # what the index is made of
_HEADER = b"SQLite format 3\0"
_INDEXED_BY = int.from_bytes(b"cap1")  # in application_id: an index by somebody else is not searched

# A caption that a person has changed replaces all others of its photo, as `captioner.datasets` reads it.
_INDEX = """
CREATE INDEX captions_path ON captions(path);
CREATE VIRTUAL TABLE captions_fts USING fts5(caption, further, tokenize = 'porter unicode61 remove_diacritics 2');
CREATE TRIGGER captions_inserted AFTER INSERT ON captions BEGIN
  INSERT INTO captions_fts(rowid, caption, further) VALUES (new.id, new.caption, (
    SELECT group_concat(CASE type WHEN 'object' THEN json_extract(value, '$.caption') ELSE value END, char(10))
    FROM json_each(new.captions) WHERE key > 0));
END;
CREATE TRIGGER captions_changed AFTER UPDATE OF caption ON captions BEGIN
  UPDATE captions_fts SET caption = new.caption, further = NULL WHERE rowid = new.id;
END;
CREATE TRIGGER captions_deleted AFTER DELETE ON captions BEGIN
  DELETE FROM captions_fts WHERE rowid = old.id;
END;
"""


def require_full_text() -> None:
    """Check that this Python's SQLite can index texts.

    Raises:
        UsageError: it cannot.
    """
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE words USING fts5(word)")
        except sqlite3.Error:
            raise UsageError(
                "the SQLite library of this Python has no full-text search (FTS5); use a Python whose SQLite has it."
            ) from None


def create(path: Path | None, rows: Iterable[Mapping[str, object]], columns: Iterable[str]) -> sqlite3.Connection:
    """Make a database of captions.

    Args:
        path: a file that does not exist or is empty; None keeps the database in memory.
        rows: one for each photo. Lists in them are written as JSON; text that is not UTF-8 is escaped.
        columns: what of each row is written; `path`, `caption` and `captions` among them.

    Returns:
        An open connection to it.

    Raises:
        OSError: the file cannot be written.
        UsageError: this Python's SQLite has no full-text search.
    """
    require_full_text()
    names = list(dict.fromkeys((*_COLUMNS, *columns)))
    connection = sqlite3.connect(":memory:" if path is None else path)
    try:
        # The file is written under another name and replaces the old one when it is complete.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        types = ", ".join(f"{name} {_TYPES.get(name, 'TEXT')}" for name in names)
        connection.executescript(f"CREATE TABLE captions (id INTEGER PRIMARY KEY, {types});\n{_INDEX}")
        marks = ", ".join("?" * len(names))
        insert = f"INSERT INTO captions ({', '.join(names)}) VALUES ({marks})"
        connection.executemany(insert, ([_value(row.get(name)) for name in names] for row in rows))
        connection.execute(f"PRAGMA application_id = {_INDEXED_BY}")
        connection.commit()
    except sqlite3.Error as problem:
        connection.close()
        raise OSError(str(problem)) from None
    except BaseException:
        connection.close()
        raise
    return connection


def _value(value: object) -> object:
    if isinstance(value, list | tuple):
        return json.dumps(value)
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database of captions for reading; the file stays as it is.

    Raises:
        UsageError: the file cannot be read, is no SQLite database, is damaged, or has no table of captions. Mistakes
            within the block count, too.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_HEADER))
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        raise UsageError(f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}.") from None
    if not start:
        raise UsageError(f"{path} is empty.")
    if start != _HEADER:
        raise UsageError(f"{path} is not an SQLite database.")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            connection.text_factory = lambda data: data.decode(errors="surrogateescape")
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'captions'").fetchone():
                raise UsageError(f"{path} has no table named captions.")
            yield connection
    except sqlite3.Error as problem:
        raise UsageError(f"{path} cannot be read as a database of captions: {problem}.") from None


def is_being_changed(path: Path) -> bool:
    """Whether a database has changes that are not in its file yet: a program has it open, or has left them behind."""
    beside = (path.with_name(f"{path.name}{end}") for end in ("-wal", "-journal"))
    return path.suffix.lower() in SUFFIXES and any(file.is_file() and file.stat().st_size for file in beside)


def is_indexed(connection: sqlite3.Connection) -> bool:
    """Whether a database has the index of this module."""
    made_by: int = connection.execute("PRAGMA application_id").fetchone()[0]
    index = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'captions_fts'").fetchone()
    return made_by == _INDEXED_BY and index is not None


def rows(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """All rows of the table of captions, in order, as they were written; NULLs are left out."""
    for row in connection.execute("SELECT * FROM captions ORDER BY rowid"):
        yield record(row)


def record(row: sqlite3.Row) -> dict[str, Any]:
    """A row of the table with `captions` as a list, if it holds one; NULLs are left out."""
    found = {name: row[name] for name in row.keys() if row[name] is not None}  # noqa: SIM118 - a Row iterates values
    with contextlib.suppress(KeyError, TypeError, ValueError, RecursionError):
        found["captions"] = json.loads(found["captions"])
    return found
