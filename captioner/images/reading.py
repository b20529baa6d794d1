"""Open photos from any source, and explain why one cannot be read."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image

from captioner.errors import ImageError, UsageError
from captioner.images.decoding import Photo, decode, from_image
from captioner.images.limits import DECODING, DEFAULT_LIMITS, ImageLimits, RefusedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image
"""Everything that `open_image` accepts as a photo."""

_NO_MEMORY = "there is not enough memory for it; make it smaller, or free some memory"


def open_image(
    source: Source,
    *,
    limits: ImageLimits = DEFAULT_LIMITS,
    draft: int | None = None,
) -> Photo:
    """Read a photo: first frame, EXIF orientation applied, alpha on white, 16 bits scaled to 8.

    Thread-safe: concurrent calls share a memory budget of the default of `ImageLimits.max_memory`. The only side effect
    on the process is that libtiff no longer writes to standard error. Pillow's warnings are suppressed, also if the
    application turns them into errors. A Pillow image is not modified (if it was opened lazily, it is loaded) and is
    read at its current frame.

    Args:
        source: a path, the bytes of a file, a binary file (rewound if possible), or a Pillow image.
        limits: limits on the photo.
        draft: the side length in pixels to which the caller will downscale the photo. JPEGs are then decoded at 1/2,
            1/4 or 1/8 of their size, several times faster, and other photos above 16 megapixels are averaged, but never
            to a side below twice `draft`, so that a good downscaling filter hides the difference.

    Raises:
        ImageError: the photo cannot be read.
        UsageError: `draft` is below 1.
        TypeError: `source` is none of the above.
    """
    if draft is not None and draft < 1:
        raise UsageError(f"draft is {draft}; give a length of at least 1 pixel")
    name = _name(source)
    try:
        if isinstance(source, Image.Image):
            return from_image(source, limits)
        with DECODING.file(_size(source)) as held:
            return decode(io.BytesIO(_read(source, limits)), limits, draft, held=held)
    except Exception as error:  # Pillow and its codecs raise almost any exception
        raise ImageError(f"cannot read {name}: {_reason(error, limits)}") from error


def to_pixels(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Resize an RGB image to a square array (size, size, 3), ignoring its aspect ratio, as in training.

    Raises:
        ImageError: there is not enough memory.
    """
    import numpy as np

    try:
        return np.array(image.resize((size, size), Image.Resampling.BICUBIC))
    except MemoryError:
        raise ImageError(f"cannot scale the image: {_NO_MEMORY}") from None


def _name(source: object) -> str:
    name = None
    if isinstance(source, (str, os.PathLike)):
        name = os.fsdecode(source)
    elif hasattr(source, "read"):
        name = getattr(source, "name", None)  # an integer if the file was opened by descriptor
    elif not isinstance(source, (bytes, bytearray, memoryview, Image.Image)):
        raise TypeError(
            f"a photo is a path, bytes, a binary file or a PIL image, not {type(source).__name__} "
            "(PIL.Image.fromarray makes an image of an array)"
        )
    return _one_line(name) if isinstance(name, str) and name else "the image"


def _one_line(text: str) -> str:
    """Escape line breaks, control characters and undecodable bytes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _reason(error: Exception, limits: ImageLimits) -> str:
    match error:
        case RefusedError():
            reason = str(error)
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            allowed = min(limits.max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or limits.max_pixels))
            reason = f"it has more pixels than the limit of {allowed / 1e6:g} million; make it smaller"
        case MemoryError():
            reason = _NO_MEMORY
        case ImportError():
            reason = f"its format needs the Python package {error.name}; install it with pip"
        case OSError(strerror=str(cause)):  # from the system; errors of Pillow have none
            reason = f"{_one_line(cause)}; check that it exists and is readable"
        case _:
            detail = _one_line(str(error) or type(error).__name__)[:100]
            reason = f"it is damaged or incomplete ({detail}); download or copy it again"
    return reason


def _read(source: str | os.PathLike[str] | bytes | BinaryIO, limits: ImageLimits) -> bytes:
    """Read the whole file: if Pillow mapped it into memory, truncation by another process would crash this one."""
    if isinstance(source, (str, os.PathLike)):
        data = _read_file(Path(source), limits)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    else:
        data = _read_stream(source, limits)
    limits.check_bytes(len(data))
    if not data:
        raise RefusedError("it is empty (0 bytes); download or copy it again")
    return data


def _size(source: object) -> int:
    """Size of a file given by path, in bytes; 0 for other sources."""
    if isinstance(source, (str, os.PathLike)):
        with contextlib.suppress(OSError, ValueError):
            return os.stat(source).st_size  # noqa: PTH116
    return 0


def _read_file(path: Path, limits: ImageLimits) -> bytes:
    def open_at_once(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # opening a FIFO would block

    # Checked before opening, because opening a device may have effects, and after, because the file may be another one.
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
            raise RefusedError("it was opened as text; open it in binary mode")
        data += chunk
    return bytes(data)


def _check_status(status: os.stat_result, limits: ImageLimits) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
        raise RefusedError(f"it is {kind}, not a file; give the path of a photo")
    limits.check_bytes(status.st_size)
