"""Which photos are kept for validation."""

import pytest

from captioner.datasets import CaptionedPhoto, CaptionedPhotos
from captioner.errors import UsageError
from train.photos.splits import divide


def some_photos(count: int, *, split: str = "") -> CaptionedPhotos:
    names = [f"{number:05}.jpg" for number in range(count)]
    return CaptionedPhotos("here", tuple(CaptionedPhoto(name, name, ("A dog",), split) for name in names))


def test_splits_of_the_data_are_kept() -> None:
    photos = CaptionedPhotos(
        "here", tuple(CaptionedPhoto(split, split, ("A dog",), split) for split in ("train", "val", "test", ""))
    )
    problems: list[str] = []
    assert [[photo.id for photo in part] for part in divide(photos, problems)] == [["train"], ["val"]]
    assert problems == ["here: the split of  is missing, though other photos have one; use train, dev, test or unused."]
    with pytest.raises(UsageError, match="the split of Train is 'Train'; use train"):
        divide(CaptionedPhotos("here", (CaptionedPhoto("Train", "Train", ("A dog",), "Train"),)))
    with pytest.raises(UsageError, match="has no split 'dev'; available splits: train"):
        divide(some_photos(5, split="train"))


def test_every_tenth_photo_without_a_split_is_for_validation() -> None:
    train, validation = divide(some_photos(2000))
    assert len(train) + len(validation) == 2000
    assert 160 <= len(validation) <= 240
    assert not {photo.id for photo in train} & {photo.id for photo in validation}


def test_new_photos_move_no_others() -> None:
    few, many = divide(some_photos(200))[1], divide(some_photos(400))[1]
    assert [photo for photo in many if photo.id < "00200"] == few


def test_too_few_photos_to_divide_are_an_error() -> None:
    with pytest.raises(UsageError, match=r"here: too few photos \(1\)"):
        divide(some_photos(1))
