"""Decode the bytes of a file to an upright RGB image: check limits, decode, convert tones, rotate."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops

from captioner.images.containers import bare, orientation, png_share
from captioner.images.encoded import Encoded, identify
from captioner.images.limits import DECODING, ImageLimits, OtherReaderError, RefusedError
from captioner.images.tiff import turn_to
from captioner.images.tones import Tones, to_rgb

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Above this many pixels, formats other than JPEG are averaged to a draft, too.
_BIG = 16_000_000
_MOST_PAGES = 10  # pages or frames that are decoded after a blank first one
_ANIMATED = 30  # bytes per pixel while decoding an animation: a decoder's canvases and three pictures

# Errors of Pillow and its libraries for files that are valid but not supported.
_UNSUPPORTED = re.compile(
    r"not (yet )?supported|unsupported|cannot handle|unknown (pixel mode|data organization)|not implemented|no codec",
    re.IGNORECASE,
)

# How much of a picture may be missing at its end: an invisible part, or the content of a few bytes, which is a larger
# part of a small picture.
_INVISIBLE, _FEW_BYTES, _FEW_BLOCKS = 0.005, 256, 0.1

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A decoded photo.

    Attributes:
        image: RGB, upright, opaque, loaded, without metadata; smaller than the original if a draft was requested.
        width: width of the upright original in pixels.
        height: height of the upright original in pixels.
    """

    image: Image.Image
    width: int
    height: int


def from_image(image: Image.Image, limits: ImageLimits) -> Photo:
    """Convert a Pillow image, which is not modified."""
    limits.check_size(*image.size)
    image.load()
    picture = to_rgb(image)
    exif = image.info.get("exif")
    turned = orientation(exif if isinstance(exif, bytes) else b"")
    return _upright(picture.copy() if picture is image else picture, turned, image.size)


def decode(file: io.BytesIO, limits: ImageLimits, draft: int | None, *, held: int = 0) -> Photo:
    """Decode a file; the caller already holds `held` bytes of `DECODING`.

    Of several pages or frames, this is the first that is not of a single color, because scans may begin with empty
    pages, and animations may fade in.

    Raises:
        RefusedError: the file is rejected for a known reason.
        Exception: any error of Pillow and its libraries about damaged files.
    """
    try:
        encoded = identify(file)
    except OtherReaderError as other:
        return _read_by(other, file.getvalue(), limits, draft, held)
    del file  # the stripped data is a copy
    first = _decode(encoded, limits, draft, held)
    several = encoded.original or (encoded.directory and encoded.directory.following)
    if not several or not _is_blank(first.image):
        return first
    later = _frames(encoded, limits, held) if encoded.original else _pages(encoded, limits, draft, held)
    with suppress(Exception):  # a damaged page or frame does not affect those before it
        return next((photo for photo in islice(later, _MOST_PAGES) if not _is_blank(photo.image)), first)
    return first


def _is_blank(image: Image.Image) -> bool:
    return image.getcolors(1) is not None


def _pages(encoded: Encoded, limits: ImageLimits, draft: int | None, held: int) -> Iterator[Photo]:
    """Decode the pages of a TIFF after the first."""
    while encoded.directory and encoded.directory.following:
        encoded = replace(encoded, directory=turn_to(encoded.file, encoded.directory.following))
        yield _decode(encoded, limits, draft, held)


def _frames(encoded: Encoded, limits: ImageLimits, held: int) -> Iterator[Photo]:
    """Decode the frames of an animation after the first, if they are small: each is drawn on those before it."""
    container = encoded.container
    if encoded.kind != "AVIF":
        container = bare(encoded.kind, encoded.original, frames=_MOST_PAGES + 1)
    image = replace(encoded, file=io.BytesIO(container.data)).open()
    pixels = image.width * image.height
    cost = _ANIMATED * pixels
    limits.check_memory(cost)
    if pixels > _BIG:
        return
    with DECODING.hold(cost, held=held):
        for frame in range(1, _MOST_PAGES + 1):
            image.seek(frame)
            image.load()
            yield _upright(to_rgb(image.copy()), encoded.orientation(image), image.size)


