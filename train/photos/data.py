"""Photos and captions prepared for training: splits, and decoded pixels in a cache on disk."""

import errno
import gzip
import itertools
import json
import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from captioner import datasets
from captioner.datasets import CaptionedPhoto
from captioner.datasets.structure import as_texts, refuse_all
from captioner.errors import ImageError, OutputError, UsageError
from captioner.files import decode_text, replacing
from captioner.images import open_image, to_pixels
from captioner.interrupt import Interrupt
from train.photos.config import DataSettings
from train.photos.places import IMAGES, Place, find_place, home
from train.photos.splits import divide
from train.task import hash_of

CACHED = "pixels-*", "features-*"
"""Patterns of the cached files' names."""


@dataclass(frozen=True)
class PhotoSet:
    """Photos of one split, squashed to the model's square, and their captions.

    Attributes:
        photos: the records, without those whose photo cannot be read.
        pixels: (P, S, S, 3), RGB, uint8, on disk.
        key: hash of everything the pixels depend on; rewritten files get another key, because their content is unknown.
        names: hash of the photos' names and sizes; a copy of the folder elsewhere has the same hash.
        skipped: one sentence for each photo that was skipped.
    """

    photos: tuple[CaptionedPhoto, ...]
    pixels: NDArray[np.uint8]
    key: str
    names: str
    skipped: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.photos)


def read_splits(data: DataSettings, problems: list[str] | None = None) -> dict[str, list[CaptionedPhoto]]:
    """Read the splits `train` and `validation`, and each further validation file.

    Photos of `data.also` that are also validation photos or in the data's test split (by name and size) are left out.
    A further validation file is named after its directory, or after itself if that name is taken.

    Args:
        data: the settings.
        problems: receives one sentence for each skipped photo or caption; without it, the first is an error.

    Raises:
        UsageError: the data cannot be found, or a split is empty.
    """
    if not data.root:
        raise UsageError("data.root is not set; set it to the directory of the data with --set data.root=DIR.")
    root = Path(data.root)
    photos = datasets.read(root, problems=problems)
    train, validation = divide(photos, problems)
    place = find_place(root, photos.photos, data.images)
    tested = [photo for photo in photos if photo.split == "test"]
    held_out = {_identity(place.path(photo)) for photo in (*validation, *tested)}
    train, validation = train[: data.limit or None], validation[: data.validation_limit or None]
    if place != Place(home(root) / IMAGES):
        train, validation = place.absolute(train), place.absolute(validation)
    further: dict[str, list[CaptionedPhoto]] = {}
    for file in map(Path, data.validation):
        name = home(file).name if home(file).name not in {root.name, *further} else file.stem
        measured = datasets.read(file, problems=problems).photos
        further[name] = find_place(file, measured).absolute(measured)[: data.validation_limit or None]
        held_out |= {_identity(Path(photo.file)) for photo in further[name]}
    for file in map(Path, data.also):
        also = datasets.read(file, problems=problems).photos
        located = find_place(file, also).absolute(also)
        known = {photo.id for photo in located if _identity(Path(photo.file)) in held_out}
        names = sorted(photo.file for photo in also if photo.id in known)
        refuse_all(f"{file}:", names, "photo", f"for validation or testing in {root}", problems)
        train += [photo for photo in located if photo.id not in known]
    return {"train": train, "validation": validation, **further}


def read_texts(files: Sequence[str]) -> list[str]:
    """Read captions without photos: one per line, or JSON Lines with the key `captions`; `.gz` is unpacked.

    Raises:
        UsageError: a file is missing or damaged.
    """
    texts: list[str] = []
    for path in map(Path, files):
        try:
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            lines = [line.strip() for line in decode_text(data, f"data.text: {path}").split("\n") if line.strip()]
            if ".jsonl" in path.suffixes:
                texts += [caption for line in lines for caption in as_texts(json.loads(line)["captions"])]
            else:
                texts += lines
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as problem:
            raise UsageError(f"data.text: {path} contains no readable captions ({problem!r}).") from None
    return texts


