"""Files of other people's making, read with care: whatever is wrong becomes one `UsageError` that counts the
offenders.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from captioner.errors import UsageError
from captioner.files import read_text

_T = TypeVar("_T")


def count_and_first(offenders: Sequence[object], noun: str) -> str:
    """How many, and which come first: ``3 photos (the first: 'a', 'b', 'c')``."""
    shown = ", ".join(_shortened(repr(offender)) for offender in offenders[:3])
    return f"{len(offenders)} {noun}{'' if len(offenders) == 1 else 's'} (first: {shown})"


def refuse(sentence: str, problems: list[str] | None) -> None:
    """Notes what is wrong in `problems`, where the caller may go on without it.

    Raises:
        UsageError: there is no such list.
    """
    if problems is None:
        raise UsageError(sentence)
    problems.append(sentence)


def refuse_all(source: str, offenders: Sequence[object], noun: str, complaint: str, problems: list[str] | None) -> None:
    """Notes each offender in `problems`, where the caller may go on without them.

    Raises:
        UsageError: there is no such list; one sentence counts them.
    """
    if problems is not None:
        problems += [f"{source} {noun} {_shortened(repr(offender))} {complaint}." for offender in offenders]
    elif offenders:
        raise UsageError(f"{source} {count_and_first(offenders, noun)} {complaint}.")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Lines of a text file with their numbers, from 1, without their ends and without blank ones.

    Raises:
        UsageError: the file cannot be read or is not text.
    """
    # Not splitlines: a caption may hold one of the rarer characters that it splits at.
    lines = read_text(path).replace("\r\n", "\n").split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def read_json(path: Path) -> object:
    """Parsed JSON of a text file.

    Raises:
        UsageError: the file cannot be read, is not text, not JSON, or ends too early.
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
    except ValueError:  # a number of thousands of digits
        raise UsageError(f"{path} contains a number with too many digits.") from None


def member(path: Path, data: object, name: str) -> object:
    """One value of a JSON object.

    Raises:
        UsageError: `data` is not an object or lacks the name.
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
    """Reads every item of a list.

    Args:
        path: the file, for messages.
        name: what the items are called, for messages.
        items: parsed JSON that should be a list of objects.
        read: one item's reader; a KeyError, TypeError or ValueError of it marks the item as wrong.
        problems: takes a sentence for each wrong item, which is left out.

    Raises:
        UsageError: not a list, or, without `problems`, wrong items in it, all counted in one sentence.
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
    """A string that can be written as UTF-8, else TypeError or ValueError."""
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # JSON can spell halves of characters, which nothing can write
    return value


def as_texts(value: object) -> tuple[str, ...]:
    """A list of strings, else TypeError or ValueError."""
    if not isinstance(value, list):
        raise TypeError
    return tuple(as_text(item) for item in value)


def as_id(value: object) -> str:
    """A photo's id, from a string that is not empty or a whole number, else TypeError or ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value == "":
        raise ValueError
    return as_text(value)


def refuse_twice(source: str, ids: Iterable[str]) -> None:
    """Lets ids pass that are all different.

    Raises:
        UsageError: some are not; the sentence names the source.
    """
    twice = [key for key, times in Counter(ids).items() if times > 1]
    if twice:
        raise UsageError(f"{source}: {count_and_first(twice, 'id')} listed more than once.")


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
