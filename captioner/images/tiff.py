"""Rewrite the first directory of a TIFF with only the valid tags that decoding needs.

Other tags may be damaged in any way, and Pillow and libtiff warn about each. The directory is rewritten in place, to
avoid a copy of the file.
"""

import ctypes
import functools
import io
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from captioner.images.limits import OtherReaderError, RefusedError

# Of these tags the first value counts; of the others all are needed.
_SUBFILE, _WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_OFFSETS, _ORIENTATION, _SAMPLES, _COLORMAP, _TILE_WIDTH, _TILE_LENGTH, _SUBIFDS = 273, 274, 277, 320, 322, 323, 330
_TILE_OFFSETS, _EXTRA, _FORMAT, _DNG, _PLANAR = 324, 338, 339, 50706, 284
_MOST_CHANNELS = 6
_SINGLE = frozenset((_WIDTH, _LENGTH, _COMPRESSION, _PHOTOMETRIC, 266, _SAMPLES, 278, _PLANAR, 292, 293, 317))
_SINGLE |= frozenset((_TILE_WIDTH, _TILE_LENGTH, 512, 513, 514, 515, 531))
_SEVERAL = frozenset(
    (_BITS, _OFFSETS, 279, _COLORMAP, _TILE_OFFSETS, 325, _EXTRA, _FORMAT, 347, 519, 520, 521, 529, 530, 532)
)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE = frozenset((1, 3, 4, 16))  # integer types
_MOST_VALUES = 1_000_000  # strips or tiles; 250 megapixels rarely have more than ten thousand

_RAW_PHOTO = 32803, 34892
_COLOURS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}
_PACKINGS = {34661: "JBIG", 34712: "JPEG 2000", 34887: "LERC", 50001: "WebP", 50002: "JPEG XL", 34892: "lossy JPEG"}
_NUMBERS = {1: "", 2: "signed ", 3: "float ", 4: "", 5: "complex ", 6: "complex "}
_ALWAYS_READ = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946))


@dataclass(frozen=True, kw_only=True)
class Directory:
    """Contents of the first directory.

    Attributes:
        orientation: EXIF orientation, 1 to 8; removed from the file.
        tile: pixels per tile, which is always decoded completely; 1 if there are no tiles.
        strip: bytes of a decompressed strip or tile, which are in memory at once; 0 if not compressed.
        inverted: whether the lowest value is white and the decoder does not invert it.
        white: the largest unsigned integer value.
        kind: description of bits, number type, colors and compression.
        usual: whether every build of libtiff supports the compression.
        following: offset of the next page's directory; 0 if there is none.
    """

    orientation: int
    tile: int
    strip: int
    inverted: bool
    white: int
    kind: str
    usual: bool
    following: int


class _File:
    """Reads numbers and the entries of the first directory of a TIFF or BigTIFF."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file = file
        head = self.read(0, 16)
        self.order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
        self.big = 43 in head[2:4]
        self.start = self.number(head[8:16] if self.big else head[4:8])
        self.entry, self.inline, self.counted = (20, 8, 8) if self.big else (12, 4, 2)
        self.following = 0

    def read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)

    def number(self, data: bytes) -> int:
        return int.from_bytes(data, self.order)

    def packed(self, value: int, size: int) -> bytes:
        return value.to_bytes(size, self.order)

    def entries(self) -> dict[int, bytes]:
        """Tag → entry; also sets `following`."""
        count = self.number(self.read(self.start, self.counted))
        data = self.read(self.start + self.counted, min(count, 65_535) * self.entry)
        self.following = self.number(self.read(self.start + self.counted + count * self.entry, self.inline))
        entries = (data[at : at + self.entry] for at in range(0, len(data) - self.entry + 1, self.entry))
        return {self.number(entry[:2]): entry for entry in entries}

    def values(self, entry: bytes) -> tuple[int, ...] | None:
        """The integers of an entry; None if they have another type, are too many, or lie beyond the end of the file."""
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
        RefusedError: there is no valid directory.
        OtherReaderError: the file is a camera's raw photo.
    """
    tiff = _File(file)
    if tiff.big and tiff.order == "big":  # Pillow misreads it as a classic TIFF
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
        raise RefusedError("it is not a photo, or its TIFF header is damaged; download or copy it again")
    subfile = tiff.values(entries.get(_SUBFILE, b"")) or (0,)
    if _DNG in entries or get(_PHOTOMETRIC, 0) in _RAW_PHOTO or (_SUBIFDS in entries and subfile[0] & 1):
        raise OtherReaderError("a camera's raw photo (such as DNG, NEF or ARW)", "raw")
    _check_channels(tags)
    bits = get(_BITS, 1)
    inverted = bits > 8 and get(_PHOTOMETRIC, 0) == 0  # Pillow does not invert it
    written = [_rewritten(tiff, entry, tags, inverted=inverted) for entry in kept]
    file.seek(tiff.start)
    file.write(tiff.packed(len(written), tiff.counted) + b"".join(written) + bytes(tiff.inline))
    file.seek(0)
    turned = tiff.values(entries.get(_ORIENTATION, b"")) or (1,)
    upright = turned[0] if turned[0] in range(1, 9) else 1
    return _directory(tags, orientation=upright, inverted=inverted, following=tiff.following)


def _check_channels(tags: dict[int, tuple[int, ...]]) -> None:
    """Reject more channels than Pillow decodes, which it would log as an error."""
    channels, extra = _first(tags, _SAMPLES, 1), tags.get(_EXTRA, ())
    if _first(tags, _PLANAR, 1) == 2 and not any(extra):  # Pillow ignores those at the end
        channels -= len(extra)
    if channels > _MOST_CHANNELS:
        raise RefusedError(
            f"it is a TIFF with an unsupported encoding ({channels:,} channels); save it again as JPEG or PNG"
        )


def turn_to(file: io.BytesIO, start: int) -> Directory:
    """Make the page with the directory at `start` the first page, and rewrite its directory; see `clean`."""
    tiff = _File(file)
    file.seek(8 if tiff.big else 4)
    file.write(tiff.packed(start, 8 if tiff.big else 4))
    return clean(file)


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


def _directory(tags: dict[int, tuple[int, ...]], *, orientation: int, inverted: bool, following: int) -> Directory:
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
        following=following,
    )


@functools.cache
def silence_libtiff() -> None:
    """Stop libtiff from writing errors to standard error; Pillow suppresses only warnings."""
    try:
        ctypes.CDLL(import_module("PIL._imaging").__file__).TIFFSetErrorHandler(None)
    except (AttributeError, OSError):  # Pillow was built without libtiff, or it cannot be accessed
        return
