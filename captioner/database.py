"""Captions in an SQLite database, with a full-text index (FTS5) that triggers keep current.

- `captions`: one row per photo with path, caption, confidence and so on; lists are stored as JSON.
- `captions_fts`: the full-text index of the main caption (`caption`) and of the photo's others (`further`).
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from captioner.errors import UsageError
from captioner.files import escaped

SUFFIXES = (".sqlite", ".sqlite3", ".db")
"""Suffixes of files that are read as databases; the first one is written."""

_TYPES = {"log_prob": "REAL", "confidence": "REAL", "width": "INTEGER", "height": "INTEGER"}
_COLUMNS = ("path", "caption", "captions")  # required by the index
_HEADER = b"SQLite format 3\0"
_INDEXED_BY = int.from_bytes(b"cap1")  # the application_id; indexes made by other programs are not searched

# A view may run any query, even one without an end.
_HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE name = 'captions' AND type = 'table'"

# A caption that a user changed replaces all other captions of its photo, as in `captioner.datasets`.
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
    """Check that Python's SQLite library supports full-text search.

    Raises:
        UsageError: it does not.
    """
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE words USING fts5(word)")
        except sqlite3.Error:
            raise UsageError(
                "the SQLite library of this Python has no full-text search (FTS5); use a Python whose SQLite has it."
            ) from None


def create(path: Path | None, rows: Iterable[Mapping[str, object]], columns: Iterable[str]) -> sqlite3.Connection:
    """Create a database of captions.

    Args:
        path: a file that does not exist or is empty; None for a database in memory.
        rows: one row per photo. Lists are stored as JSON; text that is not valid UTF-8 is escaped.
        columns: names of the columns to write; `path`, `caption` and `captions` are always written.

    Returns:
        An open connection.

    Raises:
        OSError: the file cannot be written.
        UsageError: Python's SQLite library lacks full-text search.
    """
    require_full_text()
    names = list(dict.fromkeys((*_COLUMNS, *columns)))
    connection = sqlite3.connect(":memory:" if path is None else path)
    try:
        # No journal is needed: callers write to a temporary file, which replaces the old one when complete.
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
    return escaped(value) if isinstance(value, str) else value


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database of captions read-only.

    Raises:
        UsageError: the file cannot be read, is not an SQLite database, is damaged, or has no table `captions`. SQLite
            errors inside the `with` block are converted, too.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_HEADER))
    except (OSError, ValueError) as problem:  # ValueError: a NUL character in the name
        raise UsageError(f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}.") from None
    if not start:
        raise UsageError(f"{path} is empty.")
    if start != _HEADER:
        raise UsageError(f"{path} is not an SQLite database.")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            connection.text_factory = lambda data: data.decode(errors="surrogateescape")
            if not connection.execute(_HAS_TABLE).fetchone():
                raise UsageError(f"{path} has no table named captions.")
            yield connection
    except sqlite3.Error as problem:
        raise UsageError(f"{path} cannot be read as a database of captions: {problem}.") from None


def is_being_changed(path: Path) -> bool:
    """Whether a database has changes outside its main file: another program has it open, or did not close it."""
    beside = (path.with_name(f"{path.name}{end}") for end in ("-wal", "-journal"))
    return path.suffix.lower() in SUFFIXES and any(file.is_file() and file.stat().st_size for file in beside)


def is_indexed(connection: sqlite3.Connection) -> bool:
    """Whether a database has the full-text index of this module."""
    made_by: int = connection.execute("PRAGMA application_id").fetchone()[0]
    index = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'captions_fts'").fetchone()
    return made_by == _INDEXED_BY and index is not None


def rows(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """All rows of the table `captions`, in order, without NULLs; see `record`."""
    return map(record, connection.execute("SELECT * FROM captions ORDER BY rowid"))


def record(row: sqlite3.Row) -> dict[str, Any]:
    """A row of the table, without NULLs; `captions` is decoded if it is valid JSON."""
    found = {name: value for name, value in zip(row.keys(), row, strict=True) if value is not None}
    with contextlib.suppress(KeyError, TypeError, ValueError, RecursionError):
        found["captions"] = json.loads(found["captions"])
    return found
