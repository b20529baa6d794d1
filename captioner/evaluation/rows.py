"""Files that say one thing a line: `my photos` as CSV or JSON lines, and Flickr8k's own text file.

    a.jpg,"A dog, a ball"                          file,caption[,split] after a header of these names
    {"file": "a.jpg", "captions": ["A dog."]}      one object a line; "caption" for a single one, "split" if there are any
    a.jpg#0<TAB>A dog .                            Flickr8k.token.txt

A photo may stand in several lines.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import UsageError
from captioner.evaluation.structure import as_id, as_text, as_texts, read_lines, refuse

_TOKEN_LINE = re.compile(r"(?P<file>\S[^#\t]*)#\d+\t(?P<caption>.*)")
_HEADERS = ("file,caption", "file,caption,split")


@dataclass(frozen=True)
class Row:
    """What one line says about one photo; `split` is empty where it says nothing."""

    file: str
    captions: tuple[str, ...]
    split: str = ""


def read_csv(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Reads a CSV with the header ``file,caption`` or ``file,caption,split``, one caption a line."""
    (_, header), *lines = read_lines(path) or [(1, "")]
    names = header.replace(" ", "").replace('"', "").lower()
    if names not in _HEADERS:
        raise UsageError(f"{path}: the first line is {header[:80]!r}; expected {' or '.join(_HEADERS)}.")
    return _together(path, lines, lambda line: _csv_row(line, names.count(",") + 1), problems)


def read_json_lines(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Reads one JSON object a line."""
    return _together(path, read_lines(path), _json_row, problems)


def read_token_file(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Reads Flickr8k's captions as their authors published them."""
    return _together(path, read_lines(path), _token_row, problems)


def object_row(item: dict[str, object]) -> Row:
    """Reads ``{"file", "captions" or "caption", optionally "split"}``; raises KeyError, TypeError or ValueError."""
    captions = as_texts(item["captions"]) if "captions" in item else (as_text(item["caption"]),)
    return Row(as_id(as_text(item["file"])), captions, as_text(item.get("split", "")))


def _csv_row(line: str, columns: int) -> Row:
    # One line at a time: a quotation mark that is never closed spoils its own line and no other.
    try:
        fields = [field.strip() for field in next(csv.reader([line], skipinitialspace=True, strict=True))]
    except csv.Error as problem:
        raise ValueError(f"is not CSV ({problem})") from None
    if len(fields) > columns:
        raise ValueError("has too many fields; a caption with a comma stands between double quotes")
    if len(fields) < columns or not all(fields[:2]):
        raise ValueError("lacks a file or a caption")
    return Row(fields[0], (fields[1],), *fields[2:])


def _json_row(line: str) -> Row:
    try:
        return object_row(json.loads(line))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError('is not a JSON object with "file" and "caption" or "captions"') from None


def _token_row(line: str) -> Row:
    match = _TOKEN_LINE.fullmatch(line)
    if not match:
        raise ValueError("is not FILE#NUMBER, a tab and a caption")
    return Row(match["file"], (match["caption"],))


def _together(
    path: Path, lines: Iterable[tuple[int, str]], read: Callable[[str], Row], problems: list[str] | None
) -> dict[str, Row]:
    """One row a photo, from all its lines, in the order of the first of them."""
    found: dict[str, Row] = {}
    for number, line in lines:
        try:
            row = read(line)
            found[row.file] = _joined(found[row.file], row) if row.file in found else row
        except ValueError as problem:
            refuse(f"{path}, line {number} {problem}.", problems)
    return found


def _joined(before: Row, row: Row) -> Row:
    if before.split and row.split and before.split != row.split:
        raise ValueError(f"puts {row.file} into the split {row.split!r}, an earlier line into {before.split!r}")
    return Row(row.file, before.captions + row.captions, before.split or row.split)
