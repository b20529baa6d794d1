"""Pictures that are not photos: plain colors, gradients, noise, charts, line drawings, pages of text, silhouettes."""

import random
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 640, 480
EACH = 40  # of each kind

Color = tuple[int, int, int]


def draw_pictures(seed: int) -> Iterator[Image.Image]:
    """The same number of RGB pictures of each kind; the same seed gives the same pictures."""
    chance = random.Random(seed)
    for draw in KINDS.values():
        for _ in range(EACH):
            yield draw(chance)


def _color(chance: random.Random) -> Color:
    red, green, blue = (chance.randrange(256) for _ in range(3))
    return red, green, blue


def _paper(chance: random.Random) -> Image.Image:
    """A page to draw on; half of them are white."""
    return Image.new("RGB", (WIDTH, HEIGHT), "white" if chance.random() < 0.5 else _color(chance))


def _plain(chance: random.Random) -> Image.Image:
    return Image.new("RGB", (WIDTH, HEIGHT), _color(chance))


def _gradient(chance: random.Random) -> Image.Image:
    first, last = (np.array(_color(chance), dtype=float) for _ in range(2))
    down, across = chance.random(), chance.random()
    way = down * np.linspace(0, 1, HEIGHT)[:, None] + across * np.linspace(0, 1, WIDTH)[None]
    way /= way.max()
    return Image.fromarray((first + (last - first) * way[..., None]).astype(np.uint8))


def _noise(chance: random.Random) -> Image.Image:
    generator = np.random.default_rng(chance.randrange(2**32))
    grain = chance.choice([1, 2, 4])
    shape = (HEIGHT // grain, WIDTH // grain, chance.choice([1, 3]))
    values = np.broadcast_to(generator.integers(0, 256, shape, dtype=np.uint8), (*shape[:2], 3))
    return Image.fromarray(np.ascontiguousarray(values)).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)


def _chart(chance: random.Random) -> Image.Image:
    picture = _paper(chance)
    pen, bars = ImageDraw.Draw(picture), chance.randint(3, 12)
    width = 560 // bars
    for bar in range(bars):
        pen.rectangle(
            (50 + bar * width, 430 - chance.randrange(20, 400), 40 + (bar + 1) * width, 430), fill=_color(chance)
        )
    pen.line((40, 20, 40, 430, 620, 430), fill=0, width=2)
    return picture


def _lines(chance: random.Random) -> Image.Image:
    picture = _paper(chance)
    pen = ImageDraw.Draw(picture)
    for _ in range(chance.randint(2, 20)):
        ends = [(chance.randrange(WIDTH), chance.randrange(HEIGHT)) for _ in range(chance.randint(2, 4))]
        pen.line(ends, fill=0, width=chance.randint(1, 6))
        x, y, radius = chance.randrange(WIDTH), chance.randrange(HEIGHT), chance.randrange(10, 150)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=0, width=chance.randint(1, 6))
    return picture


def _text(chance: random.Random) -> Image.Image:
    picture = _paper(chance)
    pen, size = ImageDraw.Draw(picture), chance.randint(10, 30)
    for y in range(20, HEIGHT - 30, round(1.4 * size)):
        letters = ("".join(chance.choices("etaoinshrdlu", k=chance.randint(1, 9))) for _ in range(1200 // size // 6))
        pen.text((30, y), " ".join(letters), fill=0, font_size=size)
    return picture


def _silhouette(chance: random.Random) -> Image.Image:
    picture = _paper(chance)
    pen, color = ImageDraw.Draw(picture), 0 if chance.random() < 0.5 else _color(chance)
    for _ in range(chance.randint(1, 4)):
        x, y, radius = chance.randrange(150, 490), chance.randrange(150, 330), chance.randrange(30, 150)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
        pen.rectangle((x - radius // 2, y, x + radius // 2, HEIGHT - 40), fill=color)
    return picture


KINDS: dict[str, Callable[[random.Random], Image.Image]] = {
    "plain": _plain,
    "gradient": _gradient,
    "noise": _noise,
    "chart": _chart,
    "lines": _lines,
    "text": _text,
    "silhouette": _silhouette,
}
