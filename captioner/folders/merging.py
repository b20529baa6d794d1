"""Add captions to existing texts, whose bytes are kept, and remove them again."""

import codecs
from collections.abc import Sequence
from typing import Literal

from captioner.files import encoding_of

Place = Literal["append", "prepend"]
_SEPARATOR = ", "  # as in lists of tags


class MergeError(Exception):
    """Nothing can be added to a text; the message does not name the file."""


def add(data: bytes, sentences: Sequence[str], place: Place) -> tuple[bytes, str]:
    """Add sentences to a text: separated by a comma if it is one line, otherwise as separate lines.

    Args:
        data: the text in UTF-8 or the encoding of its byte-order mark. If the sentences are ASCII, any encoding that
            extends ASCII is accepted.
        sentences: the sentences to add; before a comma, their full stop is omitted.
        place: after the text, but before its last line ending; or before the text.

    Returns:
        The new text, and the part that was added.

    Raises:
        MergeError: the encoding of the text is unknown, but required.
    """
    mark, codec = _encoding(data)
    try:
        text = data[len(mark) :].decode(codec)
    except UnicodeDecodeError:
        if mark or not all(sentence.isascii() for sentence in sentences):
            raise MergeError("it is not UTF-8 text, so a caption cannot be added; save it as UTF-8") from None
        codec = "latin-1"
        text = data.decode(codec)
    content = text.rstrip("\r\n")
    at = len(content) if place == "append" else 0
    added = _added(content, _line_end(text), sentences, place).encode(codec, "backslashreplace").decode(codec)
    return mark + (text[:at] + added + text[at:]).encode(codec), added


def remove(data: bytes, added: str, place: Place) -> bytes | None:
    """The text without what `add` added; None if that part was changed."""
    mark, codec = _encoding(data)
    try:
        text = data[len(mark) :].decode(codec)
    except UnicodeDecodeError:
        if mark:
            return None
        codec = "latin-1"
        text = data.decode(codec)
    content = text.rstrip("\r\n")
    if place == "append" and content.endswith(added):
        text = content.removesuffix(added) + text[len(content) :]
    elif place == "prepend" and text.startswith(added):
        text = text.removeprefix(added)
    else:
        return None
    return mark + text.encode(codec)


def _added(content: str, line_end: str, sentences: Sequence[str], place: Place) -> str:
    if not content.strip():
        return line_end.join(sentences)
    if set(content) & {"\n", "\r"}:
        lines = line_end.join(sentences)
        return f"{line_end}{lines}" if place == "append" else f"{lines}{line_end}"
    if place == "prepend":
        return "".join(f"{sentence.rstrip().removesuffix('.')}{_SEPARATOR}" for sentence in sentences)
    before = _SEPARATOR
    if content.rstrip().endswith(","):
        before = "" if content[-1].isspace() else " "
    return before + _SEPARATOR.join(sentences)


def _line_end(text: str) -> str:
    return next((end for end in ("\r\n", "\n", "\r") if end in text), "\n")


def _encoding(data: bytes) -> tuple[bytes, str]:
    """The byte-order mark of a text, and the codec of the rest."""
    name = encoding_of(data)
    if name == "utf-8-sig":
        return codecs.BOM_UTF8, "utf-8"
    if name == "utf-8":
        return b"", name
    mark = data[:2] if name == "utf-16" else data[:4]
    return mark, f"{name}-{'le' if mark[0] == 0xFF else 'be'}"
