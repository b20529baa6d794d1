"""Decode camera raw files with LibRaw (package rawpy): the embedded preview if it is large enough, otherwise the raw
data at half size.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from PIL import Image

from captioner.images.limits import DECODING, ImageLimits

if TYPE_CHECKING:
    import rawpy

_DEVELOPING = 6
"""Measured bytes per pixel of the full-size photo during half-size development."""
_CHATTER = re.compile(rb"(unknown file: |Premature end of JPEG|Corrupt JPEG data).*\n?")
_QUIET = threading.Lock()


def read(data: bytes, limits: ImageLimits, draft: int | None, held: int) -> tuple[bytes | Image.Image, tuple[int, int]]:
    """Read a camera raw file.

    Args:
        data: the file.
        limits: limits on the photo.
        draft: see `captioner.images.open_image`.
        held: bytes of `DECODING` that the caller already holds.

    Returns:
        The preview as a JPEG, or the developed upright RGB picture; and the photo's upright width and height.

    Raises:
        RefusedError: the photo exceeds the limits.
        ImportError: rawpy is not installed.
        Exception: any error of LibRaw about damaged or unsupported files.
    """
    import rawpy

    with _quiet(), rawpy.imread(io.BytesIO(data)) as raw:
        flat = raw.sizes.width, raw.sizes.height
        size = flat[::-1] if raw.sizes.flip in {5, 6} else flat
        limits.check_size(*size)
        wanted = min(size) // 2 if draft is None else min(2 * draft, min(size) // 2)
        preview = _preview(raw, wanted)
        if preview:
            return preview, size
        cost = len(data) + _DEVELOPING * size[0] * size[1]
        limits.check_memory(cost)
        with DECODING.hold(max(0, cost - held), held=held):
            return Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True)), size


def _preview(raw: rawpy.RawPy, wanted: int) -> bytes | None:
    """The embedded JPEG preview if its shorter side has at least `wanted` pixels, else None."""
    import rawpy

    try:
        thumbnail = raw.extract_thumb()
    except rawpy.LibRawError:
        return None
    if thumbnail.format != rawpy.ThumbFormat.JPEG or not isinstance(thumbnail.data, bytes):
        return None
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        size = JpegImageFile(io.BytesIO(thumbnail.data)).size
    except (OSError, SyntaxError):
        return None
    return thumbnail.data if min(size) >= wanted else None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Discard the warnings about damaged files that LibRaw and its libjpeg print on standard error.

    They bypass `sys.stderr`. Output of other threads is delayed until the end of the block.
    """
    with _QUIET, tempfile.TemporaryFile() as caught:
        try:
            real = os.dup(2)
        except OSError:  # standard error is closed
            yield
            return
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            caught.seek(0)
            rest = _CHATTER.sub(b"", caught.read())
            if rest:
                os.write(2, rest)
            os.close(real)
