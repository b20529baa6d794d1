"""Large or broken metadata never prevent a photo from being read, print nothing and change no error."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, PngImagePlugin
from skimage import data as photographs

from captioner.images import open_image
from tests.image_files import encode, pixels, png, refusal

SMALL = Image.fromarray(photographs.chelsea()).resize((60, 40))


@pytest.fixture(params=["error", "always"], autouse=True)
def quiet(request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]):
    """Every test here runs with all warnings enabled and as errors, and must print nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter(request.param)
        yield
    assert capfd.readouterr() == ("", "")


def chunk(name: bytes, body: bytes, *, sound: bool = True) -> bytes:
    checksum = zlib.crc32(name + body) ^ (not sound)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = orientation
    return block.tobytes()


# PNG


HUGE = zlib.compress(bytes(2_000_000))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize(
    ("name", "body"),
    [
        (b"iTXt", b"workflow\0\1\0\0\0" + HUGE),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + HUGE),
        (b"zTXt", b"parameters\0\0" + HUGE),
        (b"zTXt", b"parameters\0\7" + HUGE),
        (b"tEXt", b"k\0" + bytes(2_000_000)),
        (b"iCCP", b"p\0\0" + HUGE),
        (b"iCCP", b"p\0\1"),
        (b"iCCP", b""),
        (b"eXIf", b""),
        *((name, body) for name in (b"gAMA", b"cHRM", b"pHYs", b"sRGB", b"acTL", b"fcTL") for body in (b"", b"\0")),
        (b"acTL", bytes(8)),
        (b"fdAT", b"\0"),
        (b"tRNS", b"\0"),
        (b"tEXt", b"\xff" * 9),
        (b"prVt", b"?"),
    ],
)
def test_chunks_of_png(name: bytes, body: bytes, sound: bool, after: bool) -> None:
    blob = encode(SMALL, "PNG")
    at = blob.index(b"IEND" if after else b"IDAT") - 4
    blob = blob[:at] + chunk(name, body, sound=sound) + blob[at:]
    np.testing.assert_array_equal(pixels(open_image(blob)), np.asarray(SMALL))


def test_eighty_texts_of_a_megabyte() -> None:
    info = PngImagePlugin.PngInfo()
    for number in range(80):
        info.add_text(f"k{number}", "x" * 1_000_000, zip=True)
    np.testing.assert_array_equal(pixels(open_image(encode(SMALL, "PNG", pnginfo=info))), np.asarray(SMALL))


def test_an_orientation_behind_the_pixels_and_one_with_a_wrong_checksum() -> None:
    blob = encode(SMALL, "PNG")
    end = blob.index(b"IEND") - 4
    for sound, size in ((True, (40, 60)), (False, (60, 40))):
        turned = blob[:end] + chunk(b"eXIf", exif(6).removeprefix(b"Exif\0\0"), sound=sound) + blob[end:]
        assert open_image(turned).image.size == size


def test_a_png_without_its_end() -> None:
    blob = encode(SMALL, "PNG")
    for cut in (1, 8, 12):
        np.testing.assert_array_equal(pixels(open_image(blob[:-cut])), np.asarray(SMALL))


@pytest.mark.parametrize("mode", ["RGB", "P", "L", "1", "RGBA", "I;16"])
def test_a_png_without_the_end_of_its_pixels(mode: str) -> None:
    image = SMALL.convert("L").convert(mode) if mode == "I;16" else SMALL.convert(mode)
    blob = encode(image, "PNG")
    wanted = pixels(open_image(blob))
    for cut in (13, 16, 18, 20):  # of the checksums and of zlib's
        np.testing.assert_array_equal(pixels(open_image(blob[:-cut])), wanted)
    for part in (0.5, 0.8):
        assert "truncated" in refusal(blob[: int(len(blob) * part)])


def test_a_png_for_iphones_is_called_so() -> None:
    blob = png(2, 1, 8, 2, [bytes(6)])
    assert "iPhones" in refusal(blob[:8] + chunk(b"CgBI", bytes(4)) + blob[8:])


# JPEG


@pytest.mark.parametrize(
    "body",
    [
        segment(0xE2, b"ICC_PROFILE\0"),
        segment(0xE2, b"ICC_PROFILE\0\1\2" + bytes(99)),
        segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff"),
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x03\xed\0\0\0\0\0\4"),
        segment(0xEE, b"Adobe"),
        segment(0xE0, b"JFIF"),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<"),
        segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\3\1\x1a\0\5\0\0\0\1\0\0\0\xff"),
        segment(0xFE, bytes(65_000)),
        segment(0xE1, b"Exif\0\0" + b"\xff\xda\xff\xd8" * 5000),
    ],
    ids=lambda body: body[4:20].hex(),
)
def test_segments_of_jpeg(body: bytes) -> None:
    blob = encode(SMALL, "JPEG")
    wanted = pixels(open_image(blob))
    np.testing.assert_array_equal(pixels(open_image(blob[:2] + body + blob[2:])), wanted)
    progressive = encode(SMALL, "JPEG", progressive=True)
    assert open_image(progressive[:2] + body + progressive[2:]).width == 60


def test_what_follows_a_jpeg_is_not_looked_at() -> None:
    """Motion photos end with a video, which may contain any bytes, including the marker of a scan."""
    for options in ({}, {"progressive": True}):
        blob = encode(SMALL, "JPEG", **options)
        wanted = pixels(open_image(blob))
        np.testing.assert_array_equal(pixels(open_image(blob + b"\xff\xda" * 1000)), wanted)


