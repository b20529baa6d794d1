"""Attention between words as a picture: which words of the sentence the translator looked at for each word it wrote."""

from PIL import Image, ImageDraw, ImageFont

from captioner.errors import UsageError
from captioner.translator import Translation

_CELL, _SIZE, _MARGIN = 34, 17, 12  # pixels of a cell's side, of the letters, around it all
_DARK = (24, 60, 120)  # where all of the attention is


def draw_words(translation: Translation) -> Image.Image:
    """Draw a row for each word that was written and a column for each that was read, darker where attention was greater.

    Args:
        translation: with attention.

    Returns:
        An RGB picture.

    Raises:
        UsageError: the translation came without attention.
    """
    if translation.attention is None:
        raise UsageError("this translation came without attention; ask for it with attention=True.")
    font = ImageFont.load_default(_SIZE)
    left = _MARGIN + max(round(font.getlength(word)) for word in translation.words) + 8
    top = _MARGIN + max(round(font.getlength(word)) for word in translation.source_words) + 8
    width = left + _CELL * len(translation.source_words) + _MARGIN
    height = top + _CELL * len(translation.words) + _MARGIN
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    for column, word in enumerate(translation.source_words):
        label = Image.new("L", (top - _MARGIN - 8, _CELL), 0)
        ImageDraw.Draw(label).text((0, _CELL // 2), word, fill=255, font=font, anchor="lm")
        upright = label.rotate(90, expand=True)
        picture.paste("black", (left + column * _CELL, _MARGIN), upright)
    for row, (word, shares) in enumerate(zip(translation.words, translation.attention, strict=True)):
        middle = top + row * _CELL + _CELL // 2
        pen.text((left - 8, middle), word, fill="black", font=font, anchor="rm")
        for column, share in enumerate(shares):
            colour = tuple(round(255 + min(1.0, share) * (dark - 255)) for dark in _DARK)
            x, y = left + column * _CELL, top + row * _CELL
            pen.rectangle((x, y, x + _CELL - 2, y + _CELL - 2), fill=colour, outline=(225, 225, 225))
    return picture
