"""`captioner search`: plain words find photos in captions of every format, and a contact sheet shows them."""

import base64
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from captioner import datasets
from captioner.cli import main
from captioner.datasets import CaptionedPhoto
from captioner.errors import UsageError
from captioner.search import search
from tests.folder_runs import Fake, caption
from tests.folders.test_sqlite import NoFullText

CAPTIONS = {
    "a.jpg": ["Two dogs run along the beach.", "dogs at the sea"],
    "b.jpg": ["A cat sleeps on a table."],
    "c c/d.jpg": ["A man walks his dog.", "A man at the beach"],
    "e.jpg": ['A close-up of a "café" sign: 50 % off!'],
}
PHOTOS = [CaptionedPhoto(name, name, tuple(captions)) for name, captions in CAPTIONS.items()]

Find = Callable[..., tuple[int, str, str]]


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Find:
    """Run `captioner search` in a folder with captions; returns the exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    datasets.write(PHOTOS, "c.jsonl")

    def find(*arguments: str) -> tuple[int, str, str]:
        code = main(["search", *arguments])
        return code, *capsys.readouterr()

    return find


def paths(text: str) -> list[str]:
    return [line.split("\t")[0] for line in text.splitlines()]


@pytest.mark.parametrize(
    "name", ["c.csv", "c.json", "c.jsonl", "coco.json", "k.json", "c.sqlite", "folder", "results.json"]
)
def test_every_format_is_searched(name: str, find: Find) -> None:
    kind = {"coco.json": "coco", "k.json": "karpathy", "folder": "sidecars"}.get(name)
    if name == "results.json":
        results = [{"image_id": one.id, "caption": one.captions[0]} for one in PHOTOS]
        Path(name).write_text(json.dumps(results), encoding="utf-8")
    else:
        datasets.write(PHOTOS, name, kind=kind, overwrite=True)
    if name == "folder":
        for photo in PHOTOS:
            Image.new("RGB", (8, 8)).save(Path(name, photo.file))
    code, out, err = find("dog", "sleeping", "beach", name)
    assert code == 0
    assert {path.removeprefix("folder/") for path in paths(out)} == {"a.jpg", "c c/d.jpg", "b.jpg"}
    assert err == "captioner: no caption has all of dog, sleeping, beach; showing captions with some of them\n"
    code, out, err = find("the dog on the beaches", name)
    assert (code, err) == (0, "")
    expected = ["a.jpg"] if name == "results.json" else ["a.jpg", "c c/d.jpg"]
    assert [path.removeprefix("folder/") for path in paths(out)] == expected


def test_the_caption_that_stands_counts_more_than_the_others(find: Find) -> None:
    assert find("beach", "c.jsonl")[1] == "a.jpg\tTwo dogs run along the beach.\nc c/d.jpg\tA man walks his dog.\n"
    _, out, err = find("beach", "c.jsonl", "--limit", "1", "--format", "jsonl")
    assert json.loads(out) == {"path": "a.jpg", "caption": CAPTIONS["a.jpg"][0], "captions": CAPTIONS["a.jpg"]}
    assert err == "captioner: showing the best 1 of 2; --limit 2 shows all\n"
    Path("found.jsonl").write_text(out, encoding="utf-8")
    assert paths(find("dogs", "found.jsonl")[1]) == ["a.jpg"]  # what is printed can be searched again


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('"cafe', ["e.jpg"]),
        ("CAFÉ*", ["e.jpg"]),
        ("close-up", ["e.jpg"]),
        ("caption:dog", ["a.jpg", "c c/d.jpg"]),
        ("dog NOT cat", ["a.jpg", "c c/d.jpg", "b.jpg"]),
        ("dog OR", ["a.jpg", "c c/d.jpg"]),
        ("NEAR(dog beach, 2)", ["a.jpg", "c c/d.jpg"]),
        ("{caption} : ^dog + ( - ", ["a.jpg", "c c/d.jpg"]),
        ("sign: 50 %", ["e.jpg"]),
        ("cafe\u0301", ["e.jpg"]),
        ("50_off", ["e.jpg"]),
        ("dog.", ["a.jpg", "c c/d.jpg"]),
        ("'; DROP TABLE captions; --", ["b.jpg"]),
        ("\udcff dog", ["a.jpg", "c c/d.jpg"]),
        ("on", ["b.jpg"]),  # a function word counts if it is alone
        ("犬 dog", ["a.jpg", "c c/d.jpg"]),
        ("☕ dog", ["a.jpg", "c c/d.jpg"]),
    ],
)
def test_a_query_is_plain_words(query: str, expected: list[str], find: Find) -> None:
    code, out, _ = find(query, "c.jsonl")
    assert (code, sorted(paths(out))) == (0, sorted(expected))


@pytest.mark.parametrize("query", ["", " ", "-", '"" ☕', "\0"])
def test_a_query_without_a_word_is_refused(query: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no word to search for"):
        search(query, tmp_path / "c.jsonl")
    with pytest.raises(UsageError, match="65 words; give at most 64"):
        search(" ".join(f"word{number}" for number in range(65)), tmp_path / "c.jsonl")


def test_nothing_found_is_one_sentence(find: Find) -> None:
    assert find("unicorn", "c.jsonl") == (1, "", "captioner: c.jsonl: no caption has unicorn.\n")
    assert find('a "green" unicorn!', "c.jsonl") == (
        1,
        "",
        "captioner: c.jsonl: no caption has any of green, unicorn.\n",
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.jsonl", None, "no.jsonl cannot be read: No such file or directory."),
        ("e.jsonl", b"", "e.jsonl contains no captioned photos."),
        ("e.csv", b"", "e.csv: the first line is ''; expected file,caption"),
        ("e.json", b"", "e.json is truncated (line 1, column 1)."),
        ("e.sqlite", b"", "e.sqlite is empty."),
        ("x.sqlite", b"path,caption\n", "x.sqlite is not an SQLite database."),
        ("x.jsonl", b"\xff\xfe\x00", "x.jsonl is not UTF-16 text"),
        ("photo.jpg", b"\xff\xd8\xff", "photo.jpg is not UTF-8 text"),
        ("empty", b"/", "empty contains no captions; expected one of captions.csv,"),
    ],
)
def test_what_is_no_file_of_captions_is_named(name: str, content: bytes | None, message: str, find: Find) -> None:
    if content == b"/":
        Path(name).mkdir()
    elif content is not None:
        Path(name).write_bytes(content)
    code, out, err = find("dog", name)
    assert (code, out) == (2, "")
    assert err.startswith(f"captioner: {message}")
    assert len(err.splitlines()) == 1


def test_entries_that_are_wrong_are_left_out(find: Find) -> None:
    with Path("c.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"path": "torn')
    code, out, err = find("dog", "c.jsonl")
    assert (code, len(paths(out))) == (0, 2)
    assert err.startswith("captioner: unreadable entries skipped: 1; first: c.jsonl, line 5 is not a JSON object")


def test_a_sqlite_without_full_text_search_is_one_sentence(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *words, **more: connect(*words, **more, factory=NoFullText))
    code, out, err = find("dog", "c.jsonl")
    assert (code, out) == (2, "")
    assert err.startswith("captioner: the SQLite library of this Python has no full-text search (FTS5);")


# --------------------------------------------------------------------------------------------------- captioner's own


def test_outputs_of_a_run_are_searched_and_corrections_count(
    folder: Path, fake: Fake, find: Find, capsys: pytest.CaptureFixture[str]
) -> None:
    assert caption("--output", "f.jsonl", "--output", "f.csv", "--output", "f.sqlite", "--num-captions", "2") == 1
    capsys.readouterr()
    for name in ("f.jsonl", "f.csv"):
        text = Path(name).read_text(encoding="utf-8")
        Path(name).write_text(text.replace("A photo 12 wide", "My sister Mimi", 1), encoding="utf-8")
    with closing(sqlite3.connect("f.sqlite")) as connection:
        connection.execute("UPDATE captions SET caption = 'My sister Mimi' WHERE caption = 'A photo 12 wide'")
        connection.commit()
    before = Path("f.sqlite").read_bytes()
    for name in ("f.jsonl", "f.csv", "f.sqlite"):
        assert find("sisters", name) == (0, "photos/4.jpg\tMy sister Mimi\n", "")
        assert find("12", name) == (1, "", f"captioner: {name}: no caption has 12.\n")
        assert len(paths(find("photos", name)[1])) == 8
    Path("f.sqlite").chmod(0o444)
    assert find("sisters", "f.sqlite")[0] == 0
    assert Path("f.sqlite").read_bytes() == before


def test_a_database_without_our_index_is_indexed(find: Find) -> None:
    with closing(sqlite3.connect("o.db")) as connection:
        connection.execute("CREATE TABLE captions (file, caption)")
        connection.execute("INSERT INTO captions VALUES ('a.jpg', 'dogs')")
        connection.commit()
    assert find("dog", "o.db") == (0, "a.jpg\tdogs\n", "")


def test_rows_that_someone_damaged_are_left_out(find: Find) -> None:
    datasets.write(PHOTOS, "c.sqlite")
    with closing(sqlite3.connect("c.sqlite")) as connection:
        connection.execute("UPDATE captions SET path = NULL WHERE path = 'a.jpg'")
        connection.commit()
    err = "captioner: unreadable entries skipped: 1; first: c.sqlite, row 1 lacks a file or a caption.\n"
    assert find("dog", "c.sqlite", "--limit", str(2**64)) == (0, "c c/d.jpg\tA man walks his dog.\n", err)


def test_a_view_is_no_table_of_captions(find: Find) -> None:
    endless = (
        "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n) SELECT x AS path, 'dog' AS caption FROM n"
    )
    with closing(sqlite3.connect("v.sqlite")) as connection:
        connection.execute(f"CREATE VIEW captions AS {endless}")
        connection.commit()
    assert find("dog", "v.sqlite") == (2, "", "captioner: v.sqlite has no table named captions.\n")


def test_captions_do_not_control_the_terminal(find: Find) -> None:
    datasets.write([CaptionedPhoto("a", "a.jpg", ("A dog\x1b]0;x\x07\x00 \x9b2J runs",))], "c.jsonl", overwrite=True)
    assert find("dog", "c.jsonl")[1] == "a.jpg\tA dog\\x1b]0;x\\x07\\x00 \\x9b2J runs\n"


# ------------------------------------------------------------------------------------------------------------ the page


class Page(HTMLParser):
    """Collects the thumbnails, links and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pictures: list[bytes] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        if tag == "img":
            self.pictures.append(base64.b64decode(str(given["src"]).partition(",")[2]))
        elif tag == "a":
            self.links.append(str(given["href"]))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_contact_sheet_is_one_page_by_itself(find: Find, photos: dict[str, Path]) -> None:
    Path("c c").mkdir()
    shutil.copy(photos["rocket"], "a.jpg")
    shutil.copy(photos["rocket"], "c c/d.jpg")
    Path("out").mkdir()
    code, out, err = find("dog", "c.jsonl", "--html", "out/dogs.html")
    assert (code, out, err) == (0, "", "captioner: out/dogs.html shows 2 of 2 photos\n")
    html = Path("out/dogs.html").read_text(encoding="utf-8")
    page = Page(html)
    assert [Path("out", unquote(link)).resolve() for link in page.links] == [
        Path(n).resolve() for n in ("a.jpg", "c c/d.jpg")
    ]
    for picture in page.pictures:
        assert picture.startswith(b"\xff\xd8\xff")
        assert len(picture) < 30_000
    assert len(page.pictures) == 2
    assert "script" not in page.tags
    assert not re.search(r"(src|href)=.(https?:)?//|@import|url\(", html)
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html
    assert find("dog", "c.jsonl", "--html", "out/dogs.html", "--format", "text")[1].startswith("a.jpg\t")


