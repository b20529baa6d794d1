"""Captions in the metadata of photos, read and compared with the real ExifTool."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner.cli import main
from captioner.folders.exiftool import ExifTool
from captioner.folders.finding import Found
from captioner.folders.metadata import Metadata, MetadataOptions
from captioner.folders.receipts import Receipts
from captioner.images import open_image
from tests.folder_runs import Fake, caption
from tests.metadata_files import HERS, contents, descriptions, exiftool, needs_exiftool, others, save, tag, tags

pytestmark = needs_exiftool
PICTURE = Image.radial_gradient("L").convert("RGB").resize((64, 48))


def write(path: Path, text: str, language: str = "en", **options: object) -> str:
    with ExifTool() as program:
        metadata = Metadata(MetadataOptions(**{"target": "photo", **options}), program, Receipts())
        outcome = metadata.write(Found(str(path), ""), {"caption": text, "language": language, "error": None})
        return outcome if outcome != "failed" else metadata.problems[0]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "heic", "avif", "gif"])
def test_a_caption_changes_nothing_but_the_descriptions(suffix: str, tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / f"a.{suffix}")
    tag(path, *HERS, *(["-IPTC:Keywords=holiday"] if suffix == "jpg" else []))
    path.chmod(0o640)
    before, pixels, status = others(path), np.asarray(open_image(path).image), path.stat()
    assert "XMP-dc:Title" in before
    text = 'Ein "Hündchen" <läuft> $x & @y \\ 100% – 🐶'
    assert write(path, text, "de") == "written"
    assert others(path) == before
    assert np.array_equal(np.asarray(open_image(path).image), pixels)
    assert (path.stat().st_mode, path.stat().st_mtime_ns) == (status.st_mode, status.st_mtime_ns)
    written = tags(path)
    assert descriptions(path) == {text}
    assert {"XMP-dc:Description", "XMP-dc:Description-de", "XMP-iptcCore:AltTextAccessibility"} <= set(written)
    assert ("IFD0:ImageDescription" in written) == (suffix != "gif")
    assert ("IPTC:Caption-Abstract" in written) == (suffix in {"jpg", "tif"})
    assert write(path, "Another") == "written"
    assert others(path) == before
    assert descriptions(path) == {"Another"}
    assert "XMP-dc:Description-de" not in tags(path)


def test_the_pixels_of_a_jpeg_are_the_same_bytes_and_its_resolution_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    PICTURE.save(path, dpi=(300, 300))
    scan = path.read_bytes()[path.read_bytes().index(b"\xff\xda") :]
    write(path, "A dog.")
    assert path.read_bytes().endswith(scan)
    assert tags(path)["IFD0:XResolution"] == tags(path)["JFIF:XResolution"] == 300


@pytest.mark.parametrize(
    "hers",
    [
        "-XMP-dc:Description=Anna",
        "-XMP-dc:Description-de=Anna",
        "-XMP-iptcCore:AltTextAccessibility=Anna",
        "-EXIF:ImageDescription=Anna",
        "-IPTC:Caption-Abstract=Anna",
        "-XMP-tiff:ImageDescription=Anna",
    ],
)
def test_a_persons_description_is_kept_unless_asked(hers: str, tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / "a.jpg")
    tag(path, hers)
    before = path.read_bytes()
    assert write(path, "A dog.") == "foreign"
    assert path.read_bytes() == before
    assert write(path, "A dog.", replace=True) == "written"
    assert descriptions(path) == {"A dog."}


@pytest.mark.parametrize("where", ["XMP-dc:Description", "EXIF:ImageDescription", "XMP-iptcCore:AltTextAccessibility"])
def test_captioners_description_that_a_person_corrected_is_hers(where: str, tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / "a.jpg")
    write(path, "A dog.")
    tag(path, f"-{where}=Rex", "-XMP-dc:Subject=dog")
    assert write(path, "A cat.") == "foreign"
    assert "Rex" in descriptions(path)


def test_control_characters_are_left_out_so_that_captioner_knows_its_caption_again(tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / "a.jpg")
    assert write(path, "\x01A\ufffe \udcffdog\x1b.\nRex") == "written"
    assert descriptions(path) == {"A dog.\nRex"}
    (tmp_path / ".captioner.jsonl").unlink()
    assert write(path, "\x01A\ufffe \udcffdog\x1b.\nRex") == "same"
    assert write(path, "A cat.") == "written"


def test_tags_that_a_person_adds_later_stay(tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / "a.jpg")
    write(path, "A dog.")
    tag(path, *HERS)
    before = others(path)
    assert write(path, "A cat.") == "written"
    assert others(path) == before
    assert descriptions(path) == {"A cat."}


def test_what_a_camera_writes_into_each_photo_is_no_description(tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / "a.jpg")
    tag(path, "-EXIF:ImageDescription=OLYMPUS DIGITAL CAMERA         ")
    for text in ("A dog.", "A cat."):
        assert write(path, text) == "written"
        assert tags(path)["XMP-dc:Description"] == text
        assert str(tags(path)["IFD0:ImageDescription"]).strip() == "OLYMPUS DIGITAL CAMERA"


def test_iptc_in_another_encoding_is_not_garbled(tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / "a.jpg")
    tag(path, "-IPTC:City=Köln")  # Latin 1, without a word about it
    assert write(path, "A dog.") == "written"
    assert tags(path)["IPTC:Caption-Abstract"] == "A dog."
    assert write(path, "Pes běží.", "cs") == "written"
    assert tags(path)["IPTC:City"] == "Köln"
    assert "IPTC:CodedCharacterSet" not in tags(path)
    assert "IPTC:Caption-Abstract" not in tags(path)
    assert tags(path)["XMP-dc:Description-cs"] == "Pes běží."
    path = save(PICTURE, tmp_path / "b.jpg")
    tag(path, "-IPTC:City=Ulm", "-IPTCDigest=new")
    assert write(path, "Pes běží.", "cs") == "written"
    assert (tags(path)["IPTC:City"], tags(path)["IPTC:Caption-Abstract"]) == ("Ulm", "Pes běží.")
    assert tags(path)["Photoshop:IPTCDigest"] == tags(path)["File:CurrentIPTCDigest"]


def test_a_phones_second_pictures_and_trailing_data_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    PICTURE.save(path, "MPO", save_all=True, append_images=[PICTURE.rotate(90)])
    assert write(path, "A dog.") == "written"
    with Image.open(path) as opened:
        assert opened.n_frames == 2
        opened.seek(1)
        assert np.abs(np.asarray(opened).astype(int) - np.asarray(PICTURE.rotate(90))).mean() < 3


def test_a_run_writes_captions_once_and_knows_the_photos_again(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    tag(folder / "4.jpg", "-XMP-dc:Description=By hand.")
    words = ("--write-metadata", "--output", "c.jsonl")
    assert caption(*words) == 1  # 3.jpg is broken
    told = capsys.readouterr().err
    assert "wrote 8 captions into metadata\n" in told
    assert "kept 1 description that captioner did not write; replace with --replace-descriptions" in told
    assert descriptions(folder / "1.jpg") == {"A photo 9 wide"}
    assert descriptions(folder / "4.jpg") == {"By hand."}
    before = contents(folder)
    assert caption(*words) == 1
    assert caption("--output", "c.jsonl") == 1
    assert contents(folder) == before
    assert fake.seen == 9


@pytest.mark.parametrize("first", [("--output", "c.jsonl"), ("--sidecar",)])
def test_a_later_run_writes_what_an_earlier_one_did_not(first: tuple[str, ...], folder: Path, fake: Fake) -> None:
    caption(*first)
    seen = fake.seen
    caption(*first, "--write-metadata")
    assert fake.seen in {seen, seen + 1}  # the broken photo has no sidecar
    assert descriptions(folder / "9.jpg") == {"A photo 17 wide"}
    before = contents(folder)
    caption(*first, "--write-metadata")
    assert contents(folder) == before
    assert fake.seen == seen


def test_another_photo_under_the_same_name_is_captioned_and_described_anew(folder: Path, fake: Fake) -> None:
    words = ("--write-metadata", "--output", "c.jsonl")
    caption(*words)
    shutil.copy(folder / "9.jpg", folder / "1.jpg")
    caption(*words)
    assert fake.seen == 10
    fake.word = "picture"
    caption(*words, "--existing", "overwrite")
    assert descriptions(folder / "1.jpg") == {"A picture 17 wide"}
    caption(*words)
    assert fake.seen == 19


def test_described_photos_can_be_skipped(folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    tag(folder / "4.jpg", "-EXIF:ImageDescription=By hand.")
    exiftool("-XMP-dc:Description=By hand.", folder / "5.xmp")
    exiftool("-XMP-dc:Subject=dog", folder / "6.xmp")
    assert caption("--write-metadata", "--skip-described") == 1
    assert "3 skipped photos" not in (told := capsys.readouterr().err)
    assert "2 skipped photos already had a description (--skip-described)" in told
    assert fake.seen == 7
    assert caption("--write-metadata", "--skip-described") == 1  # needs no journal
    assert fake.seen == 7
    assert "9 skipped photos already had a description" in capsys.readouterr().err
    assert caption("--skip-described", "--dry-run") == 0
    assert capsys.readouterr().out == "photos/3.jpg\n"


DARKTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:darktable="http://darktable.sf.net/" xmlns:own="http://example.org/own/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4" darktable:xmp_version="5" own:word="kept">
<darktable:history><rdf:Seq><rdf:li darktable:num="0" darktable:operation="exposure" darktable:params="00ff"/></rdf:Seq>
</darktable:history></rdf:Description></rdf:RDF></x:xmpmeta>
"""


