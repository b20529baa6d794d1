"""Captions added to existing texts, whose bytes are kept; nothing is added twice."""

import sys
from pathlib import Path

import pytest

from captioner.errors import OutputError
from captioner.folders.finding import Found
from captioner.folders.merging import MergeError, add, remove
from captioner.folders.sidecars import Sidecars
from tests.folder_runs import Fake, caption

CAPTION = ["A dog on a beach."]


@pytest.mark.parametrize(
    ("hers", "appended", "prepended"),
    [
        ("rex, 1girl", "rex, 1girl, A dog on a beach.", "A dog on a beach, rex, 1girl"),
        ("rex\n", "rex, A dog on a beach.\n", "A dog on a beach, rex\n"),
        ("rex\r\n", "rex, A dog on a beach.\r\n", "A dog on a beach, rex\r\n"),
        ("rex,", "rex, A dog on a beach.", "A dog on a beach, rex,"),
        ("rex, ", "rex, A dog on a beach.", "A dog on a beach, rex, "),
        ("one\r\ntwo", "one\r\ntwo\r\nA dog on a beach.", "A dog on a beach.\r\none\r\ntwo"),
        ("one\ntwo\n\n", "one\ntwo\nA dog on a beach.\n\n", "A dog on a beach.\none\ntwo\n\n"),
        ("\n", "A dog on a beach.\n", "A dog on a beach.\n"),
    ],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_caption_is_added_and_taken_out_again(hers: str, appended: str, prepended: str, codec: str) -> None:
    data = hers.encode(codec)
    for place, expected in (("append", appended), ("prepend", prepended)):
        content, added = add(data, CAPTION, place)
        assert content == expected.encode(codec)
        assert remove(content, added, place) == data


def test_several_captions_and_big_endian_texts() -> None:
    assert add(b"rex", ["A.", "B."], "append")[0] == b"rex, A., B."
    assert add(b"rex", ["A.", "B."], "prepend")[0] == b"A, B, rex"
    data = b"\xfe\xff" + "żółw".encode("utf-16-be")
    content, added = add(data, ["Äh."], "append")
    assert content == b"\xfe\xff" + "żółw, Äh.".encode("utf-16-be")
    assert remove(content, added, "append") == data


def test_a_text_in_an_unknown_encoding_takes_only_what_is_sure() -> None:
    data = "Köln".encode("cp1252")
    content, added = add(data, CAPTION, "append")
    assert content == data + b", A dog on a beach."
    assert remove(content, added, "append") == data
    with pytest.raises(MergeError, match="not UTF-8"):
        add(data, ["Ein Hündchen."], "append")


def test_what_a_person_changed_is_not_taken_out() -> None:
    content, added = add(b"rex", CAPTION, "append")
    for changed in (b"rex, A cat.", content + b", more", b"\xff\xfe\0", b""):
        assert remove(changed, added, "append") is None


@pytest.mark.parametrize("more", [(), ("--output", "c.jsonl")])
@pytest.mark.parametrize(("flag", "shown"), [("--append", "rex, A {} 9 wide\n"), ("--prepend", "A {} 9 wide, rex\n")])
def test_a_run_adds_once_and_replaces_only_what_it_added(
    flag: str, shown: str, more: tuple[str, ...], folder: Path, fake: Fake
) -> None:
    (folder / "1.txt").write_text("rex\n")
    words = ("--sidecar", flag, *more)
    for _ in range(2):
        assert caption(*words) == 1
        assert (folder / "1.txt").read_text() == shown.format("photo")
        assert (folder / "2.txt").read_text() == "A photo 10 wide\n"
    assert fake.seen == 9
    fake.word = "picture"
    for _ in range(2):
        caption(*words, "--existing", "overwrite")
        assert (folder / "1.txt").read_text() == shown.format("picture")
        assert (folder / "2.txt").read_text() == "A picture 10 wide\n"


def test_a_later_run_adds_to_texts_that_an_earlier_one_kept(folder: Path, fake: Fake) -> None:
    (folder / "1.txt").write_text("rex")
    caption("--sidecar", "--output", "c.jsonl")
    assert (folder / "1.txt").read_text() == "rex"
    caption("--sidecar", "--output", "c.jsonl", "--append")
    assert (folder / "1.txt").read_text() == "rex, A photo 9 wide"
    assert fake.seen == 9


def test_what_a_person_wrote_is_never_replaced(folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2, 4):
        (folder / f"{number}.txt").write_text("rex")
    caption("--sidecar", "--append")
    (folder / "1.txt").write_text("max, A photo 9 wide")
    (folder / "2.txt").write_text("rex, A car")  # she corrected it
    fake.word = "picture"
    caption("--sidecar", "--existing", "overwrite")  # without --append
    assert (folder / "4.txt").read_text() == "rex, A photo 12 wide"
    capsys.readouterr()
    caption("--sidecar", "--append", "--existing", "overwrite")
    assert (folder / "1.txt").read_text() == "max, A picture 9 wide"
    assert (folder / "2.txt").read_text() == "rex, A car"
    assert (folder / "4.txt").read_text() == "rex, A picture 12 wide"
    assert "kept 1 existing sidecar that captioner did not write" in capsys.readouterr().err


def test_a_text_to_which_nothing_can_be_added_is_told(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "1.txt").write_bytes(b"K\xf6ln")
    fake.word = "Hündchen"
    assert caption("--sidecar", "--append") == 1
    assert (folder / "1.txt").read_bytes() == b"K\xf6ln"
    assert (folder / "2.txt").read_text() == "A Hündchen 10 wide\n"
    assert "1.txt: it is not UTF-8 text, so a caption cannot be added; save it as UTF-8." in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--append",), ("--sidecar", "--append", "--prepend")])
def test_options_that_make_no_sense(words: tuple[str, ...], folder: Path) -> None:
    assert caption(*words) == 2


def test_two_runs_at_once_add_a_caption_once(tmp_path: Path) -> None:
    text, photo = tmp_path / "a.txt", Found(str(tmp_path / "a.jpg"), "")
    text.write_text("rex")
    row = {"error": None, "captions": [{"caption": "A dog"}]}
    first, second = Sidecars(add="append"), Sidecars(add="append")
    assert not second.stands(photo)
    assert first.write(photo, row, made=None, replace=False)
    assert not second.write(photo, row, made=None, replace=False)
    assert text.read_text() == "rex, A dog"


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_receipt_that_the_disk_has_no_room_for_is_not_taken_as_written(tmp_path: Path) -> None:
    import resource

    photo, row = Found(str(tmp_path / "a.jpg"), ""), {"error": None, "captions": [{"caption": "A dog"}]}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
    try:
        with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(File too large\)"):
            Sidecars().write(photo, row, made=None, replace=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "a.txt").exists()
    assert Sidecars().write(photo, row, made=None, replace=False)
    assert Sidecars().own(photo)
