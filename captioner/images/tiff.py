"""TIFF: its first directory with only the tags that decoding needs, which a decoder can then rely on.

Other tags may be broken in any way, and Pillow and libtiff warn about each. The directory is rewritten where it stands,
so that no copy of the file is made.
"""

import ctypes
import functools
import io
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from captioner.images.limits import RefusedError

# Of these the first value counts, whatever is there; of the others all are needed.
_SUBFILE, _WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_OFFSETS, _ORIENTATION, _SAMPLES, _COLORMAP, _TILE_WIDTH, _TILE_LENGTH, _SUBIFDS = 273, 274, 277, 320, 322, 323, 330
_TILE_OFFSETS, _EXTRA, _FORMAT, _DNG = 324, 338, 339, 50706
_SINGLE = frozenset((_WIDTH, _LENGTH, _COMPRESSION, _PHOTOMETRIC, 266, _SAMPLES, 278, 284, 292, 293, 317))
_SINGLE |= frozenset((_TILE_WIDTH, _TILE_LENGTH, 512, 513, 514, 515, 531))
_SEVERAL = frozenset(
    (_BITS, _OFFSETS, 279, _COLORMAP, _TILE_OFFSETS, 325, _EXTRA, _FORMAT, 347, 519, 520, 521, 529, 530, 532)
)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE = frozenset((1, 3, 4, 16))  # types of whole numbers
_MOST_VALUES = 1_000_000  # strips or tiles; of 250 megapixels there are seldom more than some ten thousand

_RAW_PHOTO = 32803, 34892
_COLOURS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}
_PACKINGS = {34661: "JBIG", 34712: "JPEG 2000", 34887: "LERC", 50001: "WebP", 50002: "JPEG XL", 34892: "lossy JPEG"}
_NUMBERS = {1: "", 2: "signed ", 3: "float ", 4: "", 5: "complex ", 6: "complex "}
_ALWAYS_READ = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946))


@dataclass(frozen=True, kw_only=True)
class Directory:
    """What the first directory says.

    Attributes:
        orientation: as in EXIF, 1 to 8; no longer in the file.
        tile: pixels of a tile, which is decoded whole, however little of it the picture shows; 1 if there are none.
        strip: bytes of a strip or a tile after decompression, which are in memory at once; 0 if it is not compressed.
        inverted: whether the lowest value is white and the decoder leaves that to us.
        white: the greatest value that a whole number without sign can have.
        kind: bits, numbers, colors and packing in words.
        usual: whether the packing is one that every build of libtiff knows.
    """

    orientation: int
    tile: int
    strip: int
    inverted: bool
    white: int
    kind: str
    usual: bool


class _File:
    """Numbers in a TIFF or BigTIFF, and the entries of its first directory."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file = file
        head = self.read(0, 16)
        self.order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
        self.big = 43 in head[2:4]
        self.start = self.number(head[8:16] if self.big else head[4:8])
        self.entry, self.inline, self.counted = (20, 8, 8) if self.big else (12, 4, 2)

    def read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)

    def number(self, data: bytes) -> int:
        return int.from_bytes(data, self.order)

    def packed(self, value: int, size: int) -> bytes:
        return value.to_bytes(size, self.order)

    def entries(self) -> dict[int, bytes]:
        """Tag → entry."""
        count = self.number(self.read(self.start, self.counted))
        data = self.read(self.start + self.counted, min(count, 65_535) * self.entry)
        entries = (data[at : at + self.entry] for at in range(0, len(data) - self.entry + 1, self.entry))
        return {self.number(entry[:2]): entry for entry in entries}

    def values(self, entry: bytes) -> tuple[int, ...] | None:
        """Whole numbers of an entry; None where they are of another type, too many, or beyond the file's end."""
        kind, count = self.number(entry[2:4]), self.number(entry[4 : self.entry - self.inline])
        size = _SIZES.get(kind, 0)
        if not size or not 0 < count <= _MOST_VALUES:
            return None
        data = entry[-self.inline :]
        if size * count > self.inline:
            data = self.read(self.number(data), size * count)
        if len(data) < size * count:
            return None
        if kind not in _WHOLE:
            return ()
        return tuple(self.number(data[at : at + size]) for at in range(0, size * count, size))


