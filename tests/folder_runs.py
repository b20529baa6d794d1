"""Fixtures for tests of folder runs: a fast fake model, and readers of a run's output."""

import json
from collections.abc import Iterable
from pathlib import Path

from captioner.cli import main
from captioner.decoding import DecodingOptions
from captioner.images import ImageLimits, Source, open_image, to_pixels
from captioner.predict import Alternative, Caption, PreparedPhoto


class Fake:
    """Captions a photo with its width; `seen` counts photos."""

    def __init__(self) -> None:
        self.seen = 0
        self.word = "photo"

    def prepare(self, source: Source, *, limits: ImageLimits | None = None) -> PreparedPhoto:
        photo = open_image(source, draft=8, limits=limits or ImageLimits())
        return PreparedPhoto(pixels=to_pixels(photo.image, 8), width=photo.width, height=photo.height)

    def caption_batch(self, photos: Iterable[PreparedPhoto], options: DecodingOptions) -> list[Caption]:
        return [self._caption(photo, options.num_captions) for photo in photos]

    def _caption(self, photo: PreparedPhoto, number: int) -> Caption:
        self.seen += 1
        sentences = tuple(
            Alternative(text=f"A {self.word} {photo.width} wide{'!' * i}", tokens=(), log_prob=-1 - i)
            for i in range(number)
        )
        return Caption(
            text=sentences[0].text,
            tokens=(),
            log_prob=-1.0,
            confidence=0.5,
            alternatives=sentences,
            attention=None,
            grid=None,
            width=photo.width,
            height=photo.height,
        )


def records(path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def names(path: str) -> list[str]:
    return [Path(str(record["path"])).name for record in records(path)]


def caption(*words: str) -> int:
    return main(["caption", "photos", *words])


ALL = [f"{number}.jpg" for number in range(10)]
