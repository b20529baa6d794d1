"""Captions in text files beside photos: `photo.txt` or `photo.jpg.txt` for `photo.jpg`, one caption per line."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from captioner.datasets.photos import CaptionedPhoto, CaptionedPhotos, gather
from captioner.datasets.structure import count_and_first, refuse
from captioner.errors import UsageError
from captioner.files import read_text
from captioner.folders.finding import Photos

SUFFIXES = (".txt", ".caption")


def read_sidecars(directory: Path, problems: list[str] | None) -> CaptionedPhotos | None:
    """Read the captions of all photos in a directory tree.

    Args:
        directory: where the photos are.
        problems: if given, unusable photos and files are skipped and described here.

    Returns:
        The photos that have a text file, named relative to the directory; None if no photo has one.

    Raises:
        UsageError: `problems` is None, and a file cannot be read or is empty, or only some photos have a file.
    """
    bare: list[str] = []
    texts = 0

    def photos() -> Iterator[CaptionedPhoto]:
        nonlocal texts
        for found in Photos(names=[str(directory)], recursive=True):
            if found.problem:
                refuse(f"{found.problem}.", problems)
                continue
            path, name = Path(found.path), PurePath(found.relative).as_posix()
            sidecar = _sidecar(path)
            if sidecar is None:
                bare.append(name)
                continue
            texts += 1
            if captions := _captions(sidecar, problems):
                yield CaptionedPhoto(name, name, captions)

    written = list(photos())
    if not texts:
        return None
    if bare:
        refuse(f"{directory}: {count_and_first(bare, 'photo')} without a text file beside it.", problems)
    return gather(directory, written, problems)


def _sidecar(photo: Path) -> Path | None:
    names = (photo.with_name(photo.name + suffix) for suffix in SUFFIXES)
    stems = (photo.with_suffix(suffix) for suffix in SUFFIXES)
    # Path.is_file raises an error for names that no file can have.
    return next((path for path in (*names, *stems) if os.path.isfile(path)), None)  # noqa: PTH113


def _captions(path: Path, problems: list[str] | None) -> tuple[str, ...]:
    try:
        captions = tuple(line.strip() for line in read_text(path).split("\n") if line.strip())
    except UsageError as problem:
        refuse(str(problem), problems)
        return ()
    if not captions:
        refuse(f"{path} contains no caption.", problems)
    return captions
