"""Photos with reference captions, independent of the file format."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from captioner.datasets.structure import count_and_first, refuse_all, refuse_twice
from captioner.errors import UsageError

# Published files use several names for the validation split.
_SAME_SPLIT = {"val": "dev", "validation": "dev", "dev": "dev"}


@dataclass(frozen=True)
class CaptionedPhoto:
    """One photo and its captions, written by people.

    Attributes:
        id: identifies the photo in predictions and results.
        file: path of the photo, relative to the directory of photos.
        captions: at least one caption, unchanged.
        split: as in the data (train, dev, val, test, restval, unused); empty if the data has no splits.
    """

    id: str
    file: str
    captions: tuple[str, ...]
    split: str = ""


@dataclass(frozen=True)
class CaptionedPhotos:
    """Photos in the order of their source, with unique ids.

    Attributes:
        source: the file or directory they were read from, for messages.
        photos: at least one photo.

    Raises:
        UsageError: there are no photos, an id is repeated, or a photo has no captions.
    """

    source: str
    photos: tuple[CaptionedPhoto, ...]

    def __post_init__(self) -> None:
        if not self.photos:
            raise UsageError(f"{self.source} contains no captioned photos.")
        refuse_twice(self.source, (photo.id for photo in self.photos))
        bare = [photo.id for photo in self.photos if not photo.captions]
        if bare:
            raise UsageError(f"{self.source}: {count_and_first(bare, 'photo')} without a caption.")

    def __len__(self) -> int:
        return len(self.photos)

    def __iter__(self) -> Iterator[CaptionedPhoto]:
        return iter(self.photos)

    def select(self, split: str) -> "CaptionedPhotos":
        """The photos of one split; ``val`` and ``dev`` are the same split.

        Raises:
            UsageError: there are none; the message lists the available splits.
        """
        wanted = _SAME_SPLIT.get(split, split)
        chosen = tuple(photo for photo in self.photos if _SAME_SPLIT.get(photo.split, photo.split) == wanted)
        if not chosen:
            known = ", ".join(sorted({photo.split for photo in self.photos} - {""})) or "none"
            raise UsageError(f"{self.source} has no split {split!r}; available splits: {known}.")
        return CaptionedPhotos(self.source, chosen)

    def sample(self, count: int, *, seed: int = 0) -> "CaptionedPhotos":
        """Up to `count` photos drawn at random, in their original order."""
        if count >= len(self):
            return self
        chosen = sorted(random.Random(seed).sample(range(len(self)), count))
        return CaptionedPhotos(self.source, tuple(self.photos[number] for number in chosen))

    def references(self) -> dict[str, tuple[str, ...]]:
        """Photo id → its captions, the input of the metrics."""
        return {photo.id: photo.captions for photo in self.photos}


def gather(source: object, photos: Iterable[CaptionedPhoto], problems: list[str] | None) -> CaptionedPhotos:
    """Collect the photos of a file. With `problems`, repeated ids and photos without captions are skipped.

    Raises:
        UsageError: no photo is left or, without `problems`, a photo cannot be used.
    """
    if problems is None:
        return CaptionedPhotos(str(source), tuple(photos))
    first: dict[str, CaptionedPhoto] = {}
    again = [photo.id for photo in photos if first.setdefault(photo.id, photo) is not photo]
    refuse_all(f"{source}:", again, "id", "listed more than once", problems)
    bare = [photo.id for photo in first.values() if not photo.captions]
    refuse_all(f"{source}:", bare, "photo", "without a caption", problems)
    usable = tuple(photo for photo in first.values() if photo.captions)
    if problems and not usable:
        raise UsageError(f"{source} contains no usable photo with a caption. The last problem: {problems[-1]}")
    return CaptionedPhotos(str(source), usable)
