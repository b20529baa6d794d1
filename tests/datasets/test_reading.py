"""Readers of captions and results: all published formats."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from captioner import datasets
from captioner.datasets import (
    CaptionedPhoto,
    read_coco,
    read_flickr8k,
    read_karpathy,
    read_results,
    to_results,
)
from captioner.errors import UsageError
from tests.datasets.files import COCO, KARPATHY, LIST, RESULTS


def test_coco(write: Callable[[object], Path]) -> None:
    photos = read_coco(write(COCO))
    assert list(photos) == [
        CaptionedPhoto("42", "000000000042.jpg", ("A dog.",)),
        CaptionedPhoto("7", "7.jpg", ("A café.", " Two  cups ")),
    ]
    assert photos.references() == {"42": ("A dog.",), "7": ("A café.", " Two  cups ")}
    assert list(datasets.read(write(COCO))) == list(photos)


def test_karpathy(write: Callable[[object], Path]) -> None:
    photos = read_karpathy(write(KARPATHY))
    assert list(photos) == [
        CaptionedPhoto("a.jpg", "a.jpg", ("A dog.",), "train"),
        CaptionedPhoto("b.jpg", "b.jpg", ("A cat.", "Cats"), "val"),
    ]
    assert list(read_flickr8k(write(KARPATHY))) == list(photos)
    coco = {"filename": "x.jpg", "filepath": "val2014", "cocoid": 5, "split": "restval", "sentences": [{"raw": "Hi"}]}
    assert list(datasets.read(write({"images": [coco]}))) == [CaptionedPhoto("5", "val2014/x.jpg", ("Hi",), "restval")]


def test_list(write: Callable[[object], Path]) -> None:
    photos = read_flickr8k(write(LIST))
    assert photos.photos[0] == CaptionedPhoto("a.jpg", "a.jpg", ("A dog.", "Dogs"), "train")
    assert len(photos) == 2


def test_official_text_files(official: Path) -> None:
    assert read_flickr8k(official / "Flickr8k.token.txt").photos == read_flickr8k(official).photos
    assert list(read_flickr8k(official)) == [
        CaptionedPhoto("a.jpg", "a.jpg", ("A dog .", "A brown dog #1 runs"), "train"),
        CaptionedPhoto("b.jpg", "b.jpg", ("Cats .",), "dev"),
        CaptionedPhoto("c.jpg", "c.jpg", ("A\u2028bus",), "test"),
        CaptionedPhoto("d.jpg.1", "d.jpg.1", ("Lost",), "unused"),
    ]


@pytest.mark.parametrize(
    "name",
    ["captions.json", "dataset_flickr8k.json", "dataset.json", "captions_val2017.json", "annotations.json"],
)
def test_captions_are_found_by_their_usual_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "sizes.json").touch()
    (tmp_path / name).write_text(json.dumps(LIST), encoding="utf-8")
    assert datasets.read(tmp_path).photos == datasets.read(tmp_path / name).photos


MINE = """\
"File", Caption, split
a.jpg,"A dog, and a ball",train

b.jpg,Un café,dev
a.jpg, A "brown" dog ,
"""
MINE_JSON = """\
{"file": "a.jpg", "caption": "A dog, and a ball", "split": "train"}
{"file": "b.jpg", "captions": ["Un café"], "split": "dev", "author": "me"}
{"file": "a.jpg", "captions": ["A \\"brown\\" dog"]}
"""


@pytest.mark.parametrize(("name", "text"), [("mine.csv", MINE), ("mine.jsonl", MINE_JSON)])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_my_photos(name: str, text: str, end: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", end).encode())
    photos = [
        CaptionedPhoto("a.jpg", "a.jpg", ("A dog, and a ball", 'A "brown" dog'), "train"),
        CaptionedPhoto("b.jpg", "b.jpg", ("Un café",), "dev"),
    ]
    assert list(datasets.read(tmp_path / name)) == photos
    assert list(read_flickr8k(tmp_path / name)) == photos


def test_my_photos_need_no_splits(tmp_path: Path, write: Callable[[object], Path]) -> None:
    (tmp_path / "mine.csv").write_text("file,caption\na.jpg,A dog\n", encoding="utf-8")
    expected = [CaptionedPhoto("a.jpg", "a.jpg", ("A dog",))]
    assert list(datasets.read(tmp_path / "mine.csv")) == expected
    assert list(datasets.read(write([{"file": "a.jpg", "caption": "A dog"}]))) == expected


def test_select(write: Callable[[object], Path]) -> None:
    photos = read_flickr8k(write(LIST))
    assert [photo.id for photo in photos.select("train")] == ["a.jpg"]
    assert photos.select("val") == photos.select("dev")
    assert [photo.id for photo in read_karpathy(write(KARPATHY)).select("dev")] == ["b.jpg"]
    with pytest.raises(UsageError, match="has no split 'test'; available splits: dev, train"):
        photos.select("test")
    with pytest.raises(UsageError, match="available splits: none"):
        read_coco(write(COCO)).select("test")


def test_results(write: Callable[[object], Path]) -> None:
    predictions = read_results(write(RESULTS))
    assert predictions == {"42": "a dog", "b.jpg": ""}
    assert to_results(predictions) == RESULTS
    assert to_results({"007": "a", "-1": "b", "²": "c"}) == [
        {"image_id": "007", "caption": "a"},
        {"image_id": "-1", "caption": "b"},
        {"image_id": "²", "caption": "c"},
    ]


def test_a_byte_order_mark_is_no_obstacle(write: Callable[[object], Path]) -> None:
    assert read_results(write("\ufeff" + json.dumps(RESULTS))) == {"42": "a dog", "b.jpg": ""}


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [
        {"path": "b.jpg", "caption": "A dog."},
        {"path": "a.jpg", "caption": None},
        {"path": "b.jpg", "caption": "Two."},
    ]
    (tmp_path / "c.parquet").mkdir()
    for number, part in enumerate((rows[:2], rows[2:])):
        parquet.write_table(arrow.Table.from_pylist(part), tmp_path / "c.parquet" / f"part-{number}.parquet")
    problems: list[str] = []
    (photo,) = datasets.read(tmp_path / "c.parquet", problems=problems)
    assert (photo.file, photo.captions) == ("b.jpg", ("A dog.", "Two."))
    assert len(problems) == 1
