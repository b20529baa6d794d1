"""Real photographs in every format and orientation are read correctly."""

import io
import struct
import subprocess
import sys
import warnings
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, ImageOps
from skimage import data as photographs

from captioner.errors import UsageError
from captioner.images import open_image
from tests.image_files import FORMATS, encode, pixels, refusal

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
        given.info.clear()  # so that no rotation is needed
        given.getexif().clear()
        info = {}
        photo = open_image(given)
        photo.image.paste((1, 2, 3), (0, 0, *photo.image.size))
        assert (given.mode, given.size, given.tobytes(), given.info) == (mode, astronaut.size, before, info)


def test_an_image_of_the_user_is_read_at_its_frame() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
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
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "lime", "blue")]
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
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
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
