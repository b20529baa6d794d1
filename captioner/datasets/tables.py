"""Read captions from CSV, as written by people, spreadsheets, Kaggle, Hugging Face and captioner.

    file,caption,split                             and the other names in `rows`, in any order, among other columns
    image_name| comment_number| comment            Flickr30k's results.csv

The header determines the separator: a comma, a semicolon, a tab or a vertical bar.
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
_LONGEST = 100  # lines in one cell; an unclosed quotation mark must not swallow the rest of the file
_UNCLOSED = "unexpected end of data"
_NUMBERED = re.compile(r"(\d+)\s+(\S.*)")


@dataclass(frozen=True)
class _Header:
    """The first line: normalized column names and the separator."""

    names: tuple[str, ...]
    separator: str

    def cells(self, text: str) -> list[str]:
        """Split a record into cells; raises csv.Error."""
        # Flickr30k does not use quotation marks.
        quoting: Literal[0, 3] = csv.QUOTE_NONE if self.separator == "|" else csv.QUOTE_MINIMAL
        lines = (f"{line}\n" for line in text.split("\n"))
        reader = csv.reader(lines, delimiter=self.separator, quoting=quoting, skipinitialspace=True, strict=True)
        return [cell.strip() for cell in next(reader)]


def read_table(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Read a table with one or more captions per row.

    Args:
        path: the file.
        problems: if given, invalid rows are skipped and described here.

    Raises:
        UsageError: the file cannot be read, its header lacks a file or caption column, or a row is invalid and
            `problems` is None.
    """
    # Not splitlines, which also splits at rarer characters that captions may contain.
    text = read_text(path).replace("\r\n", "\n")
    lines = text.split("\n" if "\n" in text else "\r")  # Excel's "CSV (Macintosh)" ends lines with \r
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    header = _header(lines[first])
    if header is None:
        raise UsageError(
            f"{path}: the first line is {lines[first][:80]!r}; expected file,caption or file,caption,split "
            f"(other names for file: {', '.join(FILE[1:])}; for caption: {', '.join(CAPTION[1:])})."
        )
    return join_rows(path, _records(lines, first + 1, header), lambda text: _row(text, header), problems)


def has_header(line: str) -> bool:
    """Whether a line is the header of a table of captions."""
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
    """The records with the numbers of their first lines, from 1. Quoted cells may contain line breaks."""
    while start < len(lines):
        end = start + 1
        while _is_open("\n".join(lines[start:end]), header) and end - start < _LONGEST and end < len(lines):
            end += 1
        text = "\n".join(lines[start:end])
        if end > start + 1 and not _is_sound(text, header):  # an unclosed quotation mark invalidates only its own line
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
    if header.separator == "|" and len(cells) == len(header.names) - 1:  # one line of Flickr30k lacks a separator
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
    """The captions in one cell: a JSON list, as captioner writes it, or a single caption."""
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return [cell]
    return found if isinstance(found, list) else [cell]
