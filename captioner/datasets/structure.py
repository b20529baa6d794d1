"""Validation of data files. Invalid entries become one `UsageError` that counts them and names the first."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from captioner.errors import UsageError
from captioner.files import read_text

_T = TypeVar("_T")


def count_and_first(offenders: Sequence[object], noun: str) -> str:
    """Describe invalid entries: ``3 photos (first: 'a', 'b', 'c')``."""
    shown = ", ".join(_shortened(repr(offender)) for offender in offenders[:3])
    return f"{len(offenders)} {noun}{'' if len(offenders) == 1 else 's'} (first: {shown})"


def refuse(sentence: str, problems: list[str] | None) -> None:
    """Add a message to `problems`.

    Raises:
        UsageError: `problems` is None.
    """
    if problems is None:
        raise UsageError(sentence)
    problems.append(sentence)


def refuse_all(source: str, offenders: Sequence[object], noun: str, complaint: str, problems: list[str] | None) -> None:
    """Add a message for each offender to `problems`.

    Raises:
        UsageError: `problems` is None and there are offenders; the message counts them.
    """
    if problems is not None:
        problems += [f"{source} {noun} {_shortened(repr(offender))} {complaint}." for offender in offenders]
    elif offenders:
        raise UsageError(f"{source} {count_and_first(offenders, noun)} {complaint}.")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, with their numbers from 1.

    Raises:
        UsageError: the file cannot be read or is not text.
    """
    # Not splitlines, which also splits at rarer characters that captions may contain.
    lines = read_text(path).replace("\r\n", "\n").split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def read_json(path: Path) -> object:
    """Parse a JSON file.

    Raises:
        UsageError: the file cannot be read, is not JSON, or is truncated.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except RecursionError:
        raise UsageError(f"{path} is nested too deeply for a captions file.") from None
    except json.JSONDecodeError as error:
        truncated = not text[error.pos :].strip() or error.msg.startswith("Unterminated string")
        problem = "is truncated" if truncated else "is not JSON"
        raise UsageError(f"{path} {problem} (line {error.lineno}, column {error.colno}).") from None
    except ValueError:  # a number with thousands of digits
        raise UsageError(f"{path} contains a number with too many digits.") from None


def member(path: Path, data: object, name: str) -> object:
    """One value of a JSON object.

    Raises:
        UsageError: `data` is not an object, or has no such key.
    """
    if not isinstance(data, dict) or name not in data:
        raise UsageError(f"{path} is not a JSON object with the key {name!r}.")
    return data[name]


def read_each(
    path: Path,
    name: str,
    items: object,
    read: Callable[[dict[str, object]], _T],
    problems: list[str] | None = None,
) -> list[_T]:
    """Read every item of a list.

    Args:
        path: the file, for messages.
        name: name of the list, for messages.
        items: parsed JSON that should be a list of objects.
        read: reads one item; a KeyError, TypeError or ValueError marks the item as invalid.
        problems: if given, invalid items are skipped and described here.

    Raises:
        UsageError: `items` is not a list, or it has invalid items and `problems` is None.
    """
    if not isinstance(items, list):
        raise UsageError(f"{path}: {name} is not a list.")
    found: list[_T] = []
    wrong: list[object] = []
    for item in items:
        try:
            found.append(read(item))
        except (KeyError, TypeError, ValueError):
            wrong.append(item)
    refuse_all(f"{path}: in {name},", wrong, "item", "with missing or invalid fields", problems)
    return found


def as_text(value: object) -> str:
    """Check for a string that can be encoded as UTF-8; raises TypeError or ValueError."""
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # JSON can contain lone surrogates, which UTF-8 cannot encode
    return value


def as_texts(value: object) -> tuple[str, ...]:
    """Check for a list of strings; raises TypeError or ValueError."""
    if not isinstance(value, list):
        raise TypeError
    return tuple(as_text(item) for item in value)


def as_id(value: object) -> str:
    """Check for a photo's id, a non-empty string or an integer; raises TypeError or ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value == "":
        raise ValueError
    return as_text(value)


def refuse_twice(source: str, ids: Iterable[str]) -> None:
    """Check that all ids are different.

    Raises:
        UsageError: an id is repeated; the message names the source.
    """
    twice = [key for key, times in Counter(ids).items() if times > 1]
    if twice:
        raise UsageError(f"{source}: {count_and_first(twice, 'id')} listed more than once.")


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
