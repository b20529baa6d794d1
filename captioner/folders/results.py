"""Convert the journal to formats for other programs: CSV, COCO results JSON, JSON Lines, Parquet, SQLite."""

import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from captioner import database, spreadsheet
from captioner.errors import UsageError
from captioner.files import escaped, output_errors
from captioner.folders.journal import Row, write_rows
from captioner.folders.naming import coco_ids
from captioner.folders.receipts import Receipts

if TYPE_CHECKING:
    import pyarrow

COLUMNS = ("path", "caption", "log_prob", "confidence", "captions", "language", "source", "width", "height", "error")
ROWS_A_PART = 100_000
"""Records per file in a Parquet folder."""


class Kind(NamedTuple):
    """An output format: its writer, its name for users, and a check that this installation can write it."""

    write: Callable[[Path, Iterable[Row], Receipts], None]
    label: str
    require: Callable[[], None] = lambda: None


def kind(path: Path) -> str:
    """The format of an output file, which is its suffix.

    Raises:
        UsageError: the suffix is unknown, or a package that writes the format is missing.
    """
    if path.suffix.lower() not in KINDS:
        *others, last = KINDS
        raise UsageError(f"--output {path}: unknown suffix; use {', '.join(others)} or {last}.")
    try:
        KINDS[path.suffix.lower()].require()
    except UsageError as problem:
        raise UsageError(f"--output {path}: {problem}") from None
    return path.suffix.lower()


def write(path: Path, rows: Iterable[Row], receipts: Receipts) -> None:
    """Write records to a file atomically, in the format of its suffix.

    Args:
        path: the file; `.parquet` is a folder of parts, which are written one by one.
        rows: records in order; iterated twice.
        receipts: records that captioner wrote the file.

    Raises:
        OutputError: the file cannot be written.
        UsageError: the format cannot represent these records.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        KINDS[kind(path)].write(path, rows, receipts)


def _write_jsonl(path: Path, rows: Iterable[Row], receipts: Receipts) -> None:
    with receipts.writing(path) as temporary:
        write_rows(temporary, rows)


def _write_csv(path: Path, rows: Iterable[Row], receipts: Receipts) -> None:
    # Names that are not UTF-8 are escaped, so that the file is always valid UTF-8.
    with (
        receipts.writing(path) as temporary,
        temporary.open("w", encoding=spreadsheet.ENCODING, errors="backslashreplace", newline="") as file,
    ):
        spreadsheet.write_rows(file, COLUMNS, rows)


def _write_coco(path: Path, rows: Iterable[Row], receipts: Receipts) -> None:
    ids = coco_ids([row["path"] for row in rows])
    with receipts.writing(path) as temporary, temporary.open("w", encoding="ascii") as file:
        file.write("[")
        separator = ""
        for number, row in zip(ids, rows, strict=True):
            if row["error"] is None:
                result = {
                    "image_id": escaped(number) if isinstance(number, str) else number,
                    "caption": escaped(row["caption"]),
                }
                file.write(f"{separator}\n {json.dumps(result)}")
                separator = ","
        file.write("\n]\n")


def _write_sqlite(path: Path, rows: Iterable[Row], receipts: Receipts) -> None:
    with receipts.writing(path) as temporary:
        database.create(temporary, rows, COLUMNS).close()


def _require_parquet() -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError("Parquet needs pyarrow; install it with: pip install 'captioner[formats]'.")


def _write_parquet(path: Path, rows: Iterable[Row], receipts: Receipts) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    path.mkdir(exist_ok=True)
    written = set()
    for number, part in enumerate(_parts(rows)):
        name = path / f"part-{number:05}.parquet"
        with receipts.writing(name) as temporary:
            parquet.write_table(arrow.Table.from_pylist(part, schema=_schema()), temporary)
        written.add(name)
    for left in set(path.glob("part-*.parquet")) - written:  # from an earlier, longer run
        left.unlink()


def _parts(rows: Iterable[Row]) -> Iterator[list[dict[str, Any]]]:
    """Lists of records; at least one, so that an empty result has columns. Arrow strings must be UTF-8."""
    remaining = iter(rows)
    part = list(islice(remaining, ROWS_A_PART))
    while True:
        yield [{**row, "path": escaped(row["path"])} for row in part]
        if not (part := list(islice(remaining, ROWS_A_PART))):
            return


def _schema() -> "pyarrow.Schema":
    import pyarrow as arrow

    sentence = arrow.struct([("caption", arrow.string()), ("log_prob", arrow.float64())])
    types = {
        "log_prob": arrow.float64(),
        "confidence": arrow.float64(),
        "captions": arrow.list_(sentence),
        "width": arrow.int64(),
        "height": arrow.int64(),
    }
    return arrow.schema([(name, types.get(name, arrow.string())) for name in COLUMNS])


KINDS = {
    ".jsonl": Kind(_write_jsonl, "JSON Lines"),
    ".csv": Kind(_write_csv, "CSV"),
    ".json": Kind(_write_coco, "COCO results"),
    ".parquet": Kind(_write_parquet, "Parquet folder", _require_parquet),
    ".sqlite": Kind(_write_sqlite, "a database to search", database.require_full_text),
}
"""Formats by suffix. To add one, write its function and add its line here; `--help` follows."""
