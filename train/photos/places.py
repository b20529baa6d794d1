"""Find the folder of the photos named in a file of captions, whatever their names are relative to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath

from captioner.datasets import CaptionedPhoto
from captioner.errors import UsageError

IMAGES = "images"
"""Usual name of the directory of photos beside the captions."""
_SAMPLE = 50  # number of photos by which a folder is chosen


@dataclass(frozen=True)
class Place:
    """Maps names of photos to files.

    Attributes:
        folder: directory that the names are relative to.
        strip: number of leading folders to remove from each name: those of the machine or directory it comes from.
    """

    folder: Path
    strip: int = 0

    def path(self, photo: CaptionedPhoto) -> Path:
        """The file of a photo."""
        if not self.strip and (plain := self.folder / photo.file).exists():
            return plain
        return self.folder.joinpath(*_parts(photo.file)[self.strip :])

    def absolute(self, photos: Sequence[CaptionedPhoto]) -> list[CaptionedPhoto]:
        """The photos with absolute paths as names, which are valid from any directory."""
        return [replace(photo, file=str(self.path(photo).absolute())) for photo in photos]


def home(source: Path) -> Path:
    """The directory of a file of captions; a directory is returned as it is."""
    return source if source.is_dir() else source.parent


def find_place(source: Path, photos: Sequence[CaptionedPhoto], images: str = "") -> Place:
    """Find the photos of a file of captions.

    Candidates are `images/` and `Images/` beside the file, its own folder, and the other folders there; then the same
    without the folders that all names start with. The place with most of the first photos wins; among equals (also if
    no photo is found), the first.

    Args:
        source: file of captions, or its directory.
        photos: the photos that it names.
        images: folder of the photos, if the user has given it.

    Raises:
        UsageError: the folder `images` does not exist.
    """
    if images and not Path(images).is_dir():
        raise UsageError(f"data.images: {images} is not a directory.")
    folders = [Path(images)] if images else list(_folders(home(source)))
    places = [Place(folder, strip) for strip in range(_shared(photos) + 1) for folder in folders]
    found = {place: sum(place.path(photo).is_file() for photo in photos[:_SAMPLE]) for place in places}
    return max(found, key=found.__getitem__)


def _folders(directory: Path) -> Iterator[Path]:
    first = [directory / IMAGES, directory / "Images", directory]
    yield from first
    yield from sorted(folder for folder in directory.iterdir() if folder.is_dir() and folder not in first)


def _shared(photos: Sequence[CaptionedPhoto]) -> int:
    """The number of leading folders that all names share."""
    folders = zip(*(_parts(photo.file)[:-1] for photo in photos), strict=False)
    return sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, folders))


def _parts(name: str) -> list[str]:
    """A name's folders and file; Windows separates them with backslashes."""
    return list(PurePosixPath(name.replace("\\", "/")).parts)
