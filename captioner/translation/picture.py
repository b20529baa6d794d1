"""Draw the attention between source words and translated words."""

import unicodedata

from PIL import Image, ImageDraw, ImageFont

from captioner.errors import UsageError
from captioner.translation.translator import Translation

_CELL, _SIZE, _MARGIN = 34, 17, 12  # cell size, font size and margin in pixels
_DARK = (24, 60, 120)  # color of an attention of 1
_FONTS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "arial.ttf", "Helvetica.ttc")
"""Fonts of Linux, macOS and Windows; Pillow's default font has no accents."""


def draw_words(translation: Translation) -> Image.Image:
    """Draw a row for each translated word and a column for each source word; darker cells mean more attention.

    Args:
        translation: a translation with attention.

    Returns:
        An RGB image.

    Raises:
        UsageError: the translation has no attention.
    """
    if translation.attention is None:
        raise UsageError("this translation has no attention weights; translate with attention=True.")
    found = _find_font()
    font = found or ImageFont.load_default(_SIZE)
    written, read = (
        [word if found else _plain(word) for word in words] for words in (translation.words, translation.source_words)
    )
    left, top = (_MARGIN + max(round(font.getlength(word)) for word in words) + 8 for words in (written, read))
    width = left + _CELL * len(read) + _MARGIN
    height = top + _CELL * len(written) + _MARGIN
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    for column, word in enumerate(read):
        label = Image.new("L", (top - _MARGIN - 8, _CELL), 0)
        ImageDraw.Draw(label).text((0, _CELL // 2), word, fill=255, font=font, anchor="lm")
        upright = label.rotate(90, expand=True)
        picture.paste("black", (left + column * _CELL, _MARGIN), upright)
    for row, (word, shares) in enumerate(zip(written, translation.attention, strict=True)):
        middle = top + row * _CELL + _CELL // 2
        pen.text((left - 8, middle), word, fill="black", font=font, anchor="rm")
        for column, share in enumerate(shares):
            color = tuple(round(255 + min(1.0, share) * (dark - 255)) for dark in _DARK)
            x, y = left + column * _CELL, top + row * _CELL
            pen.rectangle((x, y, x + _CELL - 2, y + _CELL - 2), fill=color, outline=(225, 225, 225))
    return picture


def _find_font() -> ImageFont.FreeTypeFont | None:
    """A font of this computer with accented letters."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, _SIZE)
        except OSError:
            continue
    return None


def _plain(word: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))
