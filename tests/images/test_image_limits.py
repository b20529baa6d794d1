"""Files that are too large, broken, hostile or not photos get one clear error, without side effects."""

import errno
import io
import os
import random
import re
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile
from skimage import data as photographs

from captioner.errors import CaptionerError, ImageError, UsageError
from captioner.images import ImageLimits, open_image
from tests.image_files import FORMATS, encode, grey_jpeg, pixels, png, refusal, tiff

# Limits


def test_limits_are_checked_when_built() -> None:
    assert ImageLimits(max_bytes=1, max_pixels=1, max_side=1, min_side=1)
    for wrong in ({"max_bytes": 0}, {"max_pixels": -1}, {"max_side": 1.5}, {"min_side": True}, {"max_side": "9"}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            ImageLimits(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="min_side"):
        ImageLimits(min_side=10, max_side=9)
    with pytest.raises(TypeError):
        ImageLimits(1)  # type: ignore[misc]


def test_default_limits() -> None:
    limits = ImageLimits()
    assert (limits.max_bytes, limits.max_pixels, limits.max_side) == (520_000_000, 250_000_000, 65_535)
    assert limits.max_memory == 1_000_000_000


def test_limits_to_the_pixel() -> None:
    blob = encode(Image.new("RGB", (40, 25)), "PNG")
    for good in ({"max_pixels": 1000}, {"max_side": 40}, {"min_side": 25}, {"max_bytes": len(blob)}):
        for source in (blob, Image.new("RGB", (40, 25))):
            assert open_image(source, limits=ImageLimits(**good)).width == 40
    for wrong in ({"max_pixels": 999}, {"max_side": 39}, {"min_side": 26}):
        for source in (blob, Image.new("RGB", (40, 25))):
            sentence = refusal(source, limits=ImageLimits(**wrong))
            assert "40 × 25" in sentence
            assert str(next(iter(wrong.values()))) in sentence or "0.000999 million" in sentence


def test_limit_of_bytes_holds_for_every_source(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(Image.new("RGB", (40, 25)), "PNG"))
    limits = ImageLimits(max_bytes=path.stat().st_size - 1)
    with path.open("rb") as file:
        for source in (path, path.read_bytes(), file):
            assert "make it smaller" in refusal(source, limits=limits)


def test_an_endless_stream_ends() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            assert self.given < 20_000_000
            return bytes(size)

    endless = Endless()
    assert "5 MB" in refusal(endless, limits=ImageLimits(max_bytes=5_000_000))
    assert endless.given < 8_000_000


def test_a_big_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.truncate(50 * 2**30)
    assert "520 MB" in refusal(path)
    assert "30 MB" in refusal(path, limits=ImageLimits(max_bytes=30_000_000))


def bomb(format: str, width: int, height: int) -> bytes:  # noqa: A002
    """A small file whose header claims `width` × `height`."""
    small = encode(Image.new("RGB", (64, 64)), format)
    if format == "PNG":
        return png(width, height, 8, 2, [b""])
    if format == "GIF":
        return small[:6] + struct.pack("<HH", width, height) + small[10:]
    if format == "BMP":
        return small[:18] + struct.pack("<ii", width, height) + small[26:]
    if format == "JPEG":
        where = small.index(b"\xff\xc0") + 5
        return small[:where] + struct.pack(">HH", height, width) + small[where + 4 :]
    if format == "TIFF":
        return tiff({256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: -1, 277: 1, 278: height, 279: 9}, bytes(9))
    if format == "WEBP":
        lossless = encode(Image.new("RGB", (64, 64)), format, lossless=True)
        return lossless[:21] + struct.pack("<I", width - 1 | (height - 1) << 14) + lossless[25:]
    where = small.index(b"ispe") + 8
    return small[:where] + struct.pack(">II", width, height) + small[where + 8 :]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(8100, 8100), (12000, 9000), (16383, 16383)])  # ours; Pillow warns; fails
@pytest.mark.parametrize("warnings_are", ["error", "ignore"])
def test_bombs_are_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch,
    format: str,  # noqa: A002
    size: tuple[int, int],
    warnings_are: str,
) -> None:
    def load(self: object) -> None:
        pytest.fail("a pixel was decoded")

    blob = bomb(format, *size)
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    monkeypatch.setattr(Image.Image, "load", load)
    with warnings.catch_warnings():
        warnings.simplefilter(warnings_are)  # type: ignore[arg-type]
        sentence = refusal(blob, limits=ImageLimits(max_pixels=65_000_000))
    assert "65 million" in sentence
    assert "make it smaller" in sentence