def test_a_contact_sheet_escapes_and_names_what_is_missing(find: Find) -> None:
    evil = CaptionedPhoto("x", "javascript:alert(1)#.jpg", ('<script>alert("dog")</script>',))
    broken = CaptionedPhoto("y", "broken.jpg", ("A dog, broken & small",))
    datasets.write([*PHOTOS, evil, broken], "c.jsonl", overwrite=True)
    Image.new("RGB", (8, 8)).save("javascript:alert(1)#.jpg", "JPEG")
    Path("broken.jpg").write_bytes(b"broken")
    code, _, err = find("<b>dog</b>", "c.jsonl", "--html", "dogs.html")
    assert code == 0
    assert "dogs.html shows 4 of 4 photos, 3 of them without a thumbnail (first: " in err
    page = Page(Path("dogs.html").read_text(encoding="utf-8"))
    assert not page.tags & {"script", "b"}
    assert '<script>alert("dog")</script>' in page.text
    assert "broken & small" in page.text
    assert "not found" in page.text
    assert "cannot be read" in page.text
    assert page.links == ["javascript%3Aalert%281%29%23.jpg"]


def test_a_page_of_somebody_else_is_not_replaced(find: Find) -> None:
    Path("mine.html").write_text("my own", encoding="utf-8")
    message = "captioner: mine.html exists and was not written by captioner, or was changed since; give another name.\n"
    assert find("dog", "c.jsonl", "--html", "mine.html") == (4, "", message)
    assert Path("mine.html").read_text(encoding="utf-8") == "my own"
    for query in ("dog", "cat"):  # captioner's own is replaced
        assert find(query, "c.jsonl", "--html", "sheet.html")[0] == 0
    with Path("sheet.html").open("a", encoding="utf-8") as file:
        file.write("a note")
    assert find("dog", "c.jsonl", "--html", "sheet.html")[0] == 4
    assert find("dog", "c.jsonl", "--html", "no/sheet.html") == (
        4,
        "",
        "captioner: no/sheet.html: cannot be written (no such directory).\n",
    )
    assert find("unicorn", "c.jsonl", "--html", "new.html")[0] == 1
    assert not Path("new.html").exists()


def test_photos_are_found_beside_the_captions_here_or_where_they_are_said_to_be(find: Find) -> None:
    Path("elsewhere/images").mkdir(parents=True)
    shutil.move("c.jsonl", "elsewhere/c.jsonl")
    Image.new("RGB", (8, 8)).save("elsewhere/images/b.jpg")
    Image.new("RGB", (8, 8)).save("a.jpg")
    assert paths(find("cat", "elsewhere/c.jsonl")[1]) == ["elsewhere/images/b.jpg"]
    assert paths(find("two dogs", "elsewhere/c.jsonl")[1]) == ["a.jpg"]
    Path("more").mkdir()
    shutil.copy("a.jpg", "more/b.jpg")
    assert paths(find("cat", "elsewhere/c.jsonl", "--photos", "more")[1]) == ["more/b.jpg"]
    assert paths(find("man", "elsewhere/c.jsonl")[1]) == ["c c/d.jpg"]  # missing photos: the path in the captions file
    assert find("cat", "elsewhere/c.jsonl", "--photos", "nowhere")[0] == 2
