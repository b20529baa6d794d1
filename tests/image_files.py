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


def dng(width: int, height: int, *, orientation: int = 1, preview: bytes = b"") -> bytes:
    """A camera raw file written by hand: a ramp from dark to bright red, green and blue dots, and maybe a JPEG."""
    ramp = np.linspace(1000, 60_000, width).astype("<u2")
    pixels = np.tile(ramp, (height, 1)).tobytes()
    raw = {254: (4, 0), 256: (4, width), 257: (4, height), 258: (3, 16), 259: (3, 1), 262: (3, 32803), 273: (4, -1)}
    raw |= {277: (3, 1), 278: (4, height), 279: (4, len(pixels)), 33421: (3, 2, 2), 33422: (1, 0, 1, 1, 2)}
    camera = {271: (2, *b"Test\0"), 272: (2, *b"Camera\0"), 274: (3, orientation), 50706: (1, 1, 4, 0, 0)}
    camera |= {50707: (1, 1, 1, 0, 0), 50708: (2, *b"Test Camera\0"), 50721: (10, *(1, 0, 0, 0, 1, 0, 0, 0, 1))}
    camera |= {50728: (5, 1, 1, 1), 50778: (3, 21)}
    if not preview:
        return b"II*\0\x08\0\0\0" + _directory(8, camera | raw, pixels)
    shown = {254: (4, 1), 259: (3, 7), 262: (3, 6), 273: (4, -1), 279: (4, len(preview)), 277: (3, 3), 330: (4, 0)}
    with Image.open(io.BytesIO(preview)) as image:
        shown |= {256: (4, image.width), 257: (4, image.height), 258: (3, 8, 8, 8)}
    length = len(_directory(8, camera | shown, preview))
    first = _directory(8, camera | shown | {330: (4, 8 + length)}, preview)
    return b"II*\0\x08\0\0\0" + first + _directory(8 + length, raw, pixels)


def _directory(start: int, tags: dict[int, tuple[int, ...]], body: bytes) -> bytes:
    """A directory at `start`, its long values, and a body; -1 stands for where that begins."""
    kinds = {1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 10: "ii"}
    at = start + 2 + 12 * len(tags) + 4
    entries, more = b"", b""
    sizes = {tag: len(values) * struct.calcsize(kinds[kind]) for tag, (kind, *values) in tags.items()}
    where = at + sum(size + size % 2 for size in sizes.values() if size > 4)
    for tag, (kind, *values) in sorted(tags.items()):
        numbers = [n for v in values for n in ((v, 1) if kind in {5, 10} else (where if v == -1 else v,))]
        data = struct.pack(f"<{kinds[kind][0]}".replace("<", f"<{len(numbers)}"), *numbers)
        place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", at + len(more))
        more += data + bytes(len(data) % 2) if len(data) > 4 else b""
        entries += struct.pack("<HHI", tag, kind, len(values)) + place
    return struct.pack("<H", len(tags)) + entries + bytes(4) + more + body
