"""From whatever a user calls a photo to an upright RGB picture: every limit on hostile input stands here.

`open_image` is the only door. What comes through it is a `Photo`; what does not is one `ImageError` in one sentence.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from captioner.errors import ImageError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image
"""What a user may call a photo."""

# By content, never by name. Pillow's other forty formats are code that a stranger's file has no business to reach.
# Phones' multi-picture JPEG (MPO) comes in through JPEG; HEIC has its own way in (see `_identify`).
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_HEIF_BRANDS = (b"heic", b"heix", b"mif1", b"msf1")

# Each scan of a progressive JPEG goes over all its pixels again and may take only 100 bytes, so that a small file could
# keep a processor busy for hours. Encoders write about ten.
_MAX_SCANS = 200

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
class ImageLimits:
    """How much one photo may ask of this machine: bytes of its file, width times height, longer and shorter side.

    All are checked before a pixel is decoded. The sentence of a refusal tells the photo's owner what is allowed; that it
    is these limits that allow it, is said only here. Pillow has a limit of its own for the whole process: above
    `PIL.Image.MAX_IMAGE_PIXELS` (89 million) it warns, above twice that it refuses. An application that wants more
    pixels than that raises both, since a library must not.

    Raises:
        UsageError: A limit is not a whole number above 0, or `min_side` is above `max_side`.
    """

    max_bytes: int = 30_000_000
    max_pixels: int = 65_000_000  # phones that promise 64 megapixels give a few more
    max_side: int = 30_000
    min_side: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"ImageLimits.{field.name} is {value!r}; give a whole number above 0")
        if self.min_side > self.max_side:
            raise UsageError(f"ImageLimits.min_side, {self.min_side}, is above max_side, {self.max_side}; lower it")


_DEFAULT_LIMITS = ImageLimits()


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo as its viewer sees it.

    Attributes:
        image: Mode RGB, upright, opaque, loaded, without metadata; smaller than the original if a draft was asked for.
        width: Of the original, in pixels, upright.
        height: Of the original, in pixels, upright.
    """

    image: Image.Image
    width: int
    height: int


class _RefusalError(Exception):
    """Why a photo is not read, without its name, which `open_image` adds."""


def open_image(
    source: Source,
    *,
    limits: ImageLimits = _DEFAULT_LIMITS,
    draft: int | None = None,
) -> Photo:
    """Read a photo: first frame, EXIF orientation applied, alpha on white, 16 bits scaled to 8.

    Safe from many threads, and changes nothing in the process. An image of Pillow's stays as it is (if it was opened
    lazily, it is loaded) and is read at its current frame.

    Args:
        source: A path; the bytes of a file; a binary file (read from its start if it can be rewound); or an image.
        limits: What is refused.
        draft: The side in pixels to which the caller will scale the photo down. Big JPEGs are then decoded at 1/2, 1/4
            or 1/8, several times faster, but never to a side below twice `draft`: the decoder averages blocks of
            pixels, and only a good filter over at least twice the pixels hides the difference.

    Raises:
        ImageError: The photo cannot be read, for whatever reason.
        UsageError: `draft` is below 1.
        TypeError: `source` is none of the above.
    """
    if draft is not None and draft < 1:
        raise UsageError(f"draft is {draft}; give a side in pixels, at least 1")
    name = _name(source)
    try:
        if isinstance(source, Image.Image):
            _check_size(source, limits)
            return _develop(source)
        data = _read(source, limits)
        with _identify(data) as image:
            _check_size(image, limits)
            _check_cost(image, data, limits)
            return _develop(image, draft=draft)
    except Exception as error:  # Pillow and its codecs raise nearly everything
        raise ImageError(f"cannot read {name}: {_reason(error, limits)}") from error