def test_an_xmp_sidecar_is_made_or_merged(folder: Path, fake: Fake) -> None:
    (folder / "1.xmp").write_text(DARKTABLE)
    (folder / "2.jpg.xmp").write_text(DARKTABLE)
    exiftool("-XMP-dc:Description=By hand.", folder / "4.xmp")
    before, photos = others(folder / "1.xmp"), {p.name: p.read_bytes() for p in folder.glob("*.jpg")}
    assert {"XMP-xmp:Rating", "XMP-own:Word"} <= set(before)
    assert caption("--xmp-sidecar") == 1
    assert {p.name: p.read_bytes() for p in folder.glob("*.jpg")} == photos
    assert sorted(p.name for p in folder.glob("*.xmp")) == [
        *(f"{number}{'.jpg' * (number == 2)}.xmp" for number in (0, 1, 2, 4, 5, 6, 7, 8, 9)),
    ]
    for name, number in (("0.xmp", 8), ("1.xmp", 9), ("2.jpg.xmp", 10)):
        assert descriptions(folder / name) == {f"A photo {number} wide"}
    assert descriptions(folder / "4.xmp") == {"By hand."}
    assert others(folder / "1.xmp") == before
    first = contents(folder)
    assert caption("--xmp-sidecar") == 1
    assert contents(folder) == first


