"""Gray, wide-gamut, transparent and unusual colors become the RGB that people see."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs

from captioner.images import open_image, tones
from captioner.images.tones import to_rgb
from tests.image_files import encode, pixels, png, tiff


def test_sixteen_bit_ramp_is_scaled_not_clipped() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for format in ("PNG", "TIFF"):  # noqa: A001
        got = pixels(open_image(encode(Image.fromarray(ramp), format)))
        assert (got[..., 0] == got[..., 1]).all()
        gray = got[..., 0].ravel()
        assert (np.diff(gray) >= 0).all()
        assert np.unique(gray).size == 256
        assert np.abs(gray - np.arange(65536) / 257).max() <= 0.51
    big_endian = open_image(Image.fromarray(ramp.astype(">u2")))
    np.testing.assert_array_equal(pixels(big_endian), got)


def test_sixteen_bit_dark_photo_stays_dark() -> None:
    dark = np.full((4, 4), 2570, np.uint16)
    assert pixels(open_image(encode(Image.fromarray(dark), "PNG"))).max() == 10


@pytest.mark.parametrize(
    ("values", "gray"),
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
def test_wide_grey(values: np.ndarray, gray: list[int] | None) -> None:
    image = Image.fromarray(values.astype(np.float32) if values.dtype == float else values)
    for source in (image, encode(image, "TIFF")):
        got = pixels(open_image(source))[0]
        assert gray is None or got.tolist() == [[g] * 3 for g in gray]


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
    gray = Image.new("LA", (2, 1))
    gray.putdata([(40, 255), (40, 0)])
    for source in (gray, encode(gray, "PNG")):
        assert pixels(open_image(source))[0].tolist() == [[40] * 3, [255] * 3]
    assert pixels(open_image(Image.new("RGBa", (1, 1))))[0, 0].tolist() == [255, 255, 255]


def test_transparent_colour_of_png() -> None:
    rgb = png(2, 1, 8, 2, [bytes([1, 2, 3, 9, 9, 9])], tRNS=struct.pack(">3H", 1, 2, 3))
    assert pixels(open_image(rgb))[0].tolist() == [[255] * 3, [9] * 3]
    gray = png(2, 1, 8, 0, [bytes([7, 9])], tRNS=struct.pack(">H", 7))
    assert pixels(open_image(gray))[0].tolist() == [[255] * 3, [9] * 3]
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


@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize(("bits", "order"), [(16, "<"), (16, ">"), (12, "<"), (8, "<")])
def test_white_is_zero_and_bits_between(bits: int, order: str, compression: int) -> None:
    if bits == 12:
        body = bytes.fromhex("000 7ff fff 000".replace(" ", ""))  # four values in six bytes
    else:
        body = np.array([0, 2 ** (bits - 1) - 1, 2**bits - 1, 0], f"{order}u{bits // 8}").tobytes()
    body = zlib.compress(body) if compression == 8 else body
    for photometric, wanted in ((1, [0, 127, 255, 0]), (0, [255, 128, 0, 255])):
        tags = {256: 4, 257: 1, 258: bits, 259: compression, 262: photometric, 273: -1, 277: 1, 278: 1, 279: len(body)}
        blob = tiff(tags, body) if order == "<" else big_endian_tiff(tags, body)
        assert np.abs(pixels(open_image(blob))[0, :, 0] - wanted).max() <= 1


def big_endian_tiff(tags: dict[int, int], body: bytes) -> bytes:
    start = 8 + 2 + 12 * len(tags) + 4
    entries = [struct.pack(">HHII", tag, 4, 1, start if v == -1 else v) for tag, v in sorted(tags.items())]
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", len(tags)) + b"".join(entries) + bytes(4) + body


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_each_transparent_grey_of_png(depth: int) -> None:
    levels = 1 << depth
    for key in {0, 1, levels // 3, levels - 1}:
        values = sorted({0, 1, levels // 3, levels - 1, min(key + 1, levels - 1)})
        packed = "".join(f"{value:0{depth}b}" for value in values)
        row = int(packed.ljust(-(-len(packed) // 8) * 8, "0"), 2).to_bytes(-(-len(packed) // 8))
        got = pixels(open_image(png(len(values), 1, depth, 0, [row], tRNS=struct.pack(">H", key))))[0, :, 0]
        wanted = [255 if value == key else value * 255 / (levels - 1) for value in values]
        assert np.abs(got - wanted).max() <= 1


def test_transparent_color_of_png_with_sixteen_bits() -> None:
    key, near, other = (0x1234, 0x5678, 0x9ABC), (0x1234, 0x5678, 0x9ABD), (0, 0, 0)
    row = struct.pack(">9H", *key, *near, *other)
    got = pixels(open_image(png(3, 1, 16, 2, [row], tRNS=struct.pack(">3H", *key))))[0]
    assert got.tolist() == [[255] * 3, [0x12, 0x56, 0x9A], [0] * 3]


@pytest.mark.parametrize("transparency", [None, 0, 1])
@pytest.mark.parametrize(("left", "top"), [(0, 0), (5, 3)])
def test_a_gif_is_white_outside_its_frame(left: int, top: int, transparency: int | None) -> None:
    image = Image.new("P", (8, 4))
    image.putpalette([255, 0, 0, 0, 0, 255])
    options = {} if transparency is None else {"transparency": transparency}
    blob = encode(image, "GIF", **options)
    at = blob.index(b",\0\0\0\0\x08\0\x04\0")
    blob = blob[:at] + struct.pack("<cHHHH", b",", left, top, 8, 4) + blob[at + 9 :]
    blob = blob[:6] + struct.pack("<HH", 16, 16) + blob[10:]
    got = pixels(open_image(blob))
    inside = got[top : top + 4, left : left + 8]
    assert (inside == ([255] * 3 if transparency == 0 else [255, 0, 0])).all()
    inside[:] = 255
    assert got.shape == (16, 16, 3)
    assert got.min() == 255


def test_a_gif_that_is_larger_than_its_canvas() -> None:
    blob = encode(Image.new("RGB", (40, 30), "red"), "GIF")
    assert open_image(blob[:6] + bytes(4) + blob[10:]).image.size == (40, 30)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_an_alpha_channel_that_hides_a_whole_picture_is_ignored(mode: str, astronaut: Image.Image) -> None:
    hidden = astronaut.resize((64, 64)).convert({"RGBA": "RGB", "LA": "L", "PA": "P"}[mode])
    wanted = np.asarray(hidden.convert("RGB"))
    hidden = hidden.convert(mode)
    hidden.putalpha(0)
    sources = [hidden] if mode == "PA" else [hidden, encode(hidden, "PNG"), encode(hidden, "TIFF")]
    for source in sources:
        np.testing.assert_array_equal(pixels(open_image(source)), wanted)
    one = hidden.convert("RGBA")
    one.putpixel((5, 7), (9, 9, 9, 255))  # filled in, though nearly empty
    assert (pixels(open_image(one)) == 255).mean() > 0.99


def test_a_bitmap_of_the_clipboard(astronaut: Image.Image) -> None:
    picture = np.asarray(astronaut.resize((64, 48)))
    body = np.dstack([picture[..., ::-1], np.zeros((48, 64), np.uint8)])[::-1].tobytes()
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack(
        "<IiiHHIIiiII4I4s48x4I", 124, 64, 48, 1, 32, 3, len(body), 0, 0, 0, 0, *masks, b"BGRs", 4, 0, 0, 0
    )
    blob = struct.pack("<2sIHHI", b"BM", 138 + len(body), 0, 0, 138) + head + body
    np.testing.assert_array_equal(pixels(open_image(blob)), picture)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
@pytest.mark.parametrize("reduce", [1, 3])
def test_strips_are_seamless(mode: str, reduce: int, astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    image = astronaut.resize((100, 77))
    image = image.convert("L").convert(mode) if mode in {"I;16", "I", "F"} else image.convert(mode)
    whole = to_rgb(image)
    monkeypatch.setattr(tones, "_STRIP", 700)
    striped = to_rgb(image, reduce=reduce)
    assert striped.size == ((100, 77) if reduce == 1 else (34, 26))
    np.testing.assert_array_equal(np.asarray(striped), np.asarray(whole.reduce(reduce) if reduce > 1 else whole))
