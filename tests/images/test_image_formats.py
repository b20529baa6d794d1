"""Camera raw files, JPEG XL and JPEG 2000: the same limits and sentences as for other kinds."""

import contextlib
import io
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from captioner.errors import ImageError
from captioner.images import ImageLimits, open_image
from tests.image_files import dng, encode, pixels, refusal

RGB = Image.radial_gradient("L").convert("RGB").resize((64, 48))
LEFT_RED = Image.new("RGB", (640, 480), "blue")
LEFT_RED.paste("red", (0, 0, 320, 480))


def jxl(image: Image.Image, **options: object) -> bytes:
    pytest.importorskip("pillow_jxl")
    return encode(image, "JXL", **options)


def test_a_raw_photo_without_a_preview_is_developed_upright() -> None:
    pytest.importorskip("rawpy")
    photo = open_image(dng(640, 480))
    assert (photo.width, photo.height, photo.image.size) == (640, 480, (320, 240))
    assert pixels(photo)[:, :20].mean() < 60 < 200 < pixels(photo)[:, -20:].mean()
    photo = open_image(dng(640, 480, orientation=6))  # turned right: what was on the left is above
    assert (photo.width, photo.height, photo.image.size) == (480, 640, (240, 320))
    assert pixels(photo)[:20].mean() < 60 < 200 < pixels(photo)[-20:].mean()


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_preview_is_taken_if_it_is_big_enough(orientation: int) -> None:
    pytest.importorskip("rawpy")
    for side, draft, taken in ((240, None, True), (120, None, False), (120, 60, True), (120, 64, False)):
        preview = encode(LEFT_RED.resize((side * 4 // 3, side)), "JPEG")
        photo = open_image(dng(640, 480, orientation=orientation, preview=preview), draft=draft)
        assert (photo.width, photo.height) == ((640, 480) if orientation == 1 else (480, 640))
        corner = pixels(photo)[3, 3]
        assert (corner[0] > 200 and corner[2] < 60) == taken
        assert (photo.image.width < photo.image.height) == (orientation == 6)


def test_raw_photos_within_limits(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rawpy")
    blob = dng(640, 480)
    assert "640 × 480 pixels, more than" in refusal(blob, limits=ImageLimits(max_pixels=300_000))
    assert "of memory" in refusal(blob, limits=ImageLimits(max_memory=1_000_000))
    for damaged in (blob[:-1000], blob[:300], b"FUJIFILMCCD-RAW 0201" + bytes(200), b"II*\0\x10\0\0\0CR\2\0"):
        assert "a camera's raw photo" in (sentence := refusal(damaged))
        assert "that is damaged or not supported; save it as JPEG or PNG" in sentence
    assert capfd.readouterr().err == ""


def test_the_plain_install_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("rawpy", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, package, None)
    for blob, name in ((dng(64, 48), "raw photo (such as DNG, NEF or ARW)"), (b"\xff\x0a\xfa\x1f", "JPEG XL file")):
        assert f"{name}; to read it, run: pip install 'captioner[formats]'" in refusal(blob)


@pytest.mark.parametrize("size", [(64, 48), (640, 480), (300, 200), (5, 4), (33, 777), (1920, 1080)])
@pytest.mark.parametrize("container", [False, True])
def test_jpeg_xl(size: tuple[int, int], container: bool) -> None:
    image = RGB.resize(size)
    blob = jxl(image, lossless=True, effort=1, use_container=container)
    photo = open_image(blob)
    assert (photo.width, photo.height) == size
    assert np.array_equal(np.asarray(photo.image), np.asarray(image))
    with pytest.raises(Exception, match=f"it has {size[0]} × {size[1]} pixels"):
        open_image(blob, limits=ImageLimits(max_pixels=size[0] * size[1] - 1))


def test_kinds_of_jpeg_xl() -> None:
    assert pixels(open_image(jxl(Image.new("RGBA", (9, 9), (255, 0, 0, 0)), lossless=True))).tolist()[0][0] != [0, 0, 0]
    for mode in ("L", "LA", "I;16"):
        assert open_image(jxl(RGB.convert("L").convert(mode))).image.mode == "RGB"
    source = io.BytesIO(encode(RGB, "JPEG"))
    photo = open_image(jxl(RGB))
    assert np.abs(pixels(photo) - np.asarray(RGB).astype(int)).mean() < 4
    assert np.abs(pixels(open_image(source)) - pixels(photo)).mean() < 8


def test_a_jpeg_inside_a_jpeg_xl(tmp_path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x112] = 6
    RGB.save(path, exif=exif)
    with Image.open(path) as image:
        blob = jxl(image, lossless_jpeg=True)
    photo = open_image(blob)
    assert (photo.width, photo.height) == (48, 64)
    assert np.array_equal(pixels(photo), pixels(open_image(path)))


def test_damaged_jpeg_xl(capfd: pytest.CaptureFixture[str]) -> None:
    blob = jxl(RGB)
    for damaged in (blob[:60], blob[:-9], blob[:20] + bytes(50), b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"):
        assert "JPEG XL" in refusal(damaged)
    assert "of memory" in refusal(blob, limits=ImageLimits(max_memory=10_000))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("codestream", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "I;16"])
def test_jpeg_2000(mode: str, codestream: bool) -> None:
    image = RGB.convert("L").convert(mode) if mode == "I;16" else RGB.convert(mode)
    blob = encode(image, "JPEG2000", irreversible=False, no_jp2=codestream)
    photo = open_image(blob)
    assert (photo.width, photo.height) == (64, 48)
    if mode in {"RGB", "RGBA"}:
        assert np.array_equal(np.asarray(photo.image), np.asarray(RGB))
    assert "64 × 48 pixels" in refusal(blob, limits=ImageLimits(max_side=63))
    assert "of memory" in refusal(blob, limits=ImageLimits(max_memory=10_000))


def test_hostile_jpeg_2000(capfd: pytest.CaptureFixture[str]) -> None:
    blob = encode(RGB, "JPEG2000")
    size = blob.index(b"\xff\x4f\xff\x51") + 8
    side = (60_000).to_bytes(4) * 2
    huge = blob[:size] + side + blob[size + 8 : size + 16] + side + blob[size + 24 :]
    assert "60000 × 60000 pixels" in refusal(huge)
    bigger = blob[:size] + (65).to_bytes(4) + blob[size + 4 :]
    assert "two different sizes" in refusal(bigger)
    tiles = blob[:size] + side + blob[size + 8 : size + 16] + (1).to_bytes(4) * 2 + blob[size + 24 :]
    assert "tiles" in refusal(tiles, limits=ImageLimits(max_pixels=4 * 10**9))
    assert "5 channels" in refusal(blob[: size + 32] + b"\0\5" + blob[size + 34 :])
    for damaged in (blob[: len(blob) // 2], blob[:size], blob[:20]):
        assert "JPEG 2000" in refusal(damaged) or "damaged" in refusal(damaged)
    assert capfd.readouterr().err == ""


def looks_like(picture: Image.Image, other: Image.Image) -> bool:
    """Whether two pictures are the same, except for what palettes and lossy formats change."""
    difference = np.asarray(picture, dtype=int) - np.asarray(other.resize(picture.size), dtype=int)
    return bool(np.abs(difference).mean() < 12)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_empty_first_frame_of_an_animation_is_skipped(kind: str) -> None:
    half = LEFT_RED.resize(RGB.size)
    black, *grays = (Image.new("RGB", RGB.size, (15 * gray,) * 3) for gray in range(12))  # equal ones would be merged

    def frames(*images: Image.Image) -> bytes:
        copies = [image.copy() for image in images]
        return encode(copies[0], kind, save_all=True, append_images=copies[1:], duration=50)

    assert looks_like(open_image(frames(black, RGB, half)).image, RGB)
    assert looks_like(open_image(frames(black, grays[9], half, RGB)).image, half)
    assert looks_like(open_image(frames(half, RGB)).image, half)
    assert looks_like(open_image(frames(black, grays[9])).image, black)
    assert looks_like(open_image(frames(black, *grays[:9], half)).image, half)
    assert looks_like(open_image(frames(black, *grays, half)).image, black)  # no endless search
    if kind != "AVIF":  # whose table of frames is in its last bytes
        damaged = bytearray(frames(black, RGB))
        damaged[-200:-100] = bytes(100)
        assert open_image(bytes(damaged)).image.size == RGB.size


def test_later_frames_of_a_gif_stay_within_its_canvas(recwarn: pytest.WarningsRecorder) -> None:
    black = Image.new("RGB", RGB.size)
    blob = bytearray(encode(black, "GIF", save_all=True, append_images=[RGB.copy()]))
    second = blob.rindex(b"\x2c\0\0\0\0" + RGB.width.to_bytes(2, "little"))
    blob[second + 5 : second + 9] = b"\xff" * 4
    assert looks_like(open_image(bytes(blob)).image, black)
    assert not recwarn


@pytest.mark.parametrize("between", [b"\xff" * 5, b"!\xff\0", b"!\xf9\0", b"!\xf9\x01\0\0", b"!\xf9\x04\1"])
def test_what_lies_between_the_frames_of_a_gif_enlarges_no_canvas(
    between: bytes, recwarn: pytest.WarningsRecorder
) -> None:
    blob = encode(RGB, "GIF")
    frame = blob.index(b"\x2c\0\0\0\0" + RGB.width.to_bytes(2, "little"))
    for sides in (10_000, 60_000):
        huge = blob[frame : frame + 5] + 2 * sides.to_bytes(2, "little") + blob[frame + 9 :]
        with contextlib.suppress(ImageError):
            open_image(blob[:frame] + between + huge)
    assert looks_like(open_image(blob[:frame] + b"\xff" * 5 + blob[frame:]).image, RGB)
    assert not recwarn


@pytest.mark.parametrize("number", [0, 2**31 + 1, None])
def test_a_damaged_table_of_frames_of_a_png_is_not_warned_about(
    number: int | None, recwarn: pytest.WarningsRecorder
) -> None:
    black = Image.new("RGB", RGB.size)
    blob = encode(black, "PNG", save_all=True, append_images=[RGB.copy()])
    at = blob.index(b"acTL") - 4
    body = b"acTL" + (2 if number is None else number).to_bytes(4) + bytes(4)
    table = b"\0\0\0\x08" + body + zlib.crc32(body).to_bytes(4)
    picture = open_image(blob[:at] + table * (2 if number is None else 1) + blob[at + 20 :]).image
    assert looks_like(picture, black if number is not None else RGB)
    assert not recwarn


@pytest.mark.parametrize("big", [False, True])
def test_an_empty_first_page_of_a_tiff_is_skipped(big: bool) -> None:
    white = Image.new("RGB", (40, 30), "white")

    def pages(*images: Image.Image) -> bytes:
        copies = [image.copy() for image in images]  # on which no other encoder has left its settings
        return encode(copies[0], "TIFF", save_all=True, append_images=copies[1:], big_tiff=big)

    assert np.array_equal(np.asarray(open_image(pages(white, white, RGB, LEFT_RED)).image), np.asarray(RGB))
    assert open_image(pages(RGB, white)).width == 64
    assert open_image(pages(white, white)).width == 40
    assert open_image(pages(*[white] * 12, RGB)).width == 40  # no endless search
    two = pages(white, RGB)
    assert open_image(two[:-200]).width == 40 or open_image(two[:-200]).width == 64
    circle = bytearray(pages(white, white))
    first = int.from_bytes(circle[8:16] if big else circle[4:8], "little")
    count, size = (8, 20) if big else (2, 12)
    at = first + count + size * int.from_bytes(circle[first : first + count], "little")
    circle[at : at + 4] = first.to_bytes(4, "little")
    assert open_image(bytes(circle)).width == 40
