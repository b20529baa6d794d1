"""Image files made for tests, and the errors for files that are not images."""

import io
import re
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from captioner.errors import ImageError
from captioner.images import Photo, open_image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")


def encode(image: Image.Image, format: str, **options) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    if format == "HEIF":
        pillow_heif.from_pillow(image).save(buffer, **options)
    else:
        image.save(buffer, format, **options)
    return buffer.getvalue()


def pixels(photo: Photo) -> np.ndarray:
    return np.asarray(photo.image).astype(int)


def refusal(source, **options) -> str:
    """The error message for `source`: always one line, always with advice."""
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.startswith("cannot read ")
    assert ": " in sentence
    assert "; " in sentence
    assert not re.search(r"ImageLimits|PIL\.|max_|min_", sentence)  # its reader owns a photo and no code
    return sentence


def png(width: int, height: int, depth: int, kind: int, rows: list[bytes], **chunks: bytes) -> bytes:
    """A PNG assembled by hand, for features that Pillow does not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
        + b"".join(chunk(name.encode(), body) for name, body in chunks.items())
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )


def grey_jpeg(width: int, height: int) -> bytes:
    """A mid-gray JPEG, sides divisible by 32; assembled by hand because encoding 200 megapixels takes seconds."""
    small = encode(Image.new("L", (32, 32), 128), "JPEG")
    where = small.index(b"\xff\xc0") + 5
    scan = small.index(b"\xff\xda")
    head = small[:where] + struct.pack(">HH", height, width) + small[where + 4 : scan + 10]
    return head + b"\x28\xa2\x8a" * (width * height // 256) + b"\xff\xd9"  # four blocks, each "as before"


def tiff(tags: dict[int, int], body: bytes) -> bytes:
    """A little-endian TIFF of one directory; values in `tags` are longs; -1 means the offset of `body`."""
    start = 8 + 2 + 12 * len(tags) + 4
    entries = [struct.pack("<HHII", tag, 4, 1, start if v == -1 else v) for tag, v in sorted(tags.items())]
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4) + body