def load_photos(photos: Sequence[CaptionedPhoto], images: Path, *, size: int, cache: Path, name: str) -> PhotoSet:
    """Decode photos once and cache their pixels in one memory-mapped file.

    Args:
        photos: the records of one split.
        images: directory of their files.
        size: side of the square in pixels.
        cache: directory for the file.
        name: name of the split in progress bars and errors.

    Raises:
        UsageError: no photo can be read.
    """
    stamps = [_stamp(images / photo.file) for photo in photos]
    key = hash_of("pixels", size, [(photo.file, *stamp) for photo, stamp in zip(photos, stamps, strict=True)])
    path, notes = cache / f"pixels-{key}.npy", cache / f"pixels-{key}.json"
    if not (path.is_file() and notes.is_file()) or _mended(images, photos, notes, size):
        cache.mkdir(parents=True, exist_ok=True)
        _decode([images / photo.file for photo in photos], size, path, notes, name)
    skipped: dict[str, str] = json.loads(notes.read_text(encoding="utf-8"))
    kept = [number for number in range(len(photos)) if str(number) not in skipped]
    if not kept:
        folder = (images / photos[0].file).parent if photos else images
        hint = "" if any(size for size, _ in stamps) else "; if the photos are elsewhere, use --set data.images=DIR"
        first = next(iter(skipped.values()), "none")
        raise UsageError(f"{name}: no readable photo in {folder} (the first: {first}){hint}")
    pixels = np.load(path, mmap_mode="r")[: len(kept)]  # the rows of skipped photos stay empty, at the end
    sizes = [(Path(photo.file).name, bytes_) for photo, (bytes_, _) in zip(photos, stamps, strict=True)]
    names = hash_of(size, sizes, kept)
    return PhotoSet(tuple(photos[number] for number in kept), pixels, key, names, tuple(skipped.values()))


def _mended(images: Path, photos: Sequence[CaptionedPhoto], notes: Path, size: int) -> bool:
    """Whether a photo that could not be read now can: a permission or a disk may be restored without changing the
    file's date.
    """
    skipped = json.loads(notes.read_text(encoding="utf-8"))
    return any(not isinstance(_pixels(images / photos[int(number)].file, size), str) for number in skipped)


def _pixels(file: Path, size: int) -> NDArray[np.uint8] | str:
    """A photo's pixels, or the reason why it cannot be read."""
    try:
        return to_pixels(open_image(file, draft=size).image, size)
    except ImageError as problem:
        return str(problem)


def _decode(files: list[Path], size: int, path: Path, notes: Path, name: str) -> None:
    skipped: dict[int, str] = {}
    rows = 0
    # An exception raised by a signal inside a thread pool can leave it in a deadlock.
    with replacing(path) as temporary, ThreadPoolExecutor() as pool, Interrupt() as interrupt:
        pixels: NDArray[np.uint8] = new_array(temporary, np.uint8, (len(files), size, size, 3))
        for number, result in enumerate(
            tqdm(pool.map(_pixels, files, itertools.repeat(size)), f"{name} photos", len(files), unit="photo")
        ):
            if interrupt.requested:
                pool.shutdown(cancel_futures=True)
                raise KeyboardInterrupt
            if isinstance(result, str):
                skipped[number] = result
            else:
                pixels[rows] = result
                rows += 1
        del pixels  # flushes it; Windows does not rename a mapped file
    with replacing(notes) as temporary:
        temporary.write_text(json.dumps(skipped), encoding="utf-8")


def new_array(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    """A memory-mapped array in a new file whose disk space is reserved: running out of it later would kill the process.

    Raises:
        OutputError: there is not enough disk space.
    """
    array: NDArray[Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as problem:
                if problem.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                    raise OutputError(
                        f"{path.parent}: no space for {array.nbytes / 1e6:,.0f} MB ({problem.strerror}); "
                        "choose another directory with --set data.cache=DIR."
                    ) from None
    return array


def _identity(file: Path) -> tuple[str, int]:
    """Name and size, which are the same in every copy of the photo's folder."""
    return file.name, _stamp(file)[0]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except (OSError, ValueError):  # missing, or not a valid file name
        return (0, 0)
    return (stat.st_size, stat.st_mtime_ns)
