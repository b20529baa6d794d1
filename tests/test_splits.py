"""Which file holds the captions, and which photos are kept for validation."""

from pathlib import Path

import pytest

from captioner.errors import UsageError
from captioner.evaluation.data import CaptionedPhoto, CaptionedPhotos
from train.splits import divide, find_captions


def some_photos(count: int, *, split: str = "") -> CaptionedPhotos:
    names = [f"{number:05}.jpg" for number in range(count)]
    return CaptionedPhotos("here", tuple(CaptionedPhoto(name, name, ("A dog",), split) for name in names))


@pytest.mark.parametrize(
    "name",
    [
        "captions.json",
        "captions.csv",
        "captions.jsonl",
        "dataset_flickr8k.json",
        "dataset.json",
        "captions_val2017.json",
        "annotations.json",
    ],
)
def test_captions_are_found_by_their_usual_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "sizes.json").touch()
    (tmp_path / name).touch()
    assert find_captions(tmp_path) == tmp_path / name


def test_the_official_text_files_are_a_directory(tmp_path: Path) -> None:
    (tmp_path / "Flickr8k.token.txt").touch()
    (tmp_path / "Flickr_8k.trainImages.txt").touch()
    assert find_captions(tmp_path) == tmp_path


def test_no_captions_and_several_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"holds no captions; looked for captions\.csv, captions\.jsonl, captions\.json,"
    ):
        find_captions(tmp_path)
    (tmp_path / "captions_train2017.json").touch()
    (tmp_path / "captions_val2017.json").touch()
    with pytest.raises(
        UsageError, match=r"several files of captions \(captions_train2017\.json, captions_val2017\.json\)"
    ):
        find_captions(tmp_path)


def test_splits_of_the_data_are_kept() -> None:
    photos = CaptionedPhotos(
        "here", tuple(CaptionedPhoto(split, split, ("A dog",), split) for split in ("train", "val", "test", ""))
    )
    problems: list[str] = []
    assert [[photo.id for photo in part] for part in divide(photos, problems)] == [["train"], ["val"]]
    assert problems == ["here: the split of  is not said, though that of others is; use train, dev, test or unused."]
    with pytest.raises(UsageError, match="the split of Train is 'Train'; use train"):
        divide(CaptionedPhotos("here", (CaptionedPhoto("Train", "Train", ("A dog",), "Train"),)))
    with pytest.raises(UsageError, match="no photos of the split 'dev'; its splits: train"):
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