def clean(file: io.BytesIO) -> Directory:
    """Rewrite the first directory of a TIFF.

    Raises:
        RefusedError: it has none, or is a camera's raw photo.
    """
    tiff = _File(file)
    if tiff.big and tiff.order == "big":  # Pillow takes it for a small one
        raise RefusedError("it is a big-endian BigTIFF, which is not supported; save it again as JPEG or PNG")
    entries = tiff.entries()
    tags: dict[int, tuple[int, ...]] = {}
    kept: list[bytes] = []
    for tag, entry in sorted(entries.items()):
        values = tiff.values(entry)
        if values is not None and (tag in _SEVERAL or (values and tag in _SINGLE)):
            tags[tag] = values
            kept.append(entry)
    get = functools.partial(_first, tags)
    if not get(_WIDTH, 0) or not get(_LENGTH, 0):
        raise RefusedError("its TIFF header is damaged; download or copy it again")
    subfile = tiff.values(entries.get(_SUBFILE, b"")) or (0,)
    if _DNG in entries or get(_PHOTOMETRIC, 0) in _RAW_PHOTO or (_SUBIFDS in entries and subfile[0] & 1):
        raise RefusedError("it is a camera's raw photo (such as DNG, NEF or ARW); save it as JPEG or PNG")
    bits = get(_BITS, 1)
    inverted = bits > 8 and get(_PHOTOMETRIC, 0) == 0  # Pillow would show a negative
    written = [_rewritten(tiff, entry, tags, inverted=inverted) for entry in kept]
    file.seek(tiff.start)
    file.write(tiff.packed(len(written), tiff.counted) + b"".join(written) + bytes(tiff.inline))
    file.seek(0)
    turned = tiff.values(entries.get(_ORIENTATION, b"")) or (1,)
    return _directory(tags, orientation=turned[0] if turned[0] in range(1, 9) else 1, inverted=inverted)


def _first(tags: dict[int, tuple[int, ...]], tag: int, default: int) -> int:
    return (tags.get(tag) or (default,))[0]


def _rewritten(tiff: _File, entry: bytes, tags: dict[int, tuple[int, ...]], *, inverted: bool) -> bytes:
    tag = tiff.number(entry[:2])
    if tag not in _SINGLE:
        return entry
    value = 1 if tag == _PHOTOMETRIC and inverted else tags[tag][0]
    long = 16 if tiff.big and value >> 32 else 4
    head = tiff.packed(tag, 2) + tiff.packed(long, 2) + tiff.packed(1, tiff.entry - tiff.inline - 4)
    size = _SIZES[long]
    return head + tiff.packed(value, size) + bytes(tiff.inline - size)


def _directory(tags: dict[int, tuple[int, ...]], *, orientation: int, inverted: bool) -> Directory:
    get = functools.partial(_first, tags)
    bits, packing = get(_BITS, 1), get(_COMPRESSION, 1)
    tile = get(_TILE_WIDTH, 1) * get(_TILE_LENGTH, 1)
    strip = get(_WIDTH, 0) * min(get(278, get(_LENGTH, 0)), get(_LENGTH, 0))
    colors = _COLOURS.get(get(_PHOTOMETRIC, 0), "unknown colors")
    extra = " with further channels" if tags.get(_EXTRA) else ""
    packed = f", packed as {_PACKINGS[packing]}" if packing in _PACKINGS else ""
    return Directory(
        orientation=orientation,
        tile=tile,
        strip=0 if packing == 1 else max(tile, strip) * bits * get(_SAMPLES, 1) // 8,
        inverted=inverted,
        white=(1 << min(bits, 64)) - 1,
        kind=f"{bits}-bit {_NUMBERS.get(get(_FORMAT, 1), '')}{colors}{extra}{packed}",
        usual=packing in _ALWAYS_READ,
    )


@functools.cache
def silence_libtiff() -> None:
    """Keep libtiff from writing about broken files on standard error; Pillow itself silences its warnings, not
    these.
    """
    try:
        ctypes.CDLL(import_module("PIL._imaging").__file__).TIFFSetErrorHandler(None)
    except (AttributeError, OSError):  # Pillow was built without it, or it cannot be reached
        return
