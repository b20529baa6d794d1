"""Convert pixels of any mode to RGB, strip by strip to save memory.

ICC profiles are not applied: models are trained without them, Display P3 read as sRGB only looks slightly paler, and a
damaged or malicious profile that is not parsed is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Box = tuple[int, int, int, int]

_STRIP = 1 << 21
"""Number of pixels per strip."""


@dataclass(frozen=True, kw_only=True)
class Tones:
    """Properties of a file's pixel values that Pillow's mode does not express.

    Attributes:
        inverted: the lowest value is white.
        white: the largest value of 16-bit grays; the decoder does not scale those with fewer bits.
        frame: the box (left, top, right, bottom) outside of which there are no pixels; None if it is the whole image.
        low: the low bytes of an image with 16 bits per channel, of which Pillow keeps the high bytes; None if `key`,
            the transparent color, is not set.
        key: see `low`; 16 bits per channel.
    """

    inverted: bool = False
    white: int = 65_535
    frame: Box | None = None
    low: Image.Image | None = None
    key: tuple[int, int, int] | None = None


PLAIN = Tones()


def to_rgb(image: Image.Image, tones: Tones = PLAIN, *, reduce: int = 1) -> Image.Image:
    """Convert to RGB, with transparency on white; returns `image` itself if it is RGB, opaque and not reduced.

    A completely transparent alpha channel is ignored: Windows' clipboard and some scanners write images with one.

    Args:
        image: loaded, in any mode.
        tones: properties of the pixel values.
        reduce: average blocks of `reduce` × `reduce` pixels.
    """
    convert = _converter(image, tones)
    width, height = image.size
    if convert is None and reduce == 1:
        return image
    picture = Image.new("RGB", (-(-width // reduce), -(-height // reduce)))
    for box in _strips(image, reduce):
        part = image.crop(box)
        part = part if convert is None else convert(part, box)
        picture.paste(part.reduce(reduce) if reduce > 1 else part, (0, box[1] // reduce))
    return picture


def _strips(image: Image.Image, reduce: int = 1) -> Iterator[Box]:
    """Boxes of the image's full width, with heights that are multiples of `reduce` (except the last)."""
    width, height = image.size
    rows = max(1, _STRIP // (width * reduce)) * reduce
    for top in range(0, height, rows):
        yield 0, top, width, min(top + rows, height)


def _converter(image: Image.Image, tones: Tones) -> Callable[[Image.Image, Box], Image.Image] | None:
    """The function that converts a strip to RGB; None if no conversion is needed."""
    if tones.low is not None:
        return _Keyed(tones)
    if image.mode.startswith(("I", "F")):
        return _Scaled(image, tones)
    if tones.frame is not None:
        return _Framed(tones.frame)
    if image.has_transparency_data:
        return _without_alpha if _hides_a_picture(image) else _on_white
    return None if image.mode == "RGB" else lambda part, _: part.convert("RGB")


def _hides_a_picture(image: Image.Image) -> bool:
    """Whether alpha is 0 everywhere although the colors vary."""
    colors: set[tuple[int, int]] = set()
    for box in _strips(image):
        *channels, alpha = image.crop(box).convert("RGBA").split()
        if alpha.getextrema() != (0, 0):
            return False
        colors |= {(number, value) for number, channel in enumerate(channels) for value in _ends(channel)}
    return len(colors) > 3


def _ends(channel: Image.Image) -> tuple[int, int]:
    histogram = channel.histogram()
    found = [value for value, count in enumerate(histogram) if count]
    return found[0], found[-1]


def _without_alpha(part: Image.Image, _: Box) -> Image.Image:
    return part.convert("RGBA").convert("RGB")  # via RGBA, to apply a palette's transparent color


def _on_white(part: Image.Image, _: Box | None = None) -> Image.Image:
    rgba = part.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, "white")
    canvas.paste(rgba, mask=rgba)
    return canvas


class _Framed:
    """Put the existing pixels on white, because a GIF's frame may be smaller than its canvas."""

    def __init__(self, frame: Box) -> None:
        self._frame = frame

    def __call__(self, part: Image.Image, box: Box) -> Image.Image:
        left, top, right, bottom = self._frame
        canvas = Image.new("RGB", part.size, "white")
        top, bottom = max(top - box[1], 0), min(bottom - box[1], part.height)
        if top < bottom:
            canvas.paste(_on_white(part.crop((left, top, right, bottom))), (left, top))
        return canvas


class _Keyed:
    """RGB with 16 bits per channel and one transparent color."""

    def __init__(self, tones: Tones) -> None:
        self._tones = tones

    def __call__(self, part: Image.Image, box: Box) -> Image.Image:
        import numpy as np

        assert self._tones.low is not None
        high, low = np.asarray(part), np.asarray(self._tones.low.crop(box))  # (H, W, 3)
        transparent = (high.astype(np.uint16) << 8 | low) == np.asarray(self._tones.key)
        return Image.fromarray(np.where(transparent.all(axis=2, keepdims=True), np.uint8(255), high))


class _Scaled:
    """Gray with 16 bits, 32 bits or floats, scaled to 8 bits.

    The range is known only for 16 bits (I;16). Otherwise white is the smallest usual value (1 for floats, 255, 65535)
    that no pixel exceeds. If none fits, or a value is negative, the lowest value is black and the highest white.
    """

    def __init__(self, image: Image.Image, tones: Tones) -> None:
        self._inverted = tones.inverted
        key = image.info.get("transparency")
        self._key = key if isinstance(key, int) else None
        self._black, self._white = 0.0, float(tones.white)
        if not image.mode.startswith("I;16"):
            low, high = _range(image)
            usual = {"I": (255.0, 65535.0), "F": (1.0, 255.0, 65535.0)}.get(image.mode, ())
            white = next((top for top in usual if low >= 0 and high <= top), None)
            self._black, self._white = (low, high) if white is None else (0.0, white)

    def __call__(self, part: Image.Image, _: Box) -> Image.Image:
        import numpy as np

        values = _values(part)
        with np.errstate(all="ignore"):  # infinities
            scaled = np.nan_to_num((values - self._black) / (self._white - self._black or 1.0), nan=0.0).clip(0, 1)
        gray = (scaled * 255 + 0.5).astype(np.uint8)
        if self._inverted:
            gray = 255 - gray
        if self._key is not None:
            gray = np.where(values == self._key, np.uint8(255), gray)
        return Image.fromarray(gray).convert("RGB")


def _range(image: Image.Image) -> tuple[float, float]:
    """The lowest and the highest finite value; zeros if there are none."""
    import numpy as np

    low, high = float("inf"), float("-inf")
    for box in _strips(image):
        values = _values(image.crop(box))
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _values(part: Image.Image) -> NDArray[np.float32]:
    import numpy as np

    return np.asarray(part, dtype=np.float32)  # (H, W)
