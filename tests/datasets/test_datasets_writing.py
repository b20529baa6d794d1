"""Captioned photos in every format: round trips, and errors for content that a format cannot hold."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from captioner.datasets import CaptionedPhoto, read, write
from captioner.errors import OutputError, UsageError

SPLIT = (
    CaptionedPhoto("a.jpg", "a.jpg", ("=A dog.", 'An "old" dog; brown, not 犬'), "train"),
    CaptionedPhoto("b c/d.jpg", "b c/d.jpg", ("A cat.",), "dev"),
    CaptionedPhoto("e.jpg", "e.jpg", ("Owls", "Owls"), "test"),
)
UNSPLIT = tuple(replace(photo, split="") for photo in SPLIT)
NUMBERED = (CaptionedPhoto("42", "val/a.jpg", ("A dog.\nIt runs.",)), CaptionedPhoto("007", "b.jpg", ("A cat.", "")))


@pytest.mark.parametrize(
    ("name", "kind", "photos"),
    [
        ("mine.csv", None, SPLIT),
        ("mine.csv", None, UNSPLIT),
        ("mine.jsonl", None, SPLIT),
        ("mine.json", None, UNSPLIT),
        ("mine.json", "json", SPLIT),
        ("mine.json", "coco", UNSPLIT),
        ("mine.json", "coco", NUMBERED),
        ("mine.json", "karpathy", SPLIT),
        ("mine.json", "karpathy", NUMBERED),
        ("mine.sqlite", None, SPLIT),
        ("mine.sqlite", None, UNSPLIT),
        ("mine", "imagefolder", SPLIT),
        ("mine", "flickr8k", SPLIT),
        ("mine", "sidecars", UNSPLIT),
    ],
)
def test_what_is_written_is_read_back(
    name: str, kind: str | None, photos: tuple[CaptionedPhoto, ...], tmp_path: Path
) -> None:
    path = tmp_path / name
    write(photos, path, kind=kind)
    if kind == "sidecars":
        for photo in photos:
            Image.new("RGB", (8, 8)).save(path / photo.file)
    assert sorted(read(path).photos, key=lambda photo: photo.file) == sorted(photos, key=lambda photo: photo.file)
    with pytest.raises(OutputError, match=r"already there; set overwrite"):
        write(photos, path, kind=kind)
    write(photos, path, kind=kind, overwrite=True)


@pytest.mark.parametrize(
    ("name", "kind", "photos", "message"),
    [
        ("mine.xml", None, SPLIT, "unknown captions format 'xml'; choose one of: csv, jsonl, json, coco"),
        ("mine.csv", None, (), "contains no captioned photos"),
        ("mine.json", "coco", SPLIT, "has no splits"),
        ("mine", "flickr8k", UNSPLIT, r"3 photos \(first: 'a.jpg', .*\) with a # or a tab in the name, or in none"),
        ("mine", "flickr8k", NUMBERED, "with an empty or multi-line caption"),
        ("mine", "sidecars", NUMBERED, "with an empty or multi-line caption"),
        ("mine", "sidecars", (replace(SPLIT[0], file="../a.jpg"),), "outside the directory"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(
    name: str, kind: str | None, photos: tuple[CaptionedPhoto, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        write(photos, tmp_path / name, kind=kind)
    assert not (tmp_path / name).exists()
