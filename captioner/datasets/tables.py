"""Captions in a table: CSV as people, spreadsheets, Kaggle, Hugging Face and we ourselves write it.

    file,caption,split                             and any other names of `rows`, in any order, among further columns
    image_name| comment_number| comment            Flickr30k's results.csv

The header says what separates the cells: a comma, a semicolon, a tab or a vertical bar.
"""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from captioner.datasets.rows import CAPTION, CAPTIONS, FILE, Row, join_rows, object_row, plain_name
from captioner.errors import UsageError
from captioner.files import read_text
from captioner.spreadsheet import from_cell

_SEPARATORS = ",;\t|"
_LONGEST = 100  # lines in one cell; a quotation mark that is never closed must not swallow the file
_UNCLOSED = "unexpected end of data"
_NUMBERED = re.compile(r"(\d+)\s+(\S.*)")


@dataclass(frozen=True)
class _Header:
    """What the first line says: the columns' plain names, and what stands between cells."""

    names: tuple[str, ...]
    separator: str

    def cells(self, text: str) -> list[str]:
        """The cells of a record; raises csv.Error."""
        # Flickr30k quotes nothing.
        quoting: Literal[0, 3] = csv.QUOTE_NONE if self.separator == "|" else csv.QUOTE_MINIMAL
        lines = (f"{line}\n" for line in text.split("\n"))
        reader = csv.reader(lines, delimiter=self.separator, quoting=quoting, skipinitialspace=True, strict=True)
        return [cell.strip() for cell in next(reader)]


def read_table(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Reads a table of captions, one or several of them a row.

    Args:
        path: the file.
        problems: takes a sentence for each row that is left out.

    Raises:
        UsageError: the file cannot be read or its header names no file or no caption, or, without `problems`, a row is
            wrong.
    """
    # Not splitlines: a caption may hold one of the rarer characters that it splits at.
    text = read_text(path).replace("\r\n", "\n")
    lines = text.split("\n" if "\n" in text else "\r")  # Excel's "CSV (Macintosh)" has nothing but \r
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    header = _header(lines[first])
    if header is None:
        raise UsageError(
            f"{path}: the first line is {lines[first][:80]!r}; expected file,caption or file,caption,split "
            f"(other names for file: {', '.join(FILE[1:])}; for caption: {', '.join(CAPTION[1:])})."
        )
    return join_rows(path, _records(lines, first + 1, header), lambda text: _row(text, header), problems)


def has_header(line: str) -> bool:
    """Whether a line is the first one of a table of captions."""
    return _header(line) is not None


def _header(line: str) -> _Header | None:
    for separator in _SEPARATORS:
        try:
            names = tuple(map(plain_name, _Header((), separator).cells(line)))
        except (csv.Error, StopIteration):
            continue
        if {*FILE} & {*names} and {*CAPTION, CAPTIONS} & {*names}:
            return _Header(names, separator)
    return None


def _records(lines: Sequence[str], start: int, header: _Header) -> Iterator[tuple[int, str]]:
    """The records and the numbers of their first lines, from 1. A quoted cell may hold line ends."""
    while start < len(lines):
        end = start + 1
        while _is_open("\n".join(lines[start:end]), header) and end - start < _LONGEST and end < len(lines):
            end += 1
        text = "\n".join(lines[start:end])
        if end > start + 1 and not _is_sound(
            text, header
        ):  # a mark that is not closed spoils its own line and no other
            end, text = start + 1, lines[start]
        if text.strip():
            yield start + 1, text
        start = end


def _is_open(text: str, header: _Header) -> bool:
    try:
        header.cells(text)
    except csv.Error as problem:
        return str(problem) == _UNCLOSED
    except StopIteration:  # a blank line
        pass
    return False


def _is_sound(text: str, header: _Header) -> bool:
    try:
        return len(header.cells(text)) == len(header.names)
    except csv.Error:
        return False


def _row(text: str, header: _Header) -> Row:
    try:
        cells = header.cells(text)
    except csv.Error as problem:
        raise ValueError(f"is not CSV ({problem})") from None
    if header.separator == "|" and len(cells) == len(header.names) - 1:  # one line of Flickr30k lacks its second bar
        cells[-1:] = next(iter(_NUMBERED.findall(cells[-1])), cells[-1:])
    if len(cells) > len(header.names):
        raise ValueError("has too many fields; put captions that contain commas in double quotes")
    values: dict[str, object] = {}
    for name, cell in zip(header.names, cells, strict=False):
        if cell:
            values.setdefault(name, from_cell(cell))
    if not ({*FILE} & {*values} and {*CAPTION, CAPTIONS, "error"} & {*values}):
        raise ValueError("has no file or no caption")
    if "split" in header.names[len(cells) :]:
        raise ValueError("has no split column; end the line with a comma if the photo belongs to no split")
    if CAPTIONS in values:
        values[CAPTIONS] = _several(str(values[CAPTIONS]))
    if "edited" in values:
        values["edited"] = str(values["edited"]).lower() == "true"
    try:
        return object_row(values)
    except TypeError:
        raise ValueError("has no file or no caption") from None


def _several(cell: str) -> list[object]:
    """The captions in one cell: a JSON list, as we write it, or a single caption."""
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return [cell]
    return found if isinstance(found, list) else [cell]
