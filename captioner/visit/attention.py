"""Where the model looked, for people: a picture and a few words."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLD, _WARM, _HOT = (178, 24, 90), (240, 90, 30), (255, 236, 90)  # red, green, blue; each lighter than the one before
_STRENGTH = 0.8  # how much of a pixel is the map's colour where the model looked most
_FADED = 0.55  # how much of the photo's own colour goes, so that what is coloured is the map
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
    import numpy as np

    with Image.open(io.BytesIO(picture)) as opened:
        photo = np.asarray(opened.convert("RGB"), dtype=np.float32)  # (H, W, 3)
    photo += _FADED * (photo.mean(axis=-1, keepdims=True) - photo)
    weights = _smooth(shares, grid, (photo.shape[1], photo.shape[0]))
    colours = [np.interp(weights, (0, 0.5, 1), channel) for channel in zip(_COLD, _WARM, _HOT, strict=True)]
    opacity = _STRENGTH * np.sqrt(weights)[..., None]  # the root lets the lesser hills be seen
    mixed = (1 - opacity) * photo + opacity * np.stack(colours, axis=-1)
    out = io.BytesIO()
    Image.fromarray(mixed.round().astype(np.uint8)).save(out, "JPEG", quality=85)
    return out.getvalue()


def place(shares: Sequence[float], grid: tuple[int, int]) -> str:
    """Where the most attention lies: "top left", "middle centre" and so on, from the grid's greatest cell."""
    row, column = divmod(max(range(len(shares)), key=shares.__getitem__), grid[1])
    return f"{_ROWS[3 * row // grid[0]]} {_COLUMNS[3 * column // grid[1]]}"


def _smooth(shares: Sequence[float], grid: tuple[int, int], size: tuple[int, int]) -> "NDArray[np.float32]":
    """(H, W) in [0, 1]: the cells as hills, the highest of them 1, even attention 0 everywhere."""
    import numpy as np

    cells = np.asarray(shares, dtype=np.float32).reshape(grid)
    cells = (cells - cells.min()) / max(float(np.ptp(cells)), 1e-6)
    hills = np.asarray(Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC))
    return hills.clip(0, 1)
