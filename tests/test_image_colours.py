"""Grey, wide, transparent and strange colours become the RGB that people see."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs

from captioner.images import open_image
from tests.image_files import encode, pixels, png, tiff


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
