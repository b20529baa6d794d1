"""Readers of captions and results: each mistake in a file is one sentence, and can be left out where that is asked."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from captioner import datasets
from captioner.datasets import (
    CaptionedPhoto,
    CaptionedPhotos,
    read_coco,
    read_flickr8k,
    read_karpathy,
    read_results,
)
from captioner.errors import UsageError
from tests.datasets.files import COCO, LIST


def test_no_captions_and_several_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"contains no captions; expected one of captions\.csv, captions\.jsonl, captions\.json,"
    ):
        datasets.read(tmp_path)
    (tmp_path / "captions_train2017.json").touch()
    (tmp_path / "captions_val2017.json").touch()
    with pytest.raises(UsageError, match=r"several caption files \(captions_train2017\.json, captions_val2017\.json\)"):
        datasets.read(tmp_path)


WRONG_LINES = [
    ("mine.csv", "a.jpg,A dog", "the first line is 'a.jpg,A dog'; expected file,caption or file,caption,split"),
    ("mine.csv", "", "the first line is ''"),
    ("mine.csv", "file,caption\n\na.jpg,A dog, a ball", "line 3 has too many fields; put captions that contain commas"),
    ("mine.csv", 'file,caption\na.jpg,"A dog\nb.jpg,A cat', "line 2 is not CSV"),
    ("mine.csv", "file,caption\na.jpg", "line 2 has no file or no caption"),
    ("mine.csv", "file,caption\na.jpg,  ", "line 2 has no file or no caption"),
    ("mine.csv", "file,caption\n,A dog", "line 2 has no file or no caption"),
    ("mine.csv", "file,caption,split\na.jpg,A dog", "line 2 has no split column"),
    (
        "mine.csv",
        "file,caption,split\na.jpg,A,train\na.jpg,B,dev",
        "line 3 puts a.jpg in split 'dev', but an earlier line puts it in 'train'",
    ),
    ("mine.csv", "file,caption\n", "contains no captioned photos"),
    ("mine.jsonl", "{", "line 1 is not a JSON object with"),
    ("mine.jsonl", "[" * 100_000, "line 1 is not a JSON object with"),
    ("mine.jsonl", '\n["a.jpg", "A dog"]', "line 2 is not a JSON object with"),
    ("mine.jsonl", '{"file": "a.jpg"}', "line 1 is not a JSON object with"),
    ("mine.jsonl", '{"file": "", "caption": "A dog"}', "line 1 is not a JSON object with"),
    ("mine.jsonl", '{"file": "a.jpg", "captions": "A dog"}', "line 1 is not a JSON object with"),
    ("mine.jsonl", '{"file": "a.jpg", "captions": []}', "1 photo (first: 'a.jpg') without a caption"),
]


@pytest.mark.parametrize(("name", "text", "message"), WRONG_LINES)
def test_wrong_lines_of_my_photos(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        datasets.read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_wrong_can_be_named_and_left_out(tmp_path: Path, write: Callable[[object], Path]) -> None:
    def read(path: Path) -> tuple[list[tuple[str, tuple[str, ...]]], str]:
        problems: list[str] = []
        photos = datasets.read(path, problems=problems)
        return [(photo.id, photo.captions) for photo in photos], "\n".join(problems)

    path = tmp_path / "mine.csv"
    path.write_text('file,caption\na.jpg,"A dog\na.jpg,Dogs\nb.jpg\nc.jpg,A cat\n', encoding="utf-8")
    photos, problems = read(path)
    assert photos == [("a.jpg", ("Dogs",)), ("c.jpg", ("A cat",))]
    assert problems.count("\n") == 1
    assert f"{path}, line 2 is not CSV" in problems
    assert f"{path}, line 4 has no file or no caption." in problems

    photos, problems = read(write([*LIST, LIST[0], {"file": "c.jpg", "captions": []}, {"file": "d.jpg"}]))
    assert photos == [("a.jpg", ("A dog.", "Dogs")), ("b.jpg", ("A cat.",))]
    for part in (
        "id 'a.jpg' listed more than once",
        "photo 'c.jpg' without a caption",
        "item {'file': 'd.jpg'} with missing",
    ):
        assert part in problems

    note = {"image_id": 8, "caption": "Nothing"}
    photos, problems = read(write(changed(COCO, annotations=[NOTE, note, {"image_id": 7}])))
    assert photos == [("42", ("A dog.",))]
    for part in ("photo '7' without a caption", "id '8' missing from its images", "item {'image_id': 7} with missing"):
        assert part in problems

    path.write_text("file,caption\na.jpg\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"no usable photo with a caption.*line 2 has no file"):
        read(path)


def test_what_is_wrong_in_official_text_files_can_be_left_out(official: Path) -> None:
    with (official / "Flickr8k.token.txt").open("a", encoding="utf-8") as file:
        file.write("\na.jpg A cat\n")
    (official / "Flickr_8k.devImages.txt").write_text("b.jpg\nx.jpg\n", encoding="utf-8")
    problems: list[str] = []
    photos = datasets.read(official, problems=problems)
    assert [photo.split for photo in photos] == ["train", "dev", "test", "unused"]
    assert len(problems) == 2
    assert "line 7 is not FILE#NUMBER, a tab and a caption" in problems[0]
    assert "photo 'x.jpg' without a caption in Flickr8k.token.txt" in problems[1]
    (official / "Flickr_8k.testImages.txt").write_text("a.jpg\n", encoding="utf-8")
    with pytest.raises(UsageError, match="also listed in another split"):
        datasets.read(official, problems=problems)


def changed(data: object, **changes: object) -> object:
    assert isinstance(data, dict)
    return {**data, **changes}


IMAGE = COCO["images"][0]  # type: ignore[index]
NOTE = {"image_id": 42, "caption": "A dog."}

WRONG: list[tuple[str, Callable[[Path], object], object, str]] = [
    ("truncated list", read_results, '[{"image_id": 1, "caption": "a"}, {', "is truncated (line 1"),
    ("truncated string", read_results, '[{"image_id": 1, "capt', "is truncated"),
    ("truncated COCO", read_coco, json.dumps(COCO)[:-1], "is truncated"),
    ("empty file", read_results, "", "is truncated"),
    ("no JSON", read_results, "image,caption\n1,a dog", "is not JSON (line 1, column 1)"),
    ("deep", read_results, "[" * 100_000, "too deeply"),
    ("huge number", read_results, "[" + "9" * 5000 + "]", "a number with too many digits"),
    ("results object", read_results, {"42": "a"}, "results is not a list"),
    ("results empty", read_results, [], "contains no results"),
    ("results strings", read_results, ["a", "b"], "2 items (first: 'a', 'b') with missing or invalid fields"),
    ("results without caption", read_results, [{"image_id": 1}], "1 item (first: {'image_id': 1})"),
    ("results caption null", read_results, [{"image_id": 1, "caption": None}], "with missing or invalid fields"),
    ("results caption list", read_results, [{"image_id": 1, "caption": ["a"]}], "with missing or invalid fields"),
    ("results id float", read_results, [{"image_id": 1.5, "caption": "a"}], "with missing or invalid fields"),
    ("results id bool", read_results, [{"image_id": True, "caption": "a"}], "with missing or invalid fields"),
    ("results id empty", read_results, [{"image_id": "", "caption": "a"}], "with missing or invalid fields"),
    ("half a character", read_results, '[{"image_id": 1, "caption": "\\ud83d"}]', "with missing or invalid fields"),
    (
        "results twice",
        read_results,
        [NOTE, NOTE, {"image_id": "42", "caption": ""}],
        "1 id (first: '42') listed more",
    ),
    ("long offender", read_results, ["x" * 500], "xxx..."),
    ("COCO list", read_coco, LIST, "not a JSON object with the key 'images'"),
    ("COCO without annotations", read_coco, {"images": []}, "not a JSON object with the key 'annotations'"),
    ("COCO empty", read_coco, {"images": [], "annotations": []}, "contains no captioned photos"),
    ("COCO images object", read_coco, changed(COCO, images={}), "images is not a list"),
    ("COCO images form", read_coco, changed(COCO, images=[{"id": 1}]), "in images, 1 item"),
    (
        "COCO images twice",
        read_coco,
        changed(COCO, images=[IMAGE, IMAGE]),
        "1 id (first: '42') listed more than once",
    ),
    ("COCO bare", read_coco, changed(COCO, annotations=[NOTE]), "1 photo (first: '7') without a caption"),
    ("COCO stray", read_coco, changed(COCO, images=[IMAGE]), "1 id (first: '7') missing from its images"),
    ("COCO null", read_coco, changed(COCO, annotations=[None]), "in annotations, 1 item (first: None)"),
    ("Karpathy sentences", read_karpathy, {"images": [{"filename": "a", "split": "b", "sentences": "c"}]}, "in images"),
    ("Karpathy raw", read_karpathy, {"images": [{"filename": "a", "split": "b", "sentences": [{}]}]}, "in images"),
    (
        "Karpathy bare",
        read_karpathy,
        {"images": [{"filename": "a", "split": "b", "sentences": []}]},
        "without a caption",
    ),
    ("list twice", read_flickr8k, LIST * 2, "2 ids (first: 'a.jpg', 'b.jpg')"),
    ("list form", read_flickr8k, [{"file": "a"}], "in photos, 1 item"),
    ("list captions", read_flickr8k, [{"file": "a", "split": "b", "captions": "c"}], "in photos, 1 item"),
    ("list empty", read_flickr8k, [], "contains no captioned photos"),
    ("Flickr8k from COCO", read_flickr8k, COCO, "has no splits"),
    ("unknown", datasets.read, {"a": 1}, "is not a known captions file; expected COCO captions"),
    ("number", datasets.read, 3, "is not a known captions file"),
]


@pytest.mark.parametrize(("read", "data", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_wrong_file(
    read: Callable[[Path], object], data: object, message: str, write: Callable[[object], Path]
) -> None:
    path = write(data)
    with pytest.raises(UsageError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json cannot be read: No such file"):
        read_results(tmp_path / "none.json")
    with pytest.raises(UsageError, match="cannot be read"):
        read_results(tmp_path)
    path = tmp_path / "latin.json"
    path.write_bytes('[{"image_id": 1, "caption": "café"}]'.encode("latin-1"))
    with pytest.raises(UsageError, match=r"latin\.json is not UTF-8 text \(byte 32\)"):
        read_results(path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("Flickr8k.token.txt", "a.jpg#0\tA dog\na.jpg A cat\n", "line 2 is not FILE#NUMBER, a tab and a caption"),
        ("Flickr_8k.devImages.txt", "b.jpg\nx.jpg\n", "1 photo (first: 'x.jpg') without a caption"),
        ("Flickr_8k.devImages.txt", "b.jpg\nb.jpg\n", "1 id (first: 'b.jpg') listed more than once"),
        ("Flickr_8k.testImages.txt", "a.jpg\n", "1 photo (first: 'a.jpg') also listed in another split"),
    ],
)
def test_wrong_text_files(official: Path, file: str, text: str, message: str) -> None:
    (official / file).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_flickr8k(official)
    assert message in str(caught.value)
    assert file in str(caught.value)


def test_missing_text_file(official: Path) -> None:
    (official / "Flickr_8k.testImages.txt").unlink()
    with pytest.raises(UsageError, match=r"testImages\.txt cannot be read"):
        datasets.read(official)


def test_photos_refuse_what_makes_no_sense() -> None:
    photo = CaptionedPhoto("a", "a.jpg", ("A dog",))
    with pytest.raises(UsageError, match="listed more than once"):
        CaptionedPhotos("here", (photo, photo))
    with pytest.raises(UsageError, match="here contains no captioned photos"):
        CaptionedPhotos("here", ())


def test_damaged_and_missing_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "c.parquet").mkdir()
    table = arrow.Table.from_pylist([{"path": "a.jpg", "caption": "A dog."}])
    parquet.write_table(table, tmp_path / "c.parquet" / "part-0.parquet")
    (tmp_path / "c.parquet" / "part-1.parquet").write_bytes(b"PAR1")
    for path in (tmp_path / "c.parquet", tmp_path / "c.parquet" / "part-1.parquet", tmp_path / "no.parquet"):
        with pytest.raises(UsageError, match=r"c\.parquet|no\.parquet") as refused:
            datasets.read(path)
        assert "\n" not in str(refused.value)