def _decode(encoded: Encoded, limits: ImageLimits, draft: int | None, held: int) -> Photo:
    cost = 0
    try:
        cost = encoded.check_header(limits)
        image = encoded.open()
        size = image.size
        limits.check_size(*size)
        encoded.check_effort(image, limits)
        if draft is not None and encoded.kind == "JPEG":  # not HEIF, whose draft is a different picture, the thumbnail
            image.draft(None, (2 * draft, 2 * draft))
        big = draft is not None and image.width * image.height > _BIG
        reduce = max(1, min(image.size) // (2 * draft)) if big and draft else 1
        turned = encoded.orientation(image)
        cost = encoded.cost(image, size, whole=reduce == 1, turned=turned > 1)
        limits.check_memory(cost)
        with DECODING.hold(max(0, cost - held), held=held):
            return _upright(_picture(encoded, image, size, draft, reduce), turned, size)
    except (RefusedError, MemoryError):
        raise
    except Exception as error:
        raise _explained(error, encoded, cost) from error


def _read_by(other: OtherReaderError, data: bytes, limits: ImageLimits, draft: int | None, held: int) -> Photo:
    """Decode a file with an extra package, which may not be installed."""
    try:
        picture, size = import_module(f"captioner.images.{other.reader}").read(data, limits, draft, held)
        if not isinstance(picture, bytes):
            return _upright(to_rgb(picture), 1, size)
        photo = decode(io.BytesIO(picture), limits, draft, held=held)
    except (RefusedError, MemoryError):
        raise
    except ImportError:
        raise RefusedError(
            f"it is not a photo in a known format, but {other.name}; to read it, run: pip install 'captioner[formats]'"
        ) from None
    except Exception as error:
        raise RefusedError(f"it is {other.name} that is damaged or not supported; save it as JPEG or PNG") from error
    return photo if other.reader == "jxl" else replace(photo, width=size[0], height=size[1])


def _picture(encoded: Encoded, image: ImageFile, size: tuple[int, int], draft: int | None, reduce: int) -> Image.Image:
    frame = None
    if encoded.kind == "GIF" and image.tile:
        frame = image.tile[0].extents
        frame = None if frame == (0, 0, *image.size) else frame
    if encoded.kind == "JPEG" and not encoded.container.complete:
        image = _cut_off(encoded, size, draft)
    elif encoded.kind == "TIFF":  # checked here, because Pillow would warn about its own limit
        image.im = Image.new(image.mode, image.size).im
    elif encoded.kind == "WEBP":
        _free_canvases(image)
    _load(encoded, image)
    low = None
    if encoded.container.key:
        other = encoded.open()
        other.tile = [tile._replace(args="RGB;16L") for tile in other.tile]  # swaps the low and the high byte
        other.load()
        low = other
    directory = encoded.directory
    tones = Tones(
        inverted=directory is not None and directory.inverted,
        white=directory.white if directory else 65_535,
        frame=frame,
        low=low,
        key=encoded.container.key,
    )
    picture = to_rgb(image, tones, reduce=reduce)
    if picture is image:
        picture = image._new(image.im)  # the pixels, detached from the file
    if not (directory and directory.following):  # otherwise the next page may be needed
        image.close()
    return picture


def _load(encoded: Encoded, image: ImageFile) -> None:
    """Decode. A PNG without its last bytes is accepted, like such a JPEG."""
    try:
        image.load()
    except OSError:
        container = encoded.container
        if encoded.kind != "PNG" or container.complete or png_share(container.data) < 1 - _INVISIBLE:
            raise
        image.tile = []  # keep what has been decoded
        image.load()


def _free_canvases(image: Any) -> None:
    """Free a WebP decoder after the first frame, because it holds two canvases of the size of the picture."""
    get_next = image._get_next

    def only_one() -> object:
        frame = get_next()
        image._decoder = None
        return frame

    image._get_next = only_one


def _cut_off(encoded: Encoded, size: tuple[int, int], draft: int | None) -> ImageFile:
    """Decode a truncated JPEG if only its last bytes are missing.

    Decoders fill in missing parts without reporting how much. So the file is decoded twice, once with noise appended:
    the parts that differ are missing.
    """
    if not encoded.container.begun:
        raise OSError("the file is truncated")
    data = encoded.container.data.rstrip(b"\xff")
    noise = random.Random(0).randbytes(4096 + size[0] * size[1] // 4).replace(b"\xff", b"\0")  # enough for most of it
    pictures = []
    for end in (b"", noise):
        image = Encoded(kind="JPEG", file=io.BytesIO(data + end + b"\xff\xd9"), container=encoded.container).open()
        if draft is not None:
            image.draft(None, (2 * draft, 2 * draft))
        image.load()
        pictures.append(image)
    difference = ImageChops.difference(*pictures).convert("L").point([0] + [255] * 255)
    missing = difference.histogram()[255] / (difference.width * difference.height)
    few = missing * len(data) < _FEW_BYTES and missing < _FEW_BLOCKS
    if not (few or missing < _INVISIBLE):
        raise OSError(f"the file is truncated, {missing:.0%} of the picture is missing")
    return pictures[0]


def _explained(error: Exception, encoded: Encoded, cost: int) -> Exception:
    """Convert an error of a decoder: lack of memory and unsupported encodings are recognized."""
    detail, directory = str(error), encoded.directory
    unusual = directory is not None and not directory.usual
    if _UNSUPPORTED.search(detail) or unusual:
        what = f"{encoded.kind} with an unsupported encoding"
        why = directory.kind if directory else detail
        return RefusedError(f"it is a {what} ({why}); save it again as JPEG or PNG")
    if isinstance(error, SyntaxError):
        return RefusedError(f"it is not a photo, or its {encoded.kind} header is damaged; download or copy it again")
    if "memory" in detail.lower():
        return MemoryError()
    try:
        bytearray(cost)  # some decoders do not report a lack of memory as such
    except MemoryError as problem:
        return problem
    return error


def _upright(picture: Image.Image, turned: int, size: tuple[int, int]) -> Photo:
    width, height = size
    if turned in _UPRIGHT:
        picture = picture.transpose(_UPRIGHT[turned])
        if turned >= 5:
            width, height = height, width
    picture.info.clear()  # otherwise a program could rotate it again
    return Photo(image=picture, width=width, height=height)
