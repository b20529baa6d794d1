"""Camera raw files in folders: found where their package is installed, and one photo with the JPEG beside them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from captioner.cli import main
from captioner.folders import finding
from captioner.folders.finding import PassedOver, Photos
from tests.folder_runs import Fake, caption, names
from tests.image_files import dng


@pytest.fixture
def raws(folder: Path) -> Iterator[Path]:
    """1.DNG beside 1.jpg, and other.dng alone."""
    for name in ("1.DNG", "other.dng"):
        (folder / name).write_bytes(dng(64, 48))
    (folder / "3.jpg").unlink()
    finding.suffixes.cache_clear()
    yield folder
    finding.suffixes.cache_clear()


def found(**options: object) -> tuple[set[str], PassedOver]:
    passed = PassedOver()
    photos = Photos(arguments=["photos"], **options).search(passed)
    return {Path(photo.path).name for photo in photos} - {f"{number}.jpg" for number in range(10)}, passed


def test_a_pair_is_one_photo_unless_asked(raws: Path) -> None:
    pytest.importorskip("rawpy")
    names, passed = found()
    assert (names, passed.paired) == ({"other.dng"}, 1)
    assert found(raw_pairs="both")[0] == {"1.DNG", "other.dng"}
    assert found(exclude=["*.jpg"])[0] == {"1.DNG", "other.dng"}
    assert {photo.path for photo in Photos(arguments=["photos/1.DNG"])} == {"photos/1.DNG"}


def test_captions_and_text_files_of_raw_photos(raws: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rawpy")
    assert caption("--output", "c.jsonl", "--sidecar") == 0
    assert "other.dng" in names("c.jsonl")
    assert "ignored 1 camera raw file beside a photo of the same name" in capsys.readouterr().err
    assert (raws / "other.txt").read_text() == "A photo 64 wide\n"
    assert caption("--output", "c.jsonl", "--sidecar", "--raw-pairs", "both") == 0
    assert (raws / "1.txt").read_text() == "A photo 9 wide\n"  # as before
    assert (raws / "1.DNG.txt").read_text() == "A photo 64 wide\n"


def test_where_the_package_is_missing_they_are_ignored_and_reported(
    raws: Path, fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "EXTRA", {"no_such_package": finding.RAW})
    shutil.copy(raws / "2.jpg", raws / "other.jpg")
    assert caption("--output", "c.jsonl") == 0
    told = capsys.readouterr().err
    assert "ignored 2 files in unsupported formats (2 .dng)" in told
    assert "to read camera raw and JPEG XL files, run: pip install 'captioner[formats]'" in told
    for photo in raws.glob("*.jpg"):
        photo.unlink()
    assert caption() == 2
    assert "(.dng); to read camera raw and JPEG XL files, run: pip install" in capsys.readouterr().err


def test_a_raw_photo_gets_an_xmp_sidecar_of_its_own_name(raws: Path, fake: Fake) -> None:
    pytest.importorskip("rawpy")
    if not shutil.which("exiftool"):
        pytest.skip("ExifTool is not installed")
    before = (raws / "other.dng").read_bytes()
    assert main(["caption", "photos", "--write-metadata", "--raw-pairs", "both"]) == 0
    assert (raws / "other.dng").read_bytes() == before
    assert {path.name for path in raws.glob("*.xmp")} == {"other.xmp", "1.DNG.xmp"}
