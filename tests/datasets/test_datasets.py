"""Reading captions: captioner's exports, files from Kaggle, Hugging Face and Flickr30k, spreadsheets, sidecars."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from captioner import datasets
from captioner.errors import UsageError
from captioner.folders.batch import Record
from captioner.folders.receipts import Receipts
from captioner.folders.results import write
from captioner.predict import Alternative, Caption
from captioner.visit import export
from captioner.visit.photos import VisitPhoto
from train.photos.config import DataSettings
from train.photos.data import read_splits, read_texts
from train.photos.places import Place, find_place
from train.recipe import read_config
from train.sentences.pairs import read_lines

TEXTS = ("A dog runs.", '=A "dog", maybe', "'90s dog")


def read(path: Path, problems: list[str] | None = None) -> dict[str, tuple[str, ...]]:
    return {photo.file: photo.captions for photo in datasets.read(path, problems=problems)}


def caption(*texts: str) -> Caption:
    sentences = tuple(Alternative(text=text, tokens=(), log_prob=-1.0) for text in texts)
    return Caption(
        **vars(sentences[0]), confidence=0.5, alternatives=sentences, attention=None, grid=None, width=8, height=8
    )


@pytest.mark.parametrize(
    ("name", "to_text"), [("captions.csv", export.to_csv), ("captions.jsonl", export.to_json_lines)]
)
def test_what_the_page_gives_is_read(tmp_path: Path, name: str, to_text: Callable[[list[VisitPhoto]], str]) -> None:
    photos = [
        VisitPhoto(
            name="a.jpg",
            picture=b"",
            thumbnail=b"",
            caption=caption("A cat.", "A pet."),
            edit="My sister, reading",
        ),
        VisitPhoto(name="-b.jpg", picture=b"", thumbnail=b"", caption=caption(TEXTS[1])),
    ]
    (tmp_path / name).write_text(to_text(photos), encoding="utf-8", newline="")
    # A correction replaces all captions by the model.
    assert read(tmp_path) == {"a.jpg": ("My sister, reading",), "-b.jpg": (TEXTS[1],)}


@pytest.mark.parametrize("name", ["captions.csv", "captions.jsonl"])
def test_what_the_command_writes_is_read(tmp_path: Path, name: str) -> None:
    alternatives = tuple(Alternative(text=text, tokens=(), log_prob=-1.0) for text in TEXTS)
    records = [
        Record(path="photos/a.jpg", caption=TEXTS[0], captions=alternatives, language="en"),
        Record(path="photos/b.jpg", error="cannot read photos/b.jpg: it is empty"),
    ]
    write(tmp_path / name, [record.as_dict() for record in records], Receipts())
    problems: list[str] = []
    assert read(tmp_path) == read(tmp_path, problems) == {"photos/a.jpg": TEXTS}
    assert len(problems) == 1
    assert "line 3 has no caption" in problems[0] or "line 2 has no caption" in problems[0]
    assert "it is empty" in problems[0]


@pytest.mark.parametrize(
    ("row", "captions"),
    [
        ({"captions": [{"caption": "A dog"}, {"caption": "My dog"}]}, ("My dog", "A dog")),
        ({"captions": ["A dog", "Dogs"]}, ("My dog", "A dog", "Dogs")),
        (
            {"captions": [{"caption": "My dog", "log_prob": -1}, {"caption": "Dogs", "log_prob": -2}]},
            ("My dog", "Dogs"),
        ),
        ({"captions": [{"caption": "A dog", "log_prob": -1}, {"caption": "Dogs", "log_prob": -2}]}, ("My dog",)),
        ({"captions": None}, ("My dog",)),
    ],
)
def test_the_single_caption_comes_first(tmp_path: Path, row: dict[str, object], captions: tuple[str, ...]) -> None:
    # A correction replaces the model's caption, so that the model does not learn its own mistake.
    (tmp_path / "captions.jsonl").write_text(json.dumps({"path": "a.jpg", "caption": "My dog", **row}))
    assert read(tmp_path) == {"a.jpg": captions}


TABLES = {
    "Kaggle's Flickr8k": ("captions.txt", 'image,caption\n1.jpg,A dog\n1.jpg,"A dog , red"\n2.jpg,A cat\n'),
    "Kaggle's Flickr30k": (
        "results.csv",
        "image_name| comment_number| comment\n1.jpg| 0| A dog\n1.jpg| 4   A dog , red\n2.jpg| 0| A cat\n",
    ),
    "the authors' Flickr30k": ("results_20130124.token", "1.jpg#0\tA dog\n1.jpg#1\tA dog , red\n2.jpg#0\tA cat\n"),
    "imagefolder": ("metadata.csv", 'file_name,text\n1.jpg,A dog\n1.jpg,"A dog , red"\n2.jpg,A cat\n'),
    "imagefolder's lines": (
        "metadata.jsonl",
        '{"file_name": "1.jpg", "text": "A dog"}\n{"file_name": "1.jpg", "text": "A dog , red"}\n'
        '{"file_name": "2.jpg", "text": "A cat"}',
    ),
    "a spreadsheet in Europe": ("captions.csv", '"File";"Caption"\n1.jpg;A dog\n1.jpg;A dog , red\n2.jpg;"A cat"\n'),
    "Unicode text": (
        "captions.csv",
        "Image Name\tNotes\tCaption\n1.jpg\tx\tA dog\n1.jpg\t\tA dog , red\n2.jpg\t\tA cat\n",
    ),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("name", "text"), TABLES.values(), ids=TABLES)
def test_files_as_they_are_published(tmp_path: Path, name: str, text: str, end: str, encoding: str) -> None:
    (tmp_path / name).write_bytes(text.replace("\n", end).encode(encoding))
    assert read(tmp_path) == read(tmp_path / name) == {"1.jpg": ("A dog", "A dog , red"), "2.jpg": ("A cat",)}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_of_windows(tmp_path: Path, encoding: str) -> None:
    coco = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 1, "caption": "Café"}]}
    (tmp_path / "annotations.json").write_text(json.dumps(coco, ensure_ascii=False), encoding=encoding)
    assert read(tmp_path) == {"1.jpg": ("Café",)}


def test_a_table_of_an_old_mac(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_bytes(b'file,caption\ra.jpg,"A dog, red"\rb.jpg,A cat\r')
    assert read(tmp_path) == {"a.jpg": ("A dog, red",), "b.jpg": ("A cat",)}


def test_the_usual_names_come_before_those_that_other_files_have_too(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("file,caption\na.jpg,A dog\n")
    (tmp_path / "results.csv").write_text("photo,score\n")
    (tmp_path / "captions.txt").write_text("These captions are mine.\n")
    assert read(tmp_path) == {"a.jpg": ("A dog",)}
    (tmp_path / "captions.csv").unlink()
    with pytest.raises(UsageError, match=r"several caption files \(captions\.txt, results\.csv\)"):
        read(tmp_path)
    with pytest.raises(
        UsageError, match=r"captions\.txt: the first line is 'These captions are mine\.'; expected file,"
    ):
        read(tmp_path / "captions.txt")


def test_a_quoted_cell_may_hold_line_ends(tmp_path: Path) -> None:
    text = 'file,caption,note\na.jpg,"A dog\n\nruns","x\n""y"""\nb.jpg,"A cat\nc.jpg,A cow,\nd.jpg,"A fox",\n'
    (tmp_path / "captions.csv").write_text(text)
    problems: list[str] = []
    assert read(tmp_path, problems) == {"a.jpg": ("A dog\n\nruns",), "c.jpg": ("A cow",), "d.jpg": ("A fox",)}
    assert len(problems) == 1
    assert "line 6 is not CSV" in problems[0]


