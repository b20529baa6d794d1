"""Decode JPEG XL with libjxl (package pillow-jxl-plugin, of which only the decoder is used)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from captioner.images.containers import boxes
from captioner.images.limits import DECODING, ImageLimits, RefusedError

if TYPE_CHECKING:
    from PIL import Image

_DECODING = 16
"""Bytes per pixel while decoding, measured for 8-bit RGB and rounded up to allow for alpha."""
_LENGTHS = 9, 13, 18, 30  # possible numbers of bits for a side
_RATIOS = (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)  # of width to height


def read(
    data: bytes,
    limits: ImageLimits,
    draft: int | None,  # noqa: ARG001
    held: int,
) -> tuple[bytes | Image.Image, tuple[int, int]]:
    """Read a JPEG XL file; see `captioner.images.raw.read`.

    Returns:
        The upright picture, or the bytes of the JPEG that was losslessly recompressed; and width and height.

    Raises:
        RefusedError: the photo exceeds the limits, or its header is damaged.
        ImportError: pillow-jxl-plugin is not installed.
        Exception: any error of libjxl about damaged or unsupported files.
    """
    from PIL import Image
    from pillow_jxl import Decoder

    size = _size(data)
    limits.check_size(*size)
    cost = len(data) + _DECODING * size[0] * size[1]
    limits.check_memory(cost)
    with DECODING.hold(max(0, cost - held), held=held):
        is_jpeg, header, pixels, _, _ = Decoder(num_threads=0)(data)
        if is_jpeg:
            return bytes(pixels), size
        size = header.width, header.height
        if header.mode == "F;16":
            raise RefusedError("it is a JPEG XL file of 16-bit floats, which is not supported; save it as JPEG or PNG")
        return Image.frombytes(header.mode, size, pixels), size


def _size(data: bytes) -> tuple[int, int]:
    """Width and height according to the header, without decoding."""
    start = _codestream(data)
    bits = _Bits(data[start + 2 : start + 18])
    if data[start : start + 2] != b"\xff\x0a":
        raise RefusedError("it is not a photo, or its JPEG XL header is damaged; download or copy it again")
    small = bits.take(1)
    height = 8 * (bits.take(5) + 1) if small else bits.side()
    ratio = bits.take(3)
    if ratio:
        wide, high = _RATIOS[ratio - 1]
        return height * wide // high, height
    return 8 * (bits.take(5) + 1) if small else bits.side(), height


def _codestream(data: bytes) -> int:
    """Offset of the codestream, which may be in a box."""
    if data.startswith(b"\0\0\0\x0c"):
        for name, start, _ in boxes(data, 0, len(data)):
            if name in {b"jxlc", b"jxlp"}:
                return start + 4 * (name == b"jxlp")  # after the part number
    return 0


class _Bits:
    """Reads numbers of given bit lengths, lowest bit first."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        return value

    def side(self) -> int:
        return self.take(_LENGTHS[self.take(2)]) + 1
