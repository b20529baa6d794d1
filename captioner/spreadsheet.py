"""CSV that spreadsheets open as it is: accents stay, and text is shown and never computed."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TextIO

ENCODING = "utf-8-sig"
"""UTF-8 with a byte-order mark, without which Excel takes the text for another encoding's."""

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def to_cell(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet would take it for a formula or if it begins with one
    already.
    """
    return f"'{text}" if text.startswith(_RISKY) else text


def from_cell(cell: str) -> str:
    """The text that `to_cell` was given; an apostrophe that it would not have put there stays."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_RISKY) else cell


def write_rows(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a table as CSV (RFC 4180), with the names of its columns first.

    Args:
        file: opened with `newline=""` and `ENCODING`.
        columns: what of each row is written.
        rows: lists in them are written as JSON.
    """
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(_cells(row, columns) for row in rows)


def _cells(row: Mapping[str, object], columns: Sequence[str]) -> Iterator[object]:
    for name in columns:
        value = row.get(name)
        if isinstance(value, list):
            value = json.dumps(value, ensure_ascii=False)
        yield to_cell(value) if isinstance(value, str) else value
