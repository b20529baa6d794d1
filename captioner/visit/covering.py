"""Occlusion analysis: which part of a photo a caption depends on.

Each part of the photo is blurred in turn, and the model scores its own caption on the result. The part where the
probability drops most is the part that matters most. Unlike attention, this measures the whole model from pixels to
words (Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2, who occlude with
gray).
"""

import dataclasses
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from captioner.predict import Captioner

_SIDE = 7  # cells in each row and column of the grid
_LEAST_DROP = 0.5  # in nats: the caption becomes 40 % less probable
_ABOVE_OTHERS = 3.0  # times the median drop
_TOGETHER = 0.6  # a neighbor with at least this share of the largest drop joins the area


@dataclass(frozen=True)
class Covering:
    """The effect of occluding each part of a photo on the probability of its caption.

    Attributes:
        drops: decrease in log-probability for each cell of a square grid, row by row; negative if it increased.
        area: left, top, width, and height of the most important area as fractions of the photo's sides; None if no
            single area stands out.
    """

    drops: tuple[float, ...]
    area: tuple[float, float, float, float] | None


def cover(model: "Captioner", picture: bytes, sentence: str) -> Covering:
    """Occlude each of the 49 parts of a photo in turn.

    Args:
        model: the model that wrote the caption.
        picture: the bytes of an image file.
        sentence: the caption, in English.

    Raises:
        ImageError: the photo cannot be read.
    """
    import numpy as np

    whole = model.prepare(picture)
    image = Image.fromarray(whole.pixels)
    blurred = image.filter(ImageFilter.GaussianBlur(image.width / 12))
    variants = [whole]
    edges = [round(number * image.width / _SIDE) for number in range(_SIDE + 1)]
    for row in range(_SIDE):
        for column in range(_SIDE):
            box = (edges[column], edges[row], edges[column + 1], edges[row + 1])
            covered = image.copy()
            covered.paste(blurred.crop(box), box)
            variants.append(dataclasses.replace(whole, pixels=np.array(covered)))
    first, *others = (values[0] for values in model.log_probs(variants, [[sentence]] * len(variants)))
    drops = tuple(first - value for value in others)
    return Covering(drops, area_of(drops))


def area_of(drops: tuple[float, ...]) -> tuple[float, float, float, float] | None:
    """The area around the largest drop; see `Covering`."""
    most = max(range(len(drops)), key=drops.__getitem__)
    middle = statistics.median(map(abs, drops))
    if drops[most] < max(_LEAST_DROP, _ABOVE_OTHERS * middle):
        return None
    row, column = divmod(most, _SIDE)
    top, bottom, left, right = row, row, column, column
    for near_row, near_column in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
        inside = 0 <= near_row < _SIDE and 0 <= near_column < _SIDE
        if inside and drops[near_row * _SIDE + near_column] >= _TOGETHER * drops[most]:
            top, bottom = min(top, near_row), max(bottom, near_row)
            left, right = min(left, near_column), max(right, near_column)
    return left / _SIDE, top / _SIDE, (right - left + 1) / _SIDE, (bottom - top + 1) / _SIDE