def test_an_apostrophe_of_a_person_stays_and_ours_goes(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("file,caption\na.jpg,'90s cars\nb.jpg,'=1+1\nc.jpg,''tis a dog\n")
    assert read(tmp_path) == {"a.jpg": ("'90s cars",), "b.jpg": ("=1+1",), "c.jpg": ("'tis a dog",)}


def test_a_row_that_lacks_only_its_split_is_told_that(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("file,caption,split\na.jpg,A dog,train\nb.jpg,A cat\n")
    with pytest.raises(UsageError, match="line 3 has no split column"):
        read(tmp_path)


def test_folders_of_hugging_face_are_splits(tmp_path: Path) -> None:
    for split, name in (("train", "metadata.csv"), ("validation", "metadata.jsonl")):
        (tmp_path / split).mkdir()
        text = "file_name,text\na.jpg,A dog\n" if name.endswith("csv") else '{"file_name": "a.jpg", "text": "A cat"}\n'
        (tmp_path / split / name).write_text(text)
    photos = datasets.read(tmp_path)
    assert [(photo.file, photo.captions, photo.split) for photo in photos] == [
        ("train/a.jpg", ("A dog",), "train"),
        ("validation/a.jpg", ("A cat",), "dev"),
    ]


@pytest.mark.parametrize("folder", ["", "images", "Images"])
def test_text_files_beside_photos(tmp_path: Path, folder: str) -> None:
    place = tmp_path / folder
    (place / "b").mkdir(parents=True)
    for name in ("a.jpg", "a.png", "b/c.jpg", "d.jpg", "e.jpg"):
        Image.new("RGB", (8, 8)).save(place / name)
    (place / "a.txt").write_text("A dog\r\n\r\nDogs\r\n", encoding="utf-8-sig")
    (place / "a.png.txt").write_text("A drawing", encoding="utf-16")
    (place / "b" / "c.caption").write_text("A cat\n")
    (place / "d.txt").write_bytes(b"caf\xe9")
    (place / "readme.txt").write_text("No photo has this name.")
    problems: list[str] = []
    assert read(tmp_path, problems) == {"a.jpg": ("A dog", "Dogs"), "a.png": ("A drawing",), "b/c.jpg": ("A cat",)}
    assert [any(word in one for one in problems) for word in ("d.txt is not UTF-8", "(first: 'e.jpg')")] == [True] * 2
    with pytest.raises(UsageError, match=r"d\.txt is not UTF-8"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("photo", "name", "images"),
    [
        ("images/a.jpg", "a.jpg", ""),
        ("Images/a.jpg", "a.jpg", ""),
        ("a.jpg", "a.jpg", ""),  # Hugging Face's
        ("Flicker8k_Dataset/a.jpg", "a.jpg", ""),
        ("images/a.jpg", "images/a.jpg", ""),  # captioner's exports, from the folder itself,
        ("images/b/a.jpg", "holiday/images/b/a.jpg", ""),  # from the folder above,
        ("images/b/a.jpg", "C:\\Users\\me\\b\\a.jpg", ""),  # and from another computer
        ("../elsewhere/a.jpg", "a.jpg", "elsewhere"),
    ],
)
def test_photos_are_found_where_they_are(tmp_path: Path, photo: str, name: str, images: str) -> None:
    root = tmp_path / "data"
    (root / "notes").mkdir(parents=True)
    (root / photo).parent.mkdir(parents=True, exist_ok=True)
    (root / photo).touch()
    rows = [(name, "train"), (name.replace("a.jpg", "b.jpg"), "dev")]
    lines = [json.dumps({"file": file, "caption": "A dog", "split": split}) for file, split in rows]
    (root / "captions.jsonl").write_text("\n".join(lines))
    data = DataSettings(root=str(root), images=str(tmp_path / images) if images else "")
    (found,) = read_splits(data)["train"]
    assert (root / "images" / found.file).resolve() == (root / photo).resolve()
    assert read_splits(DataSettings(root=str(root / "captions.jsonl"), images=data.images))["train"] == [found]


def test_photos_beside_their_captions_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("captions.csv", "images/a.jpg", "a.jpg"):
        (tmp_path / name).write_text("file,caption\na.jpg,A dog\n")
    photos = datasets.read(tmp_path).photos
    assert find_place(tmp_path, photos) == Place(tmp_path / "images")
    with pytest.raises(UsageError, match=r"data\.images: nowhere is not a directory"):
        find_place(tmp_path, photos, "nowhere")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_texts_of_windows(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "texts.txt").write_bytes("Ein Café\r\nZwei\r\n".encode(encoding))
    assert read_texts([str(tmp_path / "texts.txt")]) == ["Ein Café", "Zwei"]
    (tmp_path / "train.de").write_bytes("Ein Café\r\nZwei\r\n".encode(encoding))
    assert read_lines(tmp_path, "train.de") == ["Ein Café", "Zwei"]
    recipe = Path(__file__).parents[2] / "train" / "recipes" / "photo-en.toml"
    (tmp_path / "photo.toml").write_bytes(recipe.read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding))
    assert read_config(tmp_path / "photo.toml") == read_config(recipe)
