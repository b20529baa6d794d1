"""Read one table row or JSON object about a photo. Columns may have any of several common names.

    {"file": "a.jpg", "captions": ["A dog."]}      "caption" for a single one, "split" if there are any
    {"file_name": "a.jpg", "text": "A dog."}       Hugging Face's imagefolder
    {"path": "a.jpg", "caption": "A dog.", "captions": [{"caption": "A dog.", "log_prob": -7.1}], "error": null}
                                                   captioner's own records
    a.jpg#0<TAB>A dog .                            Flickr8k.token.txt, and Flickr30k's results_*.token

Other columns are ignored. A photo may have several rows.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from captioner import database
from captioner.datasets.structure import as_id, as_text, read_lines, refuse
from captioner.errors import UsageError
from captioner.files import escaped

FILE = ("file", "path", "filename", "image", "imagename")
CAPTION = ("caption", "text", "comment")
CAPTIONS = "captions"
_Line = TypeVar("_Line")
_TOKEN_LINE = re.compile(r"(?P<file>\S[^#\t]*)#\d+\t(?P<caption>.*)")


@dataclass(frozen=True)
class Row:
    """The content of one row; `split` is empty if the row has none."""

    file: str
    captions: tuple[str, ...]
    split: str = ""


class UncaptionedError(ValueError):
    """A captioner record of a photo that could not be captioned; the file itself is valid."""


def plain_name(name: str) -> str:
    """Normalize a column name: `File name`, `file_name` and `fileName` become `filename`."""
    return re.sub(r"[\s_-]", "", name).lower()


def object_row(item: Mapping[str, object]) -> Row:
    """Read an object that describes a photo.

    The single caption comes first, then those of `captions`. A caption edited by a person replaces those of the model.

    Raises:
        TypeError: the file or caption is missing or has the wrong type.
        ValueError: the file name is empty, or a text cannot be encoded as UTF-8.
        UncaptionedError: it is a record of a photo that could not be captioned.
    """
    if not isinstance(item, Mapping):
        raise TypeError
    values: dict[str, object] = {}
    for name, value in item.items():
        values.setdefault(plain_name(name), value)
    given = _first(values, FILE)
    # Our JSON Lines keep the bytes of names that are not UTF-8; all other formats have them escaped.
    file = as_id(as_text(escaped(given) if isinstance(given, str) else given))
    single, several = _first(values, CAPTION), values.get(CAPTIONS)
    if single is None and several is None and values.get("error"):
        raise UncaptionedError(f"has no caption of {file!r}: {values['error']}")
    captions = _captions(single, several, edited=values.get("edited") is True)
    return Row(file, captions, as_text(values.get("split") or ""))


def _first(values: Mapping[str, object], names: Iterable[str]) -> object:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _captions(single: object, several: object, *, edited: bool) -> tuple[str, ...]:
    if several is None:
        return (as_text(single),)
    if not isinstance(several, list):
        raise TypeError
    texts = [as_text(_text(one)) for one in several]
    if not single:
        return tuple(texts)
    written = as_text(single)
    # The model's best caption is among its candidates; if this one is not, a person has edited it.
    models = all(isinstance(one, Mapping) and "log_prob" in one for one in several)
    if edited or (models and written not in texts):
        return (written,)
    return (written, *(text for text in texts if text != written))


def _text(caption: object) -> object:
    """The text of a caption, given as a string or, as in captioner's exports, with its probability."""
    return _first(caption, CAPTION) if isinstance(caption, Mapping) else caption


def read_json_lines(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Read JSON Lines, one object per line."""
    return join_rows(path, read_lines(path), _json_row, problems)


def read_database(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Reads the table of captions in an SQLite database, as we write it or with other columns of these names."""
    with database.opened(path) as connection:
        return join_rows(path, enumerate(database.rows(connection), start=1), database_row, problems, unit="row")


def read_parquet(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Read a Parquet file, or a folder of them, which `captioner caption` writes.

    Raises:
        UsageError: it cannot be read, or pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise UsageError(f"{path}: Parquet needs pyarrow; install it with: pip install 'captioner[formats]'.") from None
    try:
        path.stat()
        records = parquet.read_table(path).to_pylist()
    except (ArrowException, OSError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem).splitlines()[0]
        raise UsageError(f"{path} cannot be read as Parquet: {reason}.") from None
    return join_rows(path, enumerate(records, start=1), database_row, problems, unit="row")


def database_row(values: dict[str, object]) -> Row:
    """Reads what a row of that table says about a photo; see `object_row`."""
    several = values.get(CAPTIONS)
    if isinstance(several, list) and several and _text(several[0]) == values.get("caption"):
        values = {name: value for name, value in values.items() if name != "caption"}  # it stands in the list as well
    elif several is not None and not isinstance(several, list):
        values = {**values, CAPTIONS: [several]}
    try:
        return object_row(values)
    except TypeError:
        raise ValueError("lacks a file or a caption") from None


def read_token_file(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Read the original caption files of Flickr8k and Flickr30k."""
    return join_rows(path, read_lines(path), _token_row, problems)


def is_token_line(line: str) -> bool:
    """Whether a line has the format that `read_token_file` reads."""
    return bool(_TOKEN_LINE.fullmatch(line))


def _json_row(line: str) -> Row:
    try:
        return object_row(json.loads(line))
    except UncaptionedError:
        raise
    except (TypeError, ValueError, RecursionError):
        raise ValueError('is not a JSON object with "file" and "caption" or "captions"') from None


def _token_row(line: str) -> Row:
    match = _TOKEN_LINE.fullmatch(line)
    if not match:
        raise ValueError("is not FILE#NUMBER, a tab and a caption")
    return Row(match["file"], (match["caption"],))


def join_rows(
    path: Path,
    lines: Iterable[tuple[int, _Line]],
    read: Callable[[_Line], Row],
    problems: list[str] | None,
    *,
    unit: str = "line",
) -> dict[str, Row]:
    """Merge all rows of each photo into one, in the order of first appearance.

    Args:
        path: the file, for messages.
        lines: line numbers and contents.
        read: reads one line; its ValueError says what is wrong with the line.
        problems: if given, invalid lines are skipped and described here.
        unit: what a line is called in messages.

    Raises:
        UsageError: a line is invalid and `problems` is None.
    """
    found: dict[str, Row] = {}
    for number, line in lines:
        try:
            row = read(line)
            found[row.file] = _joined(found[row.file], row) if row.file in found else row
        except UncaptionedError as problem:
            if problems is not None:
                problems.append(f"{path}, {unit} {number} {problem}")
        except ValueError as problem:
            refuse(f"{path}, {unit} {number} {problem}.", problems)
    return found


def _joined(before: Row, row: Row) -> Row:
    if before.split and row.split and before.split != row.split:
        raise ValueError(f"puts {row.file} in split {row.split!r}, but an earlier line puts it in {before.split!r}")
    return Row(row.file, before.captions + row.captions, before.split or row.split)