def test_xmp_sidecars_are_named_as_text_sidecars_are(folder: Path, fake: Fake) -> None:
    assert caption("--xmp-sidecar", "--sidecar-name", "{name}.xmp", "--sidecar-dir", "tree") == 1
    assert descriptions(Path("tree/9.jpg.xmp")) == {"A photo 17 wide"}
    shutil.copy(folder / "4.jpg", folder / "4.png")
    assert main(["caption", str(folder / "4.png"), "--xmp-sidecar"]) == 0
    assert descriptions(folder / "4.png.xmp") == {"A photo 12 wide"}


def test_camera_raw_files_are_never_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    save(PICTURE, tmp_path / "a.tif").rename(path)
    before = path.read_bytes()
    assert write(path, "A dog.") == "written"
    assert path.read_bytes() == before
    assert descriptions(tmp_path / "a.xmp") == {"A dog."}


@pytest.mark.parametrize(
    "name", [b"-a.jpg", b"a\nb.jpg", "żółw.jpg".encode(), b"\xff.jpg", b"#[CSTR]a.jpg", b" a .jpg"]
)
def test_any_name_of_a_file(name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(os.fsdecode(name))
    save(PICTURE, Path("plain.jpg")).rename(path)
    for outcome in ("written", "same"):
        assert write(path, "A dog.") == outcome
    path.rename("plain.jpg")
    assert descriptions(Path("plain.jpg")) == {"A dog."}


def test_a_name_that_says_another_format(tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert write(path, "A dog.") == "written"
    assert descriptions(path) == {"A dog."}


def test_a_photo_that_cannot_be_written_costs_nothing_but_a_sentence(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    PICTURE.save(folder / "4.bmp")
    (folder / "5.jpg").chmod(0o444)
    (folder / "6.jpg").write_bytes((folder / "6.jpg").read_bytes()[:-2])
    before = {name: (folder / name).read_bytes() for name in ("4.bmp", "5.jpg")}
    assert caption("--write-metadata", "--output", "c.jsonl", "--exclude", "3.jpg") == 1
    told = capsys.readouterr().err
    assert "cannot write the metadata of 'photos/4.bmp': ExifTool cannot write to this file format; use" in told
    assert "cannot write the metadata of 'photos/5.jpg': the file is write-protected; use --xmp-sidecar" in told
    assert "10 captioned, 0 skipped, 0 failed" in told
    assert "wrote 8 captions into metadata; 2 failed" in told
    assert {name: (folder / name).read_bytes() for name in before} == before
    (folder / "5.jpg").chmod(0o644)
    (folder / "4.bmp").unlink()
    assert caption("--write-metadata", "--output", "c.jsonl", "--exclude", "3.jpg") == 0
    assert descriptions(folder / "5.jpg") == {"A photo 13 wide"}
    assert not list(folder.glob(".captioner-*"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="a superuser may write anywhere")
def test_a_folder_that_may_not_be_written(folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    folder.chmod(0o555)
    assert caption("--write-metadata") == 1
    assert "0.jpg': Permission denied; check that the folder is writable" in capsys.readouterr().err
    folder.chmod(0o755)


def test_two_runs_never_write_one_photo_at_once(tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / "a.jpg")
    before = path.read_bytes()
    hold = (
        "import pathlib, sys, captioner.files as files\nwith files.lock(pathlib.Path(sys.argv[1])):\n input(print(1))"
    )
    with subprocess.Popen([sys.executable, "-c", hold, path], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "1\n"
        sentence = f"cannot write the metadata of {str(path)!a}: another run is writing it; run the same command again"
        assert write(path, "A dog.").startswith(sentence)
        other.stdin.close()
    assert path.read_bytes() == before
    assert write(path, "A dog.") == "written"
    assert sorted(file.name for file in tmp_path.iterdir()) == [".captioner.jsonl", "a.jpg"]


def test_a_name_to_which_nothing_can_be_added(folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    path = (folder / "1.jpg").rename(folder / f"{'x' * 251}.jpg")
    assert caption("--write-metadata", "--exclude", "3.jpg") == 0
    assert descriptions(path) == {"A photo 9 wide"}
    assert caption("--skip-described", "--exclude", "3.jpg") == 0
    assert "A photo" not in capsys.readouterr().out
    assert caption("--xmp-sidecar", "--sidecar-name", "{name}.xmp", "--exclude", "3.jpg") == 1
    assert "File name too long" in capsys.readouterr().err


def test_a_damaged_xmp_sidecar_is_left_as_it_is(folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "1.xmp").write_text(DARKTABLE[:200])
    (folder / "2.xmp").mkdir()
    os.mkfifo(folder / "5.xmp")
    assert caption("--xmp-sidecar", "--exclude", "3.jpg") == 1
    assert (folder / "1.xmp").read_text() == DARKTABLE[:200]
    told = capsys.readouterr().err
    assert "cannot write the metadata of 'photos/1.jpg': " in told
    for name in ("2", "5"):
        assert f"cannot write the metadata of 'photos/{name}.jpg': it is not a file; " in told
    assert descriptions(folder / "4.xmp") == {"A photo 12 wide"}


def test_a_dry_run_writes_nothing(folder: Path, fake: Fake) -> None:
    caption("--output", "c.jsonl")
    before = contents(folder)
    assert caption("--write-metadata", "--output", "c.jsonl", "--dry-run") == 0
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--write-metadata", "--xmp-sidecar"], "give one of them"),
        (["--replace-descriptions"], "--replace-descriptions requires --write-metadata or --xmp-sidecar"),
        (["--write-metadata", "--replace-descriptions", "--skip-described"], "give one of them"),
    ],
)
def test_options_that_make_no_sense(
    words: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert caption(*words) == 2
    assert sentence in capsys.readouterr().err


def test_standard_input_has_no_metadata_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["caption", "-", "--write-metadata"]) == 2
    assert "a photo from standard input has no file for metadata" in capsys.readouterr().err
