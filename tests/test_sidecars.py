"""A text file beside each photo: where it stands, and when it is written."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from captioner import sidecars
from captioner.cli import main
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


def test_a_sidecar_that_stands_there_is_kept_unless_it_may_be_overwritten(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "2.txt").write_text("By hand.")
    assert caption("--sidecar") == 1
    assert fake.seen == 8
    assert caption("--sidecar", "--output", "c.jsonl") == 1
    assert (folder / "2.txt").read_text() == "By hand."
    assert "9 sidecars stood there already and were kept" in capsys.readouterr().err
    assert caption("--sidecar", "--existing", "error") == 4
    assert caption("--sidecar", "--existing", "overwrite") == 1
    assert (folder / "2.txt").read_text() == "A photo 10 wide\n"


def test_a_sidecar_that_a_crash_left_out_is_made_by_the_next_run(folder: Path, fake: Fake) -> None:
    caption("--output", "c.jsonl")
    caption("--output", "c.jsonl", "--sidecar")
    assert fake.seen == 9
    assert (folder / "9.txt").read_text() == "A photo 17 wide\n"


def test_two_photos_with_one_sidecar_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(folder / "4.jpg", folder / "4.png")
    assert caption("--sidecar") == 2
    assert "would both have the sidecar" in capsys.readouterr().err


def test_a_sidecar_among_the_photos_is_told_from_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "4.txt").write_text("A dog.")
    assert main(["caption", str(folder / "4.jpg"), str(folder / "4.txt"), "--sidecar"]) == 2
    assert "4.txt' is where a photo's sidecar belongs, so it is no photo" in capsys.readouterr().err


def test_a_sidecar_that_cannot_be_written_leaves_no_record_that_says_it_is(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "0.txt").write_text("old")
    caption("--output", "c.jsonl")
    words = ("--output", "c.jsonl", "--sidecar", "--existing", "overwrite")
    with monkeypatch.context() as patch:
        patch.setattr(sidecars, "replacing", full_disk)
        assert caption(*words) == 4
    assert caption(*words) == 1
    assert (folder / "0.txt").read_text() == "A photo 8 wide\n"


@contextmanager
def full_disk(path: Path) -> Iterator[Path]:
    raise OSError(28, "No space left on device")
    yield path
