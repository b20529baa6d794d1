"""Where the model looked, for people: a picture and a few words."""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageEnhance

if TYPE_CHECKING:
    from captioner.translation.translator import Translation

_COLD, _WARM, _HOT = (178, 24, 90), (240, 90, 30), (255, 236, 90)  # red, green, blue; each lighter than the one before
_STRENGTH = 0.8  # how much of a pixel is the map's colour where the model looked most
_FADED = 0.55  # how much of the photo's own colour goes, so that what is coloured is the map
_LEVELS = range(256)
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


def heat_map(picture: bytes, shares: Sequence[float], grid: tuple[int, int]) -> bytes:
    """Lay one token's attention over a photo.

    Args:
        picture: the bytes of an RGB image file.
        shares: of attention, at least 0, row by row of the grid.
        grid: its rows and columns.

    Returns:
        A JPEG of the picture's size: the pale photo where the model looked least, yellow where it looked most.
    """
    with Image.open(io.BytesIO(picture)) as opened:
        photo = ImageEnhance.Color(opened.convert("RGB")).enhance(1 - _FADED)
    hills = _smooth(shares, grid, photo.size)
    channels = zip(_COLD, _WARM, _HOT, strict=True)
    colours = Image.merge(
        "RGB", [hills.point([_between(*channel, level) for level in _LEVELS]) for channel in channels]
    )
    # The root lets the lesser hills be seen.
    opacity = hills.point([round(255 * _STRENGTH * math.sqrt(level / 255)) for level in _LEVELS])
    photo.paste(colours, mask=opacity)
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=85)
    return out.getvalue()


def word_map(translation: "Translation") -> bytes | None:
    """A PNG of which words a translator looked at for each word it wrote; None if that is not known."""
    if translation.attention is None:
        return None
    from captioner.translation.picture import draw_words

    out = io.BytesIO()
    draw_words(translation).save(out, "PNG")
    return out.getvalue()


def place(shares: Sequence[float], grid: tuple[int, int]) -> str:
    """Where the most attention lies: "top left", "middle centre" and so on, from the grid's greatest cell."""
    row, column = divmod(max(range(len(shares)), key=shares.__getitem__), grid[1])
    return f"{_ROWS[3 * row // grid[0]]} {_COLUMNS[3 * column // grid[1]]}"


def _smooth(shares: Sequence[float], grid: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """Mode L: the cells as hills, the highest of them 255, even attention 0 everywhere."""
    low = min(shares)
    height = max(max(shares) - low, 1e-6)
    cells = Image.new("L", (grid[1], grid[0]))
    cells.putdata([round(255 * (share - low) / height) for share in shares])
    return cells.resize(size, Image.Resampling.BICUBIC)


def _between(cold: int, warm: int, hot: int, level: int) -> int:
    """One channel of the colour of a level, which is `cold` at 0, `warm` half way up, `hot` at 255."""
    share = level / 255 * 2
    return round(cold + share * (warm - cold)) if share < 1 else round(warm + (share - 1) * (hot - warm))