@pytest.mark.parametrize("size", [(512, 512), (320, 240), (160, 120)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("draft", [None, 16])
def test_a_jpeg_without_its_last_bytes(options: dict[str, object], size: tuple[int, int], draft: int | None) -> None:
    blob = encode(Image.fromarray(photographs.astronaut()).resize(size), "JPEG", **options)
    wanted = pixels(open_image(blob, draft=draft))
    for cut in (1, 2, 3, 8, 16):
        error = np.abs(pixels(open_image(blob[:-cut], draft=draft)) - wanted)
        assert error.max() == 0 or (cut > 2 and (error > 0).mean() < 0.1)
    for part in (0.3, 0.6):
        assert "the file is truncated" in refusal(blob[: int(len(blob) * part)], draft=draft)


# WebP, TIFF, AVIF, HEIF


@pytest.mark.parametrize("name", [b"EXIF", b"ICCP", b"XMP ", b"odd!"])
@pytest.mark.parametrize("body", [b"", b"\xff" * 99, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
def test_chunks_of_webp(name: bytes, body: bytes) -> None:
    blob = encode(SMALL, "WEBP", lossless=True, exif=b"Exif\0\0II*\0" + bytes(10))
    more = name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    blob = blob[:4] + struct.pack("<I", len(blob) - 8 + len(more)) + blob[8:] + more
    np.testing.assert_array_equal(pixels(open_image(blob)), np.asarray(SMALL))
    cut = blob[:-9] if len(body) > 9 else blob  # browsers show it
    np.testing.assert_array_equal(pixels(open_image(cut)), np.asarray(SMALL))


def with_tag(blob: bytes, tag: int, kind: int, count: int, value: int) -> bytes:
    """A little-endian TIFF with an additional tag in a new directory at its end."""
    start = int.from_bytes(blob[4:8], "little")
    number = int.from_bytes(blob[start : start + 2], "little")
    entries = [blob[start + 2 + 12 * n : start + 14 + 12 * n] for n in range(number)]
    entries = sorted([*entries, struct.pack("<HHII", tag, kind, count, value)], key=lambda e: e[:2][::-1])
    at = len(blob) + len(blob) % 2
    body = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return blob[:4] + struct.pack("<I", at) + blob[8:] + b"\0" * (at - len(blob)) + body


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize(
    "tag",
    [
        (700, 1, 0xFFFFFF, 8),  # XMP beyond the end
        (34675, 7, 99, 0xFFFFFFF0),  # an ICC profile, the same
        (34665, 4, 1, 0xFFFFFFF0),  # EXIF
        (282, 5, 1, 0xFFFFFFF0),  # a resolution
        (305, 2, 0x7FFFFFFF, 8),
        (65_000, 99, 1, 8),
        (296, 3, 5, 8),  # five units where one is due
        (274, 3, 7, 8),
    ],
)
def test_tags_of_tiff(tag: tuple[int, int, int, int], compression: str) -> None:
    blob = with_tag(encode(SMALL, "TIFF", compression=compression), *tag)
    np.testing.assert_array_equal(pixels(open_image(blob)), np.asarray(SMALL))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiffs_of_another_writer(order: str, big: bool, compression: str | None) -> None:
    file = io.BytesIO()
    tifffile.imwrite(
        file, np.asarray(SMALL), byteorder=order, bigtiff=big, compression=compression, photometric="rgb", tile=(16, 16)
    )
    if big and order == ">":
        assert "not supported" in refusal(file)
    else:
        np.testing.assert_array_equal(pixels(open_image(file)), np.asarray(SMALL))


def test_a_tiff_stays_as_it_is() -> None:
    blob = encode(SMALL, "TIFF", exif=exif(6))
    before = bytes(bytearray(blob))
    file = io.BytesIO(blob)
    for source in (blob, file):
        assert open_image(source).image.size == (40, 60)
    assert blob == before == file.getvalue()


def test_libtiff_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    blob = encode(SMALL, "TIFF", compression="tiff_lzw")
    start = int.from_bytes(blob[4:8], "little")
    broken = blob[:8] + bytes(b ^ 0x55 for b in blob[8:start]) + blob[start:] if start > 99 else b""
    broken = broken or blob[: len(blob) // 2] + os.urandom(len(blob) - len(blob) // 2)
    assert "damaged" in refusal(broken)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_broken_exif_in_boxes(format: str) -> None:  # noqa: A002
    good = b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x1a\0\5\0\0\0\1\0\0\0\x1a" + bytes(12)
    blob = encode(SMALL.resize((64, 64)), format, exif=good)
    at = blob.index(b"MM\0*")
    assert open_image(blob[: at + 8] + b"\xff\xff" + blob[at + 10 :]).image.size == (64, 64)


# XMP


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize(
    "format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]
)  # the writer of HEIF turns what it understood
def test_the_orientation_of_xmp_is_not_applied(format: str) -> None:  # noqa: A002
    if format == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        blob = encode(SMALL, "PNG", pnginfo=info)
    elif format == "TIFF":
        blob = encode(SMALL, "TIFF", tiffinfo={700: XMP})
    else:
        blob = encode(SMALL, format, xmp=XMP)
    assert b"tiff:Orientation" in blob
    assert open_image(blob).image.size == (60, 40)
    if format != "TIFF":  # which Pillow turns itself
        with Image.open(io.BytesIO(blob)) as lazy:
            assert open_image(lazy).image.size == (60, 40)
