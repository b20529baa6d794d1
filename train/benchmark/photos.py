"""The photos of a benchmark: the user's, or JPEG files made from scikit-image's photographs."""

import importlib.util
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from captioner.errors import UsageError
from captioner.folders.finding import Photos
from captioner.images import open_image

SAMPLES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
SIZE = (341, 256)
LARGE = (4000, 3000)


def find_photos(directory: Path | None, count: int, scratch: Path) -> list[Path]:
    """The first `count` photos of a directory, by name; of its own photos, in `scratch`, if None.

    Raises:
        UsageError: the directory holds no photo.
    """
    if directory is None:
        return make_photos(scratch, count)
    paths = [Path(found.path) for found in Photos(arguments=[str(directory)]) if found.problem is None]
    if not paths:
        raise UsageError(f"--photos {directory}: holds no photo; give a folder of JPEG files.")
    return paths[:count]


def make_photos(directory: Path, count: int) -> list[Path]:
    """Different crops of scikit-image's photographs, as JPEG files of 341 × 256 pixels.

    Raises:
        UsageError: scikit-image is not installed.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise UsageError(
            "the benchmark's own photos are scikit-image's, which is missing; install it or give --photos."
        )
    data = Path(package.origin).parent / "data"
    originals = [open_image(data / name).image for name in SAMPLES]
    paths = []
    for number, image in zip(range(count), itertools.cycle(originals), strict=False):
        side = 0.5 + 0.5 * ((number * 7) % 20) / 20  # share of the original that is seen
        width, height = round(image.width * side), round(image.height * side)
        left = (image.width - width) * (number * 3 % 11) // 10
        top = (image.height - height) * (number * 5 % 11) // 10
        path = directory / f"{number:05}.jpg"
        image.resize(SIZE, box=(left, top, min(left + width, image.width), min(top + height, image.height))).save(path)
        paths.append(path)
    return paths


def make_large(photos: Sequence[Path], directory: Path, count: int) -> None:
    """JPEG files of 12 megapixels, as large as those of phones: photos scaled up, with the noise of a sensor."""
    noise = np.random.default_rng(0).normal(0, 6, (LARGE[1], LARGE[0], 1))
    for number, path in zip(range(count), itertools.cycle(photos), strict=False):
        image = np.asarray(open_image(path).image.resize(LARGE), dtype=np.float32)
        noisy = (image + np.roll(noise, 31 * number, axis=1)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(directory / f"{number:05}.jpg", quality=90)
