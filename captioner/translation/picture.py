"""Attention between words as a picture: which words of the sentence the translator looked at for each word it wrote."""

import unicodedata

from PIL import Image, ImageDraw, ImageFont

from captioner.errors import UsageError
from captioner.translation.translator import Translation

_CELL, _SIZE, _MARGIN = 34, 17, 12  # pixels of a cell's side, of the letters, around it all
_DARK = (24, 60, 120)  # where all of the attention is
_FONTS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "arial.ttf", "Helvetica.ttc")
"""Of Linux, macOS and Windows; Pillow's own knows no accents."""


def draw_words(translation: Translation) -> Image.Image:
    """Draw a row for each word that was written and a column for each that was read, darker where attention was
    greater.

    Args:
        translation: with attention.

    Returns:
        An RGB picture.

    Raises:
        UsageError: the translation came without attention.
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
    """A font of this computer's that knows accents."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, _SIZE)
        except OSError:
            continue
    return None


def _plain(word: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))
