"""Divide photos into training and validation."""

import hashlib

from captioner.datasets import CaptionedPhoto, CaptionedPhotos
from captioner.datasets.structure import refuse
from captioner.errors import UsageError

SPLITS = frozenset({"train", "dev", "val", "validation", "test", "restval", "unused"})
"""Valid names of splits. The last three are used neither for training nor for validation."""


def divide(
    photos: CaptionedPhotos, problems: list[str] | None = None
) -> tuple[list[CaptionedPhoto], list[CaptionedPhoto]]:
    """Training and validation photos by the splits in the data; without splits, about every tenth photo is used for
    validation.

    That choice depends only on the files' names, so adding photos moves no others.

    Args:
        photos: all photos.
        problems: receives a sentence for each photo with an unknown split; without it, the first is an error.

    Raises:
        UsageError: training or validation would be empty.
    """
    if any(photo.split for photo in photos):
        for photo in photos:
            if photo.split not in SPLITS:
                said = f"is {photo.split!r}" if photo.split else "is missing, though other photos have one"
                refuse(f"{photos.source}: the split of {photo.file} {said}; use train, dev, test or unused.", problems)
        return list(photos.select("train")), list(photos.select("dev"))
    train, validation = ([photo for photo in photos if _held_out(photo) == held] for held in (False, True))
    if not (train and validation):
        raise UsageError(
            f"{photos.source}: too few photos ({len(photos)}) to keep every tenth of them for validation; "
            "add photos, or give each photo a split (train or dev)."
        )
    return train, validation


def _held_out(photo: CaptionedPhoto) -> bool:
    return hashlib.sha256(photo.file.encode()).digest()[0] < 0.1 * 256
