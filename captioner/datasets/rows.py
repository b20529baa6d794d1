"""What one row of a table, or one JSON object, says about a photo, whichever names its writer gave to the columns.

    {"file": "a.jpg", "captions": ["A dog."]}      "caption" for a single one, "split" if there are any
    {"file_name": "a.jpg", "text": "A dog."}       Hugging Face's imagefolder
    {"path": "a.jpg", "caption": "A dog.", "captions": [{"caption": "A dog.", "log_prob": -7.1}], "error": null}   our
    own a.jpg#0<TAB>A dog .                            Flickr8k.token.txt, and Flickr30k's results_*.token

Further columns are ignored. A photo may stand in several rows.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from captioner.datasets.structure import as_id, as_text, read_lines, refuse

FILE = ("file", "path", "filename", "image", "imagename")
CAPTION = ("caption", "text", "comment")
CAPTIONS = "captions"
_Line = TypeVar("_Line")
_TOKEN_LINE = re.compile(r"(?P<file>\S[^#\t]*)#\d+\t(?P<caption>.*)")


@dataclass(frozen=True)
class Row:
    """What one row says about one photo; `split` is empty where it says nothing."""

    file: str
    captions: tuple[str, ...]
    split: str = ""


class UncaptionedError(ValueError):
    """A record of ours that says why a photo has no caption: nothing is wrong with the file."""


def plain_name(name: str) -> str:
    """A column's name as `FILE` and `CAPTION` have it: `File name`, `file_name` and `fileName` are `filename`."""
    return re.sub(r"[\s_-]", "", name).lower()


def object_row(item: Mapping[str, object]) -> Row:
    """Reads what an object says about a photo.

    The single caption comes first, behind it those of `captions`. One that a person wrote over a model's replaces them.

    Raises:
        TypeError: there is no file or no caption, or it is of another type.
        ValueError: the file's name is empty, or some text cannot be written as UTF-8.
        UncaptionedError: it is a record of a photo that could not be captioned.
    """
    if not isinstance(item, Mapping):
        raise TypeError
    values: dict[str, object] = {}
    for name, value in item.items():
        values.setdefault(plain_name(name), value)
    file = as_id(as_text(_first(values, FILE)))
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
    # The model's own best caption is among those it had to choose from. Another one was written over it.
    models = all(isinstance(one, Mapping) and "log_prob" in one for one in several)
    if edited or (models and written not in texts):
        return (written,)
    return (written, *(text for text in texts if text != written))


def _text(caption: object) -> object:
    """The text of a caption that stands alone or, as in our own exports, beside its probability."""
    return _first(caption, CAPTION) if isinstance(caption, Mapping) else caption


def read_json_lines(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Reads one JSON object a line."""
    return join_rows(path, read_lines(path), _json_row, problems)


def read_token_file(path: Path, problems: list[str] | None) -> dict[str, Row]:
    """Reads Flickr8k's or Flickr30k's captions as their authors published them."""
    return join_rows(path, read_lines(path), _token_row, problems)


def is_token_line(line: str) -> bool:
    """Whether a line is one of `read_token_file`."""
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
    path: Path, lines: Iterable[tuple[int, _Line]], read: Callable[[_Line], Row], problems: list[str] | None
) -> dict[str, Row]:
    """One row a photo, from all its rows, in the order of the first of them.

    Args:
        path: the file, for messages.
        lines: numbers and what stands there.
        read: one line's reader; a ValueError of it says what is wrong with the line.
        problems: takes a sentence for each line that is left out.

    Raises:
        UsageError: without `problems`, a line is wrong.
    """
    found: dict[str, Row] = {}
    for number, line in lines:
        try:
            row = read(line)
            found[row.file] = _joined(found[row.file], row) if row.file in found else row
        except UncaptionedError as problem:
            if problems is not None:
                problems.append(f"{path}, line {number} {problem}")
        except ValueError as problem:
            refuse(f"{path}, line {number} {problem}.", problems)
    return found


def _joined(before: Row, row: Row) -> Row:
    if before.split and row.split and before.split != row.split:
        raise ValueError(f"puts {row.file} in split {row.split!r}, but an earlier line puts it in {before.split!r}")
    return Row(row.file, before.captions + row.captions, before.split or row.split)
