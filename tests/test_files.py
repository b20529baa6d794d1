"""Text files as written by other programs."""

import codecs
from pathlib import Path

import pytest

from captioner.errors import UsageError
from captioner.files import decode_text, read_text

TEXT = "žluť.jpg\r\n日本.jpg\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_text_is_the_same_in_every_encoding_that_says_what_it_is(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "text"
    path.write_bytes(TEXT.encode(encoding))
    assert read_text(path) == TEXT


def test_big_endian_text_is_known_by_its_mark() -> None:
    assert decode_text(codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "text") == TEXT


def test_an_empty_text_is_empty() -> None:
    assert decode_text(b"", "text") == decode_text(codecs.BOM_UTF8, "text") == ""


@pytest.mark.parametrize(
    ("data", "message"), [(b"caf\xe9", r"is not UTF-8 text \(byte 3\)"), (b"\xff\xfea", "is not UTF-16 text")]
)
def test_what_is_not_text_is_one_sentence(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=message):
        read_text(path)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file"), (tmp_path, "directory"), ("a\0b", "null")):
        with pytest.raises(UsageError, match=f"cannot be read: .*{reason}"):
            read_text(path)
