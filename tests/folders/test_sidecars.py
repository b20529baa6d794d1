"""Sidecars: where they are written, and when."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from captioner import datasets
from captioner.cli import main
from captioner.folders import receipts
from tests.folder_runs import Fake, caption


def test_sidecars_stand_beside_their_photos_or_in_a_tree_of_the_same_shape(folder: Path, fake: Fake) -> None:
    (folder / "sub").mkdir()
    shutil.copy(folder / "4.jpg", folder / "sub" / "4.jpg")
    assert caption("--sidecar", "--recursive") == 1
    assert (folder / "sub" / "4.txt").read_text() == "A photo 12 wide\n"
    assert not (folder / "3.txt").exists()
    assert caption("--sidecar", "--recursive", "--sidecar-dir", "tree", "--sidecar-suffix", ".caption") == 1
    assert (Path("tree") / "sub" / "4.caption").read_text() == "A photo 12 wide\n"
    assert len(list(Path("tree").rglob("*.caption"))) == 10


def test_a_sidecar_that_stands_there_is_kept_and_overwriting_is_for_captioners_own(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "2.txt").write_text("By hand.")
    assert caption("--sidecar") == 1
    assert fake.seen == 8
    assert caption("--sidecar", "--output", "c.jsonl") == 1
    assert (folder / "2.txt").read_text() == "By hand."
    assert "kept 9 existing sidecars that captioner did not write" in capsys.readouterr().err
    assert caption("--sidecar", "--existing", "error") == 4
    (folder / "4.txt").write_text("Corrected.")
    fake.word = "picture"
    for more in ([], ["--output", "c.jsonl"]):
        assert caption("--sidecar", "--existing", "overwrite", *more) == 1
        assert (folder / "1.txt").read_text() == "A picture 9 wide\n"
        assert (folder / "2.txt").read_text() == "By hand."
        assert (folder / "4.txt").read_text() == "Corrected."
        assert "kept 2 existing sidecars that captioner did not write" in capsys.readouterr().err


def test_a_rewritten_sidecar_keeps_its_mode_and_its_link(folder: Path, fake: Fake) -> None:
    caption("--sidecar")
    (folder / "1.txt").chmod(0o640)
    Path("far").mkdir()
    (folder / "2.txt").rename("far/two.txt")
    (folder / "2.txt").symlink_to("../far/two.txt")
    fake.word = "picture"
    caption("--sidecar", "--existing", "overwrite")
    assert (folder / "1.txt").read_text() == "A picture 9 wide\n"
    assert (folder / "1.txt").stat().st_mode & 0o777 == 0o640
    assert (folder / "2.txt").is_symlink()
    assert Path("far/two.txt").read_text() == "A picture 10 wide\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only a superuser gives files away")
def test_a_rewritten_sidecar_keeps_its_owner(folder: Path, fake: Fake) -> None:
    caption("--sidecar")
    os.chown(folder / "1.txt", 1234, 1235)
    fake.word = "picture"
    caption("--sidecar", "--existing", "overwrite")
    status = (folder / "1.txt").stat()
    assert (status.st_uid, status.st_gid) == (1234, 1235)
    assert (folder / "1.txt").read_text() == "A picture 9 wide\n"


def test_an_empty_sidecar_is_no_result(folder: Path, fake: Fake) -> None:
    for number in (1, 2):
        (folder / f"{number}.txt").touch()
    caption("--sidecar")
    caption("--sidecar", "--output", "c.jsonl")
    assert (folder / "1.txt").read_text() == "A photo 9 wide\n"
    (folder / "2.txt").write_text("")
    caption("--sidecar", "--output", "c.jsonl")
    assert (folder / "2.txt").read_text() == "A photo 10 wide\n"


def test_sidecars_in_another_language_are_not_mixed_with_those_that_are_there(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["caption", str(folder / "1.jpg"), "--sidecar"]) == 0
    assert caption("--sidecar", "--language", "de") == 2
    assert "1.txt was made with language 'en', not 'de'" in capsys.readouterr().err
    assert caption("--sidecar", "--language", "de", "--existing", "overwrite") == 1


def test_a_receipt_that_a_crash_tore_costs_nothing_but_a_rewrite(folder: Path, fake: Fake) -> None:
    assert main(["caption", str(folder / "1.jpg"), str(folder / "2.jpg"), "--sidecar"]) == 0
    receipts = folder / ".captioner.jsonl"
    receipts.write_bytes(receipts.read_bytes()[:-30])
    fake.word = "picture"
    assert caption("--sidecar", "--existing", "overwrite") == 1
    assert (folder / "1.txt").read_text() == "A picture 9 wide\n"
    assert (folder / "2.txt").read_text() == "A photo 10 wide\n"  # its author is unknown
    fake.word = "photograph"
    assert caption("--sidecar", "--existing", "overwrite") == 1
    assert (folder / "0.txt").read_text() == "A photograph 8 wide\n"  # the line after the torn one was complete


def test_a_sidecar_that_a_crash_left_out_is_made_by_the_next_run(folder: Path, fake: Fake) -> None:
    caption("--output", "c.jsonl")
    caption("--output", "c.jsonl", "--sidecar")
    assert fake.seen == 9
    assert (folder / "9.txt").read_text() == "A photo 17 wide\n"


def test_where_two_photos_have_one_stem_their_whole_names_are_taken(folder: Path, fake: Fake) -> None:
    shutil.copy(folder / "4.jpg", folder / "4.PNG")
    shutil.copy(folder / "5.jpg", folder / "x.jpeg")
    shutil.copy(folder / "5.jpg", folder / "X.webp")
    assert main(["caption", "photos/4.jpg", "--sidecar"]) == 0  # independent of the batch
    for shard in ("0/2", "1/2"):
        caption("--sidecar", "--shard", shard)
    assert {path.name for path in folder.glob("*.txt")} == {
        *(f"{number}.txt" for number in (0, 1, 2, 5, 6, 7, 8, 9)),
        "4.jpg.txt",
        "4.PNG.txt",
        "x.jpeg.txt",
        "X.webp.txt",
    }


def test_sidecars_may_always_have_the_whole_name(folder: Path, fake: Fake) -> None:
    assert caption("--sidecar", "--sidecar-name", "{name}.txt", "--sidecar-dir", "tree") == 1
    assert Path("tree/4.jpg.txt").read_text() == "A photo 12 wide\n"


def test_two_photos_with_one_sidecar_in_a_tree_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("more").mkdir()
    shutil.copy(folder / "4.jpg", "more/4.jpg")
    assert main(["caption", "photos", "more", "--sidecar", "--sidecar-dir", "tree"]) == 2
    assert "would share the sidecar" in capsys.readouterr().err


def test_a_sidecar_among_the_photos_is_told_from_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "4.txt").write_text("A dog.")
    assert main(["caption", str(folder / "4.jpg"), str(folder / "4.txt"), "--sidecar"]) == 2
    assert "4.txt' is the sidecar of another photo, not a photo" in capsys.readouterr().err


def test_a_sidecar_that_cannot_be_written_leaves_no_record_that_says_it_is(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    caption("--output", "c.jsonl", "--sidecar")
    fake.word = "picture"
    words = ("--output", "c.jsonl", "--sidecar", "--existing", "overwrite")
    with monkeypatch.context() as patch:
        patch.setattr(receipts, "replacing", full_disk)
        assert caption(*words) == 4
    assert caption(*words) == 1
    assert (folder / "0.txt").read_text() == "A picture 8 wide\n"


@contextmanager
def full_disk(path: Path, **_: str) -> Iterator[Path]:
    raise OSError(28, "No space left on device")
    yield path


def test_a_sidecar_whose_name_is_too_long_costs_no_other(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "3.jpg").rename(folder / f"{'x' * 251}.jpg")
    shutil.copy(folder / "1.jpg", folder / f"{'x' * 251}.jpg")
    for more in ([], ["--output", "c.jsonl"]):
        assert caption("--sidecar", "--sidecar-name", "{name}.txt", *more) == 1
        told = capsys.readouterr().err
        assert "xxx.jpg.txt: the name is too long; rename the photo, or give a shorter --sidecar-name." in told
        assert "0 failed" in told
    assert len(list(folder.glob("*.txt"))) == 9
    assert caption("--sidecar", "--output", "c.jsonl") == 0
    assert (folder / f"{'x' * 251}.txt").read_text() == "A photo 9 wide\n"
    assert len(datasets.read(folder)) == 10


def test_what_is_no_file_is_kept_and_costs_no_other_sidecar(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "0.txt").mkdir()
    (folder / "1.txt").symlink_to("nowhere/1.txt")
    (folder / "2.txt").symlink_to("2.txt")
    (folder / "3.jpg").unlink()
    for more in ([], ["--existing", "overwrite"], ["--output", "c.jsonl"]):
        assert caption("--sidecar", *more) == 1
        assert "photos/1.txt: cannot be written (No such file or directory)." in capsys.readouterr().err
    assert sorted(path.name for path in folder.glob("*.txt") if path.is_file()) == [f"{n}.txt" for n in range(4, 10)]
    assert list((folder / "0.txt").iterdir()) == []