def to_pixels(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Squash an RGB image to a square, as models are trained on: (size, size, 3), whatever its proportions."""
    import numpy as np

    return np.array(image.resize((size, size), Image.Resampling.BICUBIC))


def _name(source: object) -> str:
    name = None
    if isinstance(source, (str, os.PathLike)):
        name = os.fsdecode(source)
    elif hasattr(source, "read"):
        name = getattr(source, "name", None)  # a number, if the file was opened by descriptor
    elif not isinstance(source, (bytes, bytearray, memoryview, Image.Image)):
        raise TypeError(
            f"a photo is a path, bytes, a binary file or a PIL image, not {type(source).__name__} "
            "(PIL.Image.fromarray makes an image of an array)"
        )
    return _one_line(name) if isinstance(name, str) and name else "the image"


def _one_line(text: str) -> str:
    """Escape line ends, control characters and undecodable bytes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _reason(error: Exception, limits: ImageLimits) -> str:
    match error:
        case _RefusalError():
            reason = str(error)
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            allowed = min(limits.max_pixels, Image.MAX_IMAGE_PIXELS or limits.max_pixels)
            reason = f"it has more than the {allowed / 1e6:g} million pixels allowed; make it smaller"
        case UnidentifiedImageError():
            known = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
            reason = f"it is not a photo in a known format, or its beginning is damaged; give a {known} file"
        case MemoryError():
            reason = "there is not enough memory for it; make it smaller or free some memory"
        case ImportError():
            reason = f"its format needs the package {error.name}; install that"
        case OSError(strerror=str(cause)):  # the system's; Pillow's have none
            reason = f"{_one_line(cause)}; check that it exists and may be read"
        case _:
            detail = _one_line(str(error) or type(error).__name__)[:100]
            reason = f"it is damaged, incomplete or unreadable ({detail}); get it again from where it came"
    return reason


def _read(source: str | os.PathLike[str] | bytes | BinaryIO, limits: ImageLimits) -> bytes:
    """Read it whole: a file that Pillow maps into memory and another process shortens would kill this one."""
    if isinstance(source, (str, os.PathLike)):
        data = _read_file(Path(source), limits)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    else:
        data = _read_stream(source, limits)
    _check_bytes(len(data), limits)
    if not data:
        raise _RefusalError("it is empty (0 bytes); get it again from where it came")
    return data


def _read_file(path: Path, limits: ImageLimits) -> bytes:
    def open_at_once(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # a FIFO would wait for its writer

    # Before it is opened, because opening a device may do something; and after, because it may have been exchanged.
    _check_status(path.stat(), limits)
    with open(path, "rb", opener=open_at_once) as file:
        status = os.fstat(file.fileno())
        _check_status(status, limits)
        return file.read(status.st_size)


def _read_stream(stream: BinaryIO, limits: ImageLimits) -> bytes:
    with contextlib.suppress(AttributeError, OSError, ValueError):
        stream.seek(0)
    data = bytearray()
    while len(data) <= limits.max_bytes and (chunk := stream.read(1 << 20)):
        if not isinstance(chunk, bytes):
            raise _RefusalError("it was opened as text; open it in binary mode")
        data += chunk
    return bytes(data)


def _check_status(status: os.stat_result, limits: ImageLimits) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a pipe, a device or the like"
        raise _RefusalError(f"it is {kind}, not a file; give the path of a photo")
    _check_bytes(status.st_size, limits)


def _check_bytes(size: int, limits: ImageLimits) -> None:
    if size > limits.max_bytes:
        allowed = f"{limits.max_bytes / 1e6:g} MB"
        raise _RefusalError(f"it is bigger than the {allowed} allowed; make it smaller")


def _check_size(image: Image.Image, limits: ImageLimits) -> None:
    width, height = image.size
    if min(width, height) < limits.min_side:
        wrong = f"a side below the {limits.min_side} pixels required; give a bigger one"
    elif max(width, height) > limits.max_side:
        wrong = f"a side above the {limits.max_side} pixels allowed; make it smaller"
    elif width * height > limits.max_pixels:
        allowed = f"{limits.max_pixels / 1e6:g} million"
        wrong = f"more than the {allowed} allowed; make it smaller"
    else:
        return
    raise _RefusalError(f"it has {width} × {height} pixels, {wrong}")


def _check_cost(image: ImageFile, data: bytes, limits: ImageLimits) -> None:
    """Refuse what would cost far more time or memory than its size says."""
    if image.info.get("progressive") and data.count(b"\xff\xda") > _MAX_SCANS:
        raise _RefusalError(f"it is a JPEG of more than {_MAX_SCANS} scans; save it again as an ordinary one")
    tags = getattr(image, "tag_v2", {})  # a TIFF's tile is decoded whole, however little of it the image shows
    if tags.get(ExifTags.Base.TileWidth, 1) * tags.get(ExifTags.Base.TileLength, 1) > limits.max_pixels:
        raise _RefusalError("it is a TIFF of huge tiles; save it again as an ordinary one")


def _identify(data: bytes) -> ImageFile:
    """Read the header; no pixel is decoded yet."""
    # AVIF and HEIC are the same kind of box and may begin with the same brand; the list of all brands decides.
    brands = data[8 : int.from_bytes(data[:4])] if data[4:8] == b"ftyp" else b""
    if b"avi" not in brands and any(brand in brands for brand in _HEIF_BRANDS):
        import pillow_heif

        # The class itself, because registering it with Pillow would change what the whole process opens.
        return pillow_heif.HeifImageFile(io.BytesIO(data))  # type: ignore[no-untyped-call]
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except Exception:
        # Perhaps only its metadata are broken: Pillow parses some of them here, fails on a few faults and warns about
        # most, which is an error where an application made it one. So once more with EXIF and multi-picture hidden.
        bare = data.replace(b"Exif", b"none").replace(b"MPF\0", b"non\0")
        if bare == data:
            raise
        return Image.open(io.BytesIO(bare), formats=_FORMATS)


def _develop(image: Image.Image, *, draft: int | None = None) -> Photo:
    width, height = image.size
    if draft is not None and image.format in ("JPEG", "MPO"):  # not HEIC: its draft is another picture, the thumbnail
        image.draft(None, (2 * draft, 2 * draft))
    image.load()
    orientation = _orientation(image)
    picture = _to_rgb(image)
    if orientation in _UPRIGHT:
        picture = picture.transpose(_UPRIGHT[orientation])
        if orientation >= 5:
            width, height = height, width
    picture.info.clear()  # whoever opened it again would turn it again
    return Photo(image=picture, width=width, height=height)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, or 1 where it makes no sense. Loaded TIFF and HEIC are upright already."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # broken EXIF does not spoil a photo
        return 1
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return a new RGB image, whatever the mode, transparency laid on white.

    ICC profiles are not applied: models learn from photos that were read without, Display P3 taken for sRGB only looks a
    little paler, and a broken or hostile profile that nobody parses does no harm.
    """
    if image.mode.startswith(("I", "F")):
        image = _to_eight_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, "white")
    canvas.paste(rgba, mask=rgba)
    return canvas


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale grey of 16 or 32 bits or floats to mode L, or LA where one value stands for transparency.

    Only of 16 bits (I;16) the range is known. Otherwise white is the first of the usual values (1 for floats, 255,
    65535) that nothing exceeds; where none fits, or something is below 0, the lowest value is black, the highest white.
    """
    import numpy as np

    values = np.asarray(image, dtype=np.float32)  # (H, W)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    usual = {"I": (255.0, 65535.0), "F": (1.0, 255.0, 65535.0)}.get(image.mode, (65535.0,))
    black, white = next(((0.0, top) for top in usual if low >= 0 and high <= top), (low, high))
    with np.errstate(all="ignore"):  # infinities
        scaled = np.nan_to_num((values - black) / (white - black or 1.0), nan=0.0).clip(0, 1)
    grey = Image.fromarray((scaled * 255 + 0.5).astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):
        alpha = Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))
        grey = Image.merge("LA", (grey, alpha))
    return grey
