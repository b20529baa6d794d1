"""Text files that people made: whatever editor, spreadsheet or shell wrote them, they are read the same way."""

import codecs
import os
from pathlib import Path

from captioner.errors import UsageError

# The marks that Windows programs put first. UTF-32's begins with UTF-16's, so it is tried before it.
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a text file as UTF-8, or as what its byte-order mark says; line ends stay as they are.

    Raises:
        UsageError: the file cannot be read, or is not text in these encodings.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        reason = getattr(problem, "strerror", None) or problem
        raise UsageError(f"{os.fspath(path)} cannot be read: {reason}.") from None
    return decode_text(data, os.fspath(path))


def decode_text(data: bytes, source: str, *, errors: str = "strict") -> str:
    """Decode the bytes of a text file; see `read_text`.

    Args:
        data: the whole file.
        source: what to call it in an error.
        errors: what becomes of bytes that are not text, as for `bytes.decode`.

    Raises:
        UsageError: the bytes are not text in these encodings.
    """
    encoding = encoding_of(data)
    try:
        return data.decode(encoding, errors)
    except UnicodeDecodeError as problem:
        name = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise UsageError(
            f"{source} is not {name} text (byte {problem.start}); save it as UTF-8, or convert it with iconv."
        ) from None


def encoding_of(start: bytes) -> str:
    """The encoding of a text that begins with these bytes, at least four if it has so many; UTF-8 unless a mark says otherwise."""
    return next((name for mark, name in _ENCODINGS if start.startswith(mark)), "utf-8")
