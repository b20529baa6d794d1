"""Unsupported file formats are named, not called damaged."""

import io
import struct
import sys

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image

from captioner.images import open_image
from tests.image_files import encode, pixels, refusal, tiff

RGB = Image.radial_gradient("L").convert("RGB").resize((64, 64))


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "Canon CR3"),
        (b"II*\0\x10\0\0\0CR\2\0", "Canon CR2"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
        (b"IIRO\x08\0\0\0", "Olympus"),
        (b"IIU\0\x08\0\0\0", "Panasonic"),
        (b"FOVb\0\0\2\0", "Sigma"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"II\xbc\x01\x08\0\0\0", "JPEG XR"),
        (b"8BPS\0\1", "Photoshop"),
        (b"gimp xcf v011", "GIMP"),
        (b"v/1\x01\2\0\0\0", "OpenEXR"),
        (b"#?RADIANCE\n", "Radiance"),
        (b"qoif\0\0\0\1", "QOI"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "video"),
        (b"\x1aE\xdf\xa3\x01\0\0\0", "video"),
        (b"RIFF\x10\0\0\0AVI LIST", "video"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "sound"),
        (b"ID3\x04\0\0", "sound"),
        (b"PK\x03\x04\x14\0", "ZIP"),
        (b"\x1f\x8b\x08\0", "archive"),
        (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "macOS metadata about a file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "Git LFS"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg">', "SVG"),
        (b"<!DOCTYPE html><title>404</title>", "web page"),
        (b"\xef\xbb\xbfhello, this is text\r\n", "a text"),
        ("żółw ".encode() * 500, "a text"),
        (bytes(4096), "zeros"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"BMW is no bitmap, but a car", "a text"),
    ],
)
def test_names(start: bytes, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("rawpy", "pillow_jxl"):  # as in the plain install
        monkeypatch.setitem(sys.modules, package, None)
    sentence = refusal(start)
    assert name in sentence
    assert "it is not a photo in a known format, but" in sentence
    assert "damaged" not in sentence


def test_formats_of_pillow_are_named() -> None:
    names = {"PPM": "Netpbm", "ICO": "icon", "PCX": "PCX", "EPS": "PostScript", "SGI": "SGI", "DDS": "DDS"}
    for format, name in names.items():  # noqa: A001
        assert name in refusal(encode(RGB, format))


def tiff_of(values: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("blob", "kind"),
    [
        (lambda: tiff_of(np.zeros((8, 8, 3), "f4"), photometric="rgb"), "32-bit float RGB"),
        (lambda: tiff_of(np.zeros((8, 8), "f8")), "64-bit float gray"),
        (lambda: tiff_of(np.zeros((8, 8), "c8")), "64-bit complex gray"),
        (lambda: tiff_of(np.zeros((8, 8, 7), "u1"), photometric="minisblack", planarconfig="contig"), "7 channels"),
        (lambda: tiff({256: 8, 257: 1, 258: 8, 259: 50001, 262: 1, 273: -1, 278: 1, 279: 9}, bytes(9)), "as WebP"),
        (lambda: tiff({256: 8, 257: 1, 258: 8, 259: 34712, 262: 1, 273: -1, 278: 1, 279: 9}, bytes(9)), "JPEG 2000"),
        (lambda: tiff({256: 8, 257: 1, 258: 8, 259: 9999, 262: 1, 273: -1, 278: 1, 279: 9}, bytes(9)), "8-bit gray"),
    ],
)
def test_tiffs_that_are_not_read(
    blob, kind: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    sentence = refusal(blob())
    assert "it is a TIFF with an unsupported encoding" in sentence
    assert kind in sentence
    assert "damaged" not in sentence
    assert capfd.readouterr().err == ""
    assert not caplog.records


def test_raw_photos_that_are_tiffs_inside() -> None:
    """Otherwise the thumbnail, which comes first, would be used instead of the photo."""
    body = bytes(99)
    thumbnail = {254: 1, 256: 8, 257: 4, 258: 8, 259: 1, 262: 1, 273: -1, 277: 1, 278: 4, 279: 32}
    assert open_image(tiff(thumbnail, body)).width == 8
    for more in ({330: 8}, {50706: 0x0401}):
        assert "raw photo" in refusal(tiff(thumbnail | more, body))
    pyramid = thumbnail | {254: 0, 330: 8}
    assert open_image(tiff(pyramid, body)).width == 8


def test_a_jpeg_of_twelve_bits() -> None:
    blob = bytearray(encode(RGB, "JPEG"))
    blob[blob.index(b"\xff\xc0") + 4] = 12
    assert "it is a JPEG with an unsupported encoding (cannot handle 12-bit" in refusal(bytes(blob))


def test_bitmaps_that_are_not_read() -> None:
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 99, 0, 0, 70, 40, 2, 1, 1, 16, 3, 8, 0, 0, 0, 0)
    masks = struct.pack("<4I", 0xF00, 0xF0, 0xF, 0)
    assert "it is a BMP with an unsupported encoding" in refusal(head + masks + bytes(8))


def test_a_bitmap_of_windows_ce() -> None:
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 99, 0, 0, 70, 40, 2, 1, 1, 32, 6, 8, 0, 0, 0, 0)
    got = pixels(open_image(head + masks + struct.pack("<2I", 0xFFFF0000, 0xFF0000FF)))
    assert got.tolist() == [[[255, 0, 0], [0, 0, 255]]]


def test_heif_of_another_codec() -> None:
    blob = encode(RGB, "HEIF")
    for codec, name in ((b"vvc1", "H.266"), (b"avc1", "H.264"), (b"j2k1", "JPEG 2000")):
        sentence = refusal(blob.replace(b"hvc1", codec))
        assert f"it is a HEIF file with an unsupported encoding ({name})" in sentence


@pytest.mark.parametrize("brand", [b"heix", b"hevc", b"heim", b"msf1", b"mif1"])
def test_brands_of_cameras(brand: bytes) -> None:
    """Canon's and Sony's .HIF files, and Apple's bursts."""
    blob = encode(RGB, "HEIF")
    assert open_image(blob[:8] + brand + blob[12:]).width == 64


def test_ten_bits_of_heif() -> None:
    file = io.BytesIO()
    values = np.asarray(RGB).astype(np.uint16) * 256
    pillow_heif.encode("RGB;16", (64, 64), values.tobytes(), file, quality=90)
    assert np.abs(pixels(open_image(file)) - np.asarray(RGB).astype(int)).mean() < 4


def test_a_known_beginning_of_something_broken() -> None:
    for start in (
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\xff\x4f\xff\x51\0\x29",
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n",
        b"II*\0\x08\0\0\0",
        b"MM\0*",
    ):
        assert "header is damaged" in refusal(start)
