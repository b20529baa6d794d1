"""Real photographs and every kind of file that is none: what comes out is right, or one sentence says why not."""

import errno
import io
import os
import random
import re
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, ImageFile, ImageOps
from skimage import data as photographs

from captioner.errors import CaptionerError, ImageError, UsageError
from captioner.images import ImageLimits, Photo, open_image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(photographs.astronaut())


def encode(image: Image.Image, format: str, **options) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    if format == "HEIF":
        pillow_heif.from_pillow(image).save(buffer, **options)
    else:
        image.save(buffer, format, **options)
    return buffer.getvalue()


def pixels(photo: Photo) -> np.ndarray:
    return np.asarray(photo.image).astype(int)


def refusal(source, **options) -> str:
    """The sentence with which `source` is refused: always one line, always with an advice."""
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.startswith("cannot read ")
    assert ": " in sentence
    assert "; " in sentence
    assert not re.search(r"ImageLimits|PIL\.|max_|min_", sentence)  # its reader owns a photo and no code
    return sentence


def png(width: int, height: int, depth: int, kind: int, rows: list[bytes], **chunks: bytes) -> bytes:
    """A PNG written by hand, for what Pillow does not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
        + b"".join(chunk(name.encode(), body) for name, body in chunks.items())
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )


def tiff(tags: dict[int, int], body: bytes) -> bytes:
    """A little-endian TIFF of one directory; `tags` values are longs, and -1 stands for where `body` begins."""
    start = 8 + 2 + 12 * len(tags) + 4
    entries = [struct.pack("<HHII", tag, 4, 1, start if v == -1 else v) for tag, v in sorted(tags.items())]
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4) + body


# Real photographs


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "camera", "rocket"])
@pytest.mark.parametrize("format", FORMATS)
def test_real_photographs_in_every_format(tmp_path: Path, name: str, format: str) -> None:  # noqa: A002
    original = Image.fromarray(getattr(photographs, name)())
    path = tmp_path / "photo.of.no.known.ending"
    path.write_bytes(encode(original, format))
    photo = open_image(path)
    assert photo.image.mode == "RGB"
    assert (photo.width, photo.height) == photo.image.size == original.size
    error = np.abs(pixels(photo) - np.asarray(original.convert("RGB")).astype(int)).mean()
    assert error <= {"PNG": 0, "BMP": 0, "TIFF": 0, "GIF": 12}.get(format, 6)


def test_bundled_photograph_from_disk() -> None:
    path = Path(photographs.__file__).parent / "rocket.jpg"
    photo = open_image(str(path))
    assert (photo.width, photo.height) == (640, 427)
    np.testing.assert_array_equal(pixels(photo), photographs.rocket())


def test_every_kind_of_source_gives_the_same(tmp_path: Path, astronaut: Image.Image) -> None:
    blob = encode(astronaut, "PNG")
    path = tmp_path / "ä photo.png"
    path.write_bytes(blob)
    rewound = io.BytesIO(blob)
    rewound.read()
    with path.open("rb") as file, Image.open(path) as lazy:
        for source in (path, str(path), blob, bytearray(blob), memoryview(blob), file, rewound, astronaut, lazy):
            np.testing.assert_array_equal(pixels(open_image(source)), np.asarray(astronaut))
        assert not file.closed


def test_a_stream_that_gives_little_at_a_time_and_cannot_be_rewound(astronaut: Image.Image) -> None:
    class Socket(io.RawIOBase):
        def __init__(self) -> None:
            self.rest = encode(astronaut, "PNG")

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            given, self.rest = self.rest[: min(777, len(buffer))], self.rest[min(777, len(buffer)) :]
            buffer[: len(given)] = given
            return len(given)

    np.testing.assert_array_equal(pixels(open_image(Socket())), np.asarray(astronaut))


def test_result_is_frozen_loaded_and_without_metadata(astronaut: Image.Image) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    photo = open_image(encode(astronaut, "JPEG", exif=exif, icc_profile=b"x" * 200, comment=b"hello"))
    assert type(photo.image) is Image.Image
    assert photo.image.info == {}
    np.testing.assert_array_equal(pixels(open_image(photo.image)), pixels(photo))  # not turned a second time
    with pytest.raises(FrozenInstanceError):
        photo.width = 1  # type: ignore[misc]


def test_an_image_of_the_user_is_not_changed(astronaut: Image.Image) -> None:
    for mode in ("RGB", "RGBA", "P", "L", "I;16"):
        given = astronaut.convert("L").convert("I;16") if mode == "I;16" else astronaut.convert(mode)
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        given.info["exif"] = exif.tobytes()
        before, info = given.tobytes(), dict(given.info)
        open_image(given)
        assert (given.mode, given.size, given.tobytes(), given.info) == (mode, astronaut.size, before, info)
        given.info.clear()  # so that nothing needs to be turned
        given.getexif().clear()
        info = {}
        photo = open_image(given)
        photo.image.paste((1, 2, 3), (0, 0, *photo.image.size))
        assert (given.mode, given.size, given.tobytes(), given.info) == (mode, astronaut.size, before, info)


def test_an_image_of_the_user_is_read_at_its_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    with Image.open(io.BytesIO(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))) as lazy:
        lazy.seek(1)
        assert pixels(open_image(lazy))[0, 0].tolist() == [0, 255, 0]
        assert lazy.tell() == 1


# Orientation


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_give_the_same_upright_picture(format: str, orientation: int) -> None:  # noqa: A002
    upright = Image.fromarray(photographs.rocket()).resize((320, 214))
    inverse = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = inverse
    turned = Image.Image.copy(upright)
    turned.info["exif"] = exif.tobytes()
    stored = ImageOps.exif_transpose(turned)
    stored.info.clear()
    assert stored.size == ((214, 320) if orientation >= 5 else (320, 214))
    exif[ExifTags.Base.Orientation] = orientation
    photo = open_image(encode(stored, format, exif=exif.tobytes()))
    assert (photo.width, photo.height) == photo.image.size == (320, 214)
    assert np.abs(pixels(photo) - np.asarray(upright).astype(int)).mean() < 6


@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [
        (3, 1, b"\0\0\0\0"),
        (3, 1, b"\0\x09\0\0"),
        (3, 1, b"\xff\xff\0\0"),
        (3, 2, b"\0\6\0\6"),
        (2, 3, b"up\0\0"),
        (7, 4, b"\0\6\0\0"),
        (8, 1, b"\xff\xfa\0\0"),
        (11, 1, struct.pack(">f", 6.0)),
        (5, 1, b"\0\0\0\0"),
        (99, 1, b"\0\6\0\0"),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_senseless_orientation_is_ignored(format: str, kind: int, count: int, value: bytes) -> None:  # noqa: A002
    tag = struct.pack(">HHI", ExifTags.Base.Orientation, kind, count) + value
    blob = encode(Image.new("RGB", (40, 20)), format, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1" + tag + bytes(4))
    assert open_image(blob).image.size == (40, 20)
    sane = struct.pack(">HHI", ExifTags.Base.Orientation, 3, 1) + b"\0\6\0\0"
    assert open_image(blob.replace(tag, sane) if format != "PNG" else blob).image.size == (
        (40, 20) if format == "PNG" else (20, 40)  # a PNG's checksum would be wrong
    )


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0garbage",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",  # 65535 tags that are not there
        b"Exif\0\0II*\0\xff\xff\xff\xff",  # a directory 4 GB away
        b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6",  # cut in the middle of a tag
        b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\2\0\0\xff\xff\xff\xff\xff\xff\0\0\0\0",
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF"])
@pytest.mark.parametrize("warnings_are", ["error", "ignore"])
def test_broken_exif_does_not_spoil_a_photo(format: str, exif: bytes, warnings_are: str) -> None:  # noqa: A002
    blob = encode(Image.new("RGB", (80, 64), "red"), format, exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter(warnings_are)  # type: ignore[arg-type]
        photo = open_image(blob)
    assert sorted(photo.image.size) == [64, 80]  # the writer of HEIC turned what it understood
    assert np.abs(pixels(photo)[32, 40] - [255, 0, 0]).max() < 8


def test_broken_exif_of_avif() -> None:
    exif = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"
    blob = encode(Image.new("RGB", (80, 64), "red"), "AVIF", exif=exif)
    assert blob.count(exif) == 1
    photo = open_image(blob.replace(exif, exif[:8] + b"\xff\xff" + exif[10:]))  # 65535 tags that are not there
    assert photo.image.size == (80, 64)


def test_broken_multi_picture_header_is_a_plain_jpeg() -> None:
    blob = encode(Image.new("RGB", (40, 20), "red"), "JPEG")
    for body in (b"MPF\0garbage", b"MPF\0II*\0\x08\0\0\0\xff\xff", b"MPF\0MM\0*\0\0\0\x08\0\0\0\0\0\0"):
        broken = blob[:2] + b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body + blob[2:]
        assert open_image(broken).image.size == (40, 20)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_broken_colour_profile_does_not_spoil_a_photo(format: str, astronaut: Image.Image) -> None:  # noqa: A002
    with_profile = open_image(encode(astronaut, format, icc_profile=b"\xff" * 300))
    np.testing.assert_array_equal(pixels(with_profile), pixels(open_image(encode(astronaut, format))))


# Draft


@pytest.mark.parametrize(
    ("size", "draft", "decoded"),
    [
        ((4000, 3000), 100, (500, 375)),
        ((4000, 3000), 224, (1000, 750)),  # 500 × 375 would be below 448
        ((1792, 1792), 224, (448, 448)),
        ((1791, 1791), 224, (896, 896)),
        ((4000, 500), 224, (4000, 500)),
        ((300, 200), 224, (300, 200)),
    ],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_draft(size: tuple[int, int], draft: int, decoded: tuple[int, int], orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    photo = open_image(encode(Image.new("RGB", size, "teal"), "JPEG", exif=exif), draft=draft)
    turn = -1 if orientation == 6 else 1
    assert photo.image.size == decoded[::turn]
    assert (photo.width, photo.height) == size[::turn]
    assert decoded == size or min(decoded) >= 2 * draft


def test_draft_looks_like_the_photo() -> None:
    big = Image.fromarray(photographs.astronaut()).resize((2048, 2048), Image.Resampling.BICUBIC)
    blob = encode(big, "JPEG", quality=95)
    small, full = (open_image(blob, draft=d).image.resize((224, 224), Image.Resampling.BICUBIC) for d in (224, None))
    assert open_image(blob, draft=224).image.size == (512, 512)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(full)).mean() < 1.5


@pytest.mark.parametrize("format", [f for f in FORMATS if f != "JPEG"])
def test_draft_leaves_other_formats_alone(format: str) -> None:  # noqa: A002
    assert open_image(encode(Image.new("RGB", (640, 640)), format), draft=32).image.size == (640, 640)
    assert open_image(Image.new("RGB", (640, 640)), draft=32).image.size == (640, 640)


def test_draft_does_not_take_the_thumbnail_of_heic() -> None:
    file = pillow_heif.from_pillow(Image.new("RGB", (640, 480), "red"))
    buffer = io.BytesIO()
    file.save(buffer, thumbnails=[160])
    assert open_image(buffer.getvalue(), draft=32).image.size == (640, 480)


@pytest.mark.parametrize("draft", [0, -1])
def test_draft_below_one(draft: int) -> None:
    with pytest.raises(UsageError, match="draft"):
        open_image(Image.new("RGB", (4, 4)), draft=draft)


# Formats


def test_multi_picture_jpeg_of_a_phone() -> None:
    first, second = Image.new("RGB", (640, 480), "red"), Image.new("RGB", (640, 480), "blue")
    blob = encode(first, "MPO", save_all=True, append_images=[second])
    with Image.open(io.BytesIO(blob)) as image:
        assert image.format == "MPO"
    assert pixels(open_image(blob))[9, 9].tolist() == [254, 0, 0]
    photo = open_image(blob, draft=64)
    assert photo.image.size == (320, 240)
    assert (photo.width, photo.height) == (640, 480)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_first_frame(format: str) -> None:  # noqa: A002
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "lime", "blue")]
    blob = encode(frames[0], format, save_all=True, append_images=frames[1:])
    assert np.abs(pixels(open_image(blob))[32, 32] - [255, 0, 0]).max() < 8


def test_nothing_changes_in_the_process(tmp_path: Path, astronaut: Image.Image) -> None:
    for format in FORMATS:  # noqa: A001
        (tmp_path / format).write_bytes(encode(astronaut, format))
    script = f"""
