"""Which photos are learned from and which measured on."""

import hashlib

from captioner.datasets import CaptionedPhoto, CaptionedPhotos
from captioner.datasets.structure import refuse
from captioner.errors import UsageError

SPLITS = frozenset({"train", "dev", "val", "validation", "test", "restval", "unused"})
"""What a split may be called; of the last three nothing is learned, and nothing is measured on them while learning."""


def divide(
    photos: CaptionedPhotos, problems: list[str] | None = None
) -> tuple[list[CaptionedPhoto], list[CaptionedPhoto]]:
    """The photos to learn from and those to validate on, as the data says; if it says nothing, every tenth is for
    validation.

    Which ones follows from their files' names alone, so that new photos move no others.

    Args:
        photos: all of them.
        problems: takes a sentence for each photo whose split has no known name; without it, the first is an error.

    Raises:
        UsageError: one of the two would be empty.
    """
    if any(photo.split for photo in photos):
        for photo in photos:
            if photo.split not in SPLITS:
                said = f"is {photo.split!r}" if photo.split else "is not said, though that of others is"
                refuse(f"{photos.source}: the split of {photo.file} {said}; use train, dev, test or unused.", problems)
        return list(photos.select("train")), list(photos.select("dev"))
    train, validation = ([photo for photo in photos if _held_out(photo) == held] for held in (False, True))
    if not (train and validation):
        raise UsageError(
            f"{photos.source}: too few photos ({len(photos)}) to keep every tenth of them for validation; "
            "add photos, or say for each of them which split it is in, train or dev."
        )
    return train, validation


def _held_out(photo: CaptionedPhoto) -> bool:
    return hashlib.sha256(photo.file.encode()).digest()[0] < 0.1 * 256
