"""In which folder the photos of a file of captions are, whatever their names there are relative to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath

from captioner.datasets import CaptionedPhoto
from captioner.errors import UsageError

IMAGES = "images"
"""The directory of photos beside the captions."""
_SAMPLE = 50  # photos that a folder is chosen by


@dataclass(frozen=True)
class Place:
    """How to get from the names of photos to their files.

    Attributes:
        folder: what the names are relative to.
        strip: so many leading folders of each name are left away: those of the machine or directory it was written in.
    """

    folder: Path
    strip: int = 0

    def path(self, photo: CaptionedPhoto) -> Path:
        """A photo's file."""
        if not self.strip and (plain := self.folder / photo.file).exists():
            return plain
        return self.folder.joinpath(*_parts(photo.file)[self.strip :])

    def absolute(self, photos: Sequence[CaptionedPhoto]) -> list[CaptionedPhoto]:
        """The photos, named by their whole paths, which lead to them from wherever they are read."""
        return [replace(photo, file=str(self.path(photo).absolute())) for photo in photos]


def home(source: Path) -> Path:
    """The directory that a file of captions is in; of a directory itself."""
    return source if source.is_dir() else source.parent


def find_place(source: Path, photos: Sequence[CaptionedPhoto], images: str = "") -> Place:
    """Look for the photos of a file of captions.

    Tried are `images/` and `Images/` beside it, the folder it is in, and the other folders there; then the same without
    the folders that all names begin with. The place where most of the first photos are is taken; of equals, also where
    none is there, the first.

    Args:
        source: the file of captions, or its directory.
        photos: what it names.
        images: the folder, where somebody has said it.

    Raises:
        UsageError: there is no folder `images`.
    """
    if images and not Path(images).is_dir():
        raise UsageError(f"data.images: {images} is no directory.")
    folders = [Path(images)] if images else list(_folders(home(source)))
    places = [Place(folder, strip) for strip in range(_shared(photos) + 1) for folder in folders]
    found = {place: sum(place.path(photo).is_file() for photo in photos[:_SAMPLE]) for place in places}
    return max(found, key=found.__getitem__)


def _folders(directory: Path) -> Iterator[Path]:
    first = [directory / IMAGES, directory / "Images", directory]
    yield from first
    yield from sorted(folder for folder in directory.iterdir() if folder.is_dir() and folder not in first)


def _shared(photos: Sequence[CaptionedPhoto]) -> int:
    """How many folders all names begin with."""
    folders = zip(*(_parts(photo.file)[:-1] for photo in photos), strict=False)
    return sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, folders))


def _parts(name: str) -> list[str]:
    """A name's folders and file; Windows writes other strokes between them."""
    return list(PurePosixPath(name.replace("\\", "/")).parts)
