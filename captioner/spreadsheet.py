"""CSV that is safe for spreadsheets: accents are kept, and text is never interpreted as a formula."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TextIO

ENCODING = "utf-8-sig"
"""UTF-8 with a byte-order mark, without which Excel assumes another encoding."""

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def to_cell(text: str) -> str:
    """Prefix a text with an apostrophe if a spreadsheet could interpret it as a formula, or if it begins with one."""
    return f"'{text}" if text.startswith(_RISKY) else text


def from_cell(cell: str) -> str:
    """The inverse of `to_cell`; an apostrophe that `to_cell` would not have added is kept."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_RISKY) else cell


def write_rows(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a table as CSV (RFC 4180) with a header.

    Args:
        file: opened with `newline=""` and `ENCODING`.
        columns: keys of each row to write.
        rows: rows; lists are written as JSON.
    """
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(_cells(row, columns) for row in rows)


def to_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """The text of a CSV file with a byte-order mark; see `write_rows`."""
    out = io.StringIO(newline="")
    write_rows(out, columns, rows)
    return "\ufeff" + out.getvalue()


def _cells(row: Mapping[str, object], columns: Sequence[str]) -> Iterator[object]:
    for name in columns:
        value = row.get(name)
        if isinstance(value, list):
            value = json.dumps(value, ensure_ascii=False)
        yield to_cell(value) if isinstance(value, str) else value