import sys, warnings
from pathlib import Path
from captioner.images import open_image
from PIL import Image, ImageFile
assert not sys.modules.keys() & {{"torch", "numpy", "pillow_heif"}}, "heavy imports wait until they are needed"
before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
for path in Path({str(tmp_path)!r}).iterdir():
    open_image(path)
assert "pillow_heif" in sys.modules
assert "HEIF" not in Image.OPEN, "what the process can open has changed"
assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before
assert "torch" not in sys.modules
"""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_brand_mif1(format: str, astronaut: Image.Image) -> None:  # noqa: A002
    blob = encode(astronaut, format)
    assert open_image(blob[:8] + b"mif1" + blob[12:]).image.size == (512, 512)


def test_other_formats_of_pillow_are_refused() -> None:
    image = Image.new("RGB", (16, 16))
    for format in ("PPM", "TGA", "ICO", "PCX", "EPS", "PDF", "SGI", "DDS", "ICNS"):  # noqa: A001
        assert "known format" in refusal(encode(image, format))


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(Image.new("RGB", (8, 8), "red"), "GIF"))
    assert pixels(open_image(path))[0, 0].tolist() == [255, 0, 0]
    for text in (b"<!doctype html><title>404</title>", b"\xef\xbb\xbfhello", b"\0" * 999, b"\xff\xd8\xff", b"GIF89a"):
        path.write_bytes(text)
        assert f"{path}: it is not a photo" in refusal(path)


# Modes


def test_sixteen_bit_ramp_is_scaled_not_clipped() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for format in ("PNG", "TIFF"):  # noqa: A001
        got = pixels(open_image(encode(Image.fromarray(ramp), format)))
        assert (got[..., 0] == got[..., 1]).all()
        grey = got[..., 0].ravel()
        assert (np.diff(grey) >= 0).all()
        assert np.unique(grey).size == 256
        assert np.abs(grey - np.arange(65536) / 257).max() <= 0.51
    big_endian = open_image(Image.fromarray(ramp.astype(">u2")))
    np.testing.assert_array_equal(pixels(big_endian), got)


def test_sixteen_bit_dark_photo_stays_dark() -> None:
    dark = np.full((4, 4), 2570, np.uint16)
    assert pixels(open_image(encode(Image.fromarray(dark), "PNG"))).max() == 10


@pytest.mark.parametrize(
    ("values", "grey"),
    [
        (np.array([[0.0, 0.25, 1.0]]), [0, 64, 255]),
        (np.array([[0.0, 64.0, 255.0]]), [0, 64, 255]),
        (np.array([[0.0, 257.0, 65535.0]]), [0, 1, 255]),
        (np.array([[-1.0, 0.0, 1.0]]), [0, 128, 255]),
        (np.array([[1e6, 2e6, 3e6]]), [0, 128, 255]),
        (np.array([[np.nan, 0.5, 1.0]]), [0, 128, 255]),
        (np.array([[-np.inf, 0.0, np.inf]]), [0, 0, 255]),
        (np.array([[-3e38, 0.0, 3e38]]), None),
        (np.array([[np.nan, np.nan, np.nan]]), [0, 0, 0]),
        (np.array([[0, 128, 255]], np.int32), [0, 128, 255]),
        (np.array([[0, 257, 65535]], np.int32), [0, 1, 255]),
        (np.array([[-(2**31), 0, 2**31 - 1]], np.int32), [0, 128, 255]),
        (np.array([[7, 7, 7]], np.int32), [7, 7, 7]),
    ],
)
def test_wide_grey(values: np.ndarray, grey: list[int] | None) -> None:
    image = Image.fromarray(values.astype(np.float32) if values.dtype == float else values)
    for source in (image, encode(image, "TIFF")):
        got = pixels(open_image(source))[0]
        assert grey is None or got.tolist() == [[g] * 3 for g in grey]


def test_sixteen_bit_colour() -> None:
    row = struct.pack(">9H", 0xFFFF, 0, 0, 0x8000, 0x8000, 0x8000, 0, 0, 0x0100)
    got = pixels(open_image(png(3, 1, 16, 2, [row])))[0]
    assert got.tolist() == [[255, 0, 0], [128, 128, 128], [0, 0, 1]]


def test_alpha_is_laid_on_white() -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 128)])
    wanted = [[255, 0, 0], [255, 255, 255], [127, 127, 127]]
    lossless = encode(image, "WEBP", lossless=True, exact=True)
    for source in (image, encode(image, "PNG"), encode(image, "TIFF"), lossless):
        assert np.abs(pixels(open_image(source))[0] - wanted).max() <= 1
    for format in ("AVIF", "HEIF"):  # noqa: A001
        assert pixels(open_image(encode(Image.new("RGBA", (64, 64)), format))).min() >= 250
    grey = Image.new("LA", (2, 1))
    grey.putdata([(40, 255), (40, 0)])
    for source in (grey, encode(grey, "PNG")):
        assert pixels(open_image(source))[0].tolist() == [[40] * 3, [255] * 3]
    assert pixels(open_image(Image.new("RGBa", (1, 1))))[0, 0].tolist() == [255, 255, 255]


def test_transparent_colour_of_png() -> None:
    rgb = png(2, 1, 8, 2, [bytes([1, 2, 3, 9, 9, 9])], tRNS=struct.pack(">3H", 1, 2, 3))
    assert pixels(open_image(rgb))[0].tolist() == [[255] * 3, [9] * 3]
    grey = png(2, 1, 8, 0, [bytes([7, 9])], tRNS=struct.pack(">H", 7))
    assert pixels(open_image(grey))[0].tolist() == [[255] * 3, [9] * 3]
    wide = png(3, 1, 16, 0, [struct.pack(">3H", 1000, 1001, 65535)], tRNS=struct.pack(">H", 1000))
    assert pixels(open_image(wide))[0].tolist() == [[255] * 3, [4] * 3, [255] * 3]
    bit = png(8, 1, 1, 0, [b"\x0f"], tRNS=struct.pack(">H", 0))
    assert pixels(open_image(bit)).min() == 255


def test_palette() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    opaque = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    for format in ("PNG", "GIF", "BMP", "TIFF"):  # noqa: A001
        assert pixels(open_image(encode(image, format)))[0].tolist() == opaque
    one = [[255, 0, 0], [255] * 3, [0, 0, 255]]
    for source in (encode(image, "PNG", transparency=1), encode(image, "GIF", transparency=1)):
        assert pixels(open_image(source))[0].tolist() == one
    many = open_image(encode(image, "PNG", transparency=bytes([255, 0, 128])))
    assert np.abs(pixels(many)[0] - [[255, 0, 0], [255] * 3, [127, 127, 255]]).max() <= 1
    rgba = Image.new("P", (1, 1))
    rgba.putpalette([9, 9, 9, 0], "RGBA")
    assert pixels(open_image(rgba))[0, 0].tolist() == [255] * 3
    assert pixels(open_image(rgba.convert("PA")))[0, 0].tolist() == [255] * 3


def test_one_bit_and_grey(tmp_path: Path) -> None:
    image = Image.new("1", (9, 1))
    image.putpixel((4, 0), 1)
    for format in ("PNG", "BMP", "TIFF", "GIF"):  # noqa: A001
        assert pixels(open_image(encode(image, format)))[0, :, 1].tolist() == [0, 0, 0, 0, 255, 0, 0, 0, 0]
    camera = photographs.camera()
    for format in ("PNG", "BMP", "TIFF", "GIF"):  # noqa: A001
        got = pixels(open_image(encode(Image.fromarray(camera), format)))
        assert (got == camera[..., None]).all()
    white_is_zero = tiff({256: 8, 257: 1, 258: 1, 262: 0, 273: -1, 277: 1, 278: 1, 279: 1}, b"\x0f")
    assert pixels(open_image(white_is_zero))[0, :, 0].tolist() == [255] * 4 + [0] * 4


def test_cmyk() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    with_adobe = encode(red, "JPEG", quality=100)
    where = with_adobe.index(b"Adobe") - 4  # Pillow writes inverted values and the marker that says so
    length = struct.unpack(">H", with_adobe[where + 2 : where + 4])[0]
    without = with_adobe[:where] + with_adobe[where + 2 + length :]
    for source in (red, with_adobe, without, encode(red, "TIFF")):
        assert np.abs(pixels(open_image(source))[8, 8] - [255, 0, 0]).max() <= 2
    photo = Image.fromarray(photographs.coffee())
    got = pixels(open_image(encode(photo.convert("CMYK"), "JPEG", quality=95)))
    assert np.abs(got - np.asarray(photo).astype(int)).mean() < 4


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "LAB", "RGBX"])
def test_other_colour_spaces(mode: str, astronaut: Image.Image) -> None:
    converted = astronaut.convert(mode)
    assert np.abs(pixels(open_image(converted)) - np.asarray(astronaut).astype(int)).mean() < 4


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
    assert (ImageLimits().max_bytes, ImageLimits().max_pixels) == (30_000_000, 65_000_000)


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
    assert "30 MB" in refusal(path)


def bomb(format: str, width: int, height: int) -> bytes:  # noqa: A002
    """A small file whose header promises `width` × `height`."""
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
@pytest.mark.parametrize("size", [(8100, 8100), (12000, 9000), (16383, 16383)])  # above ours; where Pillow warns; fails
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
        sentence = refusal(blob)
    assert "65 million" in sentence
    assert "make it smaller" in sentence


def test_a_long_side_is_refused() -> None:
    assert "30000" in refusal(png(30_001, 1, 8, 0, [bytes(30_001)]))
    assert open_image(png(30_000, 1, 8, 0, [bytes(30_000)])).width == 30_000


def test_limits_above_those_of_pillow() -> None:
    wide = ImageLimits(max_pixels=10**9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "89.4785 million" in refusal(bomb("PNG", 12000, 9000), limits=wide)
    with pytest.warns(Image.DecompressionBombWarning):  # Pillow warns and goes on
        assert "damaged" in refusal(bomb("PNG", 12000, 9000), limits=wide)
    assert "89.4785 million" in refusal(bomb("PNG", 16383, 16383), limits=wide)


def test_a_lazy_image_of_the_user_is_refused_unread() -> None:
    with Image.open(io.BytesIO(bomb("PNG", 9000, 9000))) as lazy:
        assert "65 million" in refusal(lazy)


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

    def denied(*_: object) -> int:  # the super-user may read everything, so the refusal itself is staged
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
                # Half of the hits in the first bytes, where the lengths and offsets are.
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