def test_a_long_side_is_refused() -> None:
    assert "65535" in refusal(png(65_536, 1, 8, 0, [bytes(65_536)]))
    assert open_image(png(65_535, 1, 8, 0, [bytes(65_535)])).width == 65_535


def test_the_limit_of_pillow_is_not_ours(capfd: pytest.CaptureFixture[str]) -> None:
    """Pillow warns above 89 megapixels and refuses above 179; phones take photos of 200."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photo = open_image(grey_jpeg(16_320, 12_224), draft=288)
        assert (photo.width, photo.height, *photo.image.size) == (16_320, 12_224, 2040, 1528)
        assert photo.image.getextrema() == ((128, 128),) * 3
        assert open_image(grey_jpeg(40_000, 2_496), draft=288).image.size == (10_000, 624)  # a panorama
        for format in ("PNG", "BMP", "TIFF"):  # noqa: A001
            assert "million" not in refusal(bomb(format, 12_000, 9_000))
    assert capfd.readouterr() == ("", "")


def test_memory_is_limited_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("a pixel was decoded"))
    for format, size in (("WEBP", (12_000, 9_000)), ("AVIF", (12_000, 9_000)), ("PNG", (15_800, 15_800))):  # noqa: A001
        assert re.search(r"would take [12]\.?\d* GB of memory, above the limit of 1 GB", refusal(bomb(format, *size)))
        assert "2 million" in refusal(bomb(format, *size), limits=ImageLimits(max_pixels=2_000_000))


def test_a_lazy_image_of_the_user_is_refused_unread() -> None:
    with Image.open(io.BytesIO(bomb("PNG", 9000, 9000))) as lazy:
        assert "65 million" in refusal(lazy, limits=ImageLimits(max_pixels=65_000_000))


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    blob = encode(Image.new("RGB", (640, 640), "red"), "JPEG", progressive=True)
    assert open_image(blob).width == 640
    last = blob[blob.rindex(b"\xff\xc4") : -2]
    assert "scans" in refusal(blob[:-2] + last * 1000 + blob[-2:])


def test_a_tiff_of_huge_tiles_is_refused() -> None:
    side = 20_000
    packed = zlib.compress(bytes(side * side // 100))
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: -1, 325: len(packed)}
    assert "tiles" in refusal(tiff(tags, packed))


# Failures


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "missing.jpg")
    assert "directory" in refusal(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refusal(tmp_path / "loop")
    refusal(tmp_path / ("x" * 5000))
    refusal("a\0b.jpg")
    refusal("")
    (tmp_path / "empty.jpg").touch()
    for source in (tmp_path / "empty.jpg", b"", io.BytesIO()):
        assert "empty" in refusal(source)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "pipe.jpg"
    os.mkfifo(path)
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(refusal(path)), daemon=True)
    thread.start()
    thread.join(5)
    assert said, "it hangs"
    assert "it is a pipe" in said[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_exchanged_at_the_last_moment_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, file = tmp_path / "pipe.jpg", tmp_path / "file.jpg"
    os.mkfifo(pipe)
    file.write_bytes(b"x")
    before = file.stat()
    monkeypatch.setattr(Path, "stat", lambda self, **_: before)
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(refusal(pipe)), daemon=True)
    thread.start()
    thread.join(5)
    assert said, "it hangs"
    assert "it is a pipe" in said[0]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices")
def test_devices_are_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("it was opened"))
    assert "device" in refusal("/dev/zero")
    assert "device" in refusal("/dev/null")


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(b"x")

    def denied(*_: object) -> int:  # root may read everything, so the error is simulated
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "open", denied)
    assert "secret.jpg: Permission denied" in refusal(path)


def test_streams_that_fail(tmp_path: Path) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise RuntimeError("the line\nis dead")

    assert "the line\\nis dead" in refusal(Broken())
    closed = io.BytesIO(b"x")
    closed.close()
    assert "closed" in refusal(closed)
    assert "binary" in refusal(io.StringIO("x"))


def test_what_is_no_photo_at_all() -> None:
    for source in (None, 3, 3.5, np.zeros((4, 4, 3), np.uint8), [b"x"]):
        with pytest.raises(TypeError, match=type(source).__name__):
            open_image(source)  # type: ignore[arg-type]


@pytest.mark.parametrize("format", FORMATS)
def test_half_a_file_is_refused(format: str, astronaut: Image.Image) -> None:  # noqa: A002
    blob = encode(astronaut, format)
    assert "cannot read the image: it is " in refusal(blob[: len(blob) // 2])


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_cut_anywhere_is_never_a_grey_half(options: dict[str, bool], astronaut: Image.Image) -> None:
    blob = encode(astronaut, "JPEG", **options)
    for part in (0.05, 0.3, 0.5, 0.9, 0.99):
        for draft in (None, 64):
            assert "cannot read the image" in refusal(blob[: int(len(blob) * part)], draft=draft)


def test_a_failing_image_of_the_user(astronaut: Image.Image) -> None:
    blob = encode(astronaut, "JPEG")
    with Image.open(io.BytesIO(blob[: len(blob) // 2])) as lazy:
        assert "truncated" in refusal(lazy)
    lazy = Image.open(io.BytesIO(blob))
    lazy.close()
    refusal(lazy)


@pytest.mark.parametrize(
    "error",
    [
        *(SyntaxError("a\nb"), struct.error(), ValueError(), EOFError(), IndexError(), OverflowError(), TypeError()),
        *(
            KeyError(),
            MemoryError(),
            RecursionError(),
            AssertionError(),
            ZeroDivisionError(),
            OSError("x"),
            UserWarning(),
        ),
    ],
)
def test_whatever_pillow_raises_is_one_sentence(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    blob = encode(Image.new("RGB", (8, 8)), "PNG")

    def load(self: object) -> None:
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    sentence = refusal(blob)
    assert sentence.startswith("cannot read the image: ")
    assert ("memory" in sentence) == isinstance(error, MemoryError)


def test_an_interrupt_is_not_an_error_of_the_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(KeyboardInterrupt):
        open_image(encode(Image.new("RGB", (8, 8)), "PNG"))


def test_names_are_one_printable_line(tmp_path: Path) -> None:
    name = b"two\nlines \x1b[31m \xff \xe2\x80\xae.jpg"
    path = os.fsencode(tmp_path) + b"/" + name
    sentence = refusal(os.fsdecode(path))
    assert "two\\nlines \\x1b[31m \\udcff \\u202e.jpg" in sentence
    sentence.encode("utf-8")
    stream = io.BytesIO(b"junk")
    stream.name = "up\nload.png"  # type: ignore[attr-defined]
    assert "cannot read up\\nload.png: " in refusal(stream)
    assert "cannot read the image: " in refusal(io.BytesIO(b"junk"))


def test_errors_are_the_project_s_own() -> None:
    with pytest.raises(CaptionerError) as caught:
        open_image(b"junk")
    assert caught.value.exit_code == 1
    assert caught.value.__cause__ is not None


# Many at once, and much rubbish


def test_many_threads(astronaut: Image.Image) -> None:
    names = ("astronaut", "chelsea", "coffee", "rocket")
    originals = [Image.fromarray(getattr(photographs, name)()) for name in names]
    jobs: list[tuple[bytes | Image.Image, np.ndarray | None]] = [(astronaut, np.asarray(astronaut)), (b"<html>", None)]
    for original in originals:
        for format in FORMATS:  # noqa: A001
            blob = encode(original, format)
            jobs += [(blob, pixels(open_image(blob))), (blob[: len(blob) // 3], None)]
    random.Random(1).shuffle(jobs)

    def work(job: tuple[bytes | Image.Image, np.ndarray | None]) -> bool:
        source, wanted = job
        if wanted is None:
            return bool(refusal(source))
        return np.array_equal(pixels(open_image(source)), wanted)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, jobs * 2))


@pytest.mark.parametrize("format", [*FORMATS, "MPO"])
@pytest.mark.parametrize("warnings_are", ["error", "ignore"])
def test_rubbish_is_an_image_error_or_a_photo(format: str, warnings_are: str) -> None:  # noqa: A002
    chance = random.Random(f"{format} {warnings_are}")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "somebody"
    blob = encode(Image.fromarray(photographs.chelsea()).resize((96, 64)), format, exif=exif.tobytes())
    good = bad = 0
    with warnings.catch_warnings():
        warnings.simplefilter(warnings_are)  # type: ignore[arg-type]
        for case in range(60):
            broken = bytearray(blob)
            if case % 3 == 0:
                del broken[chance.randrange(len(broken)) :]
            for _ in range(chance.choice((1, 2, 8, 30)) if case % 3 else 0):
                # Half of the changes in the first bytes, which hold lengths and offsets.
                where = chance.randrange(len(broken) if chance.random() < 0.5 else 200)
                broken[where] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            try:
                photo = open_image(bytes(broken), draft=chance.choice((None, 16)))
            except ImageError:
                bad += 1
            else:
                assert photo.image.mode == "RGB"
                photo.image.tobytes()
                good += 1
    assert bad >= 10
    assert good + bad == 60
