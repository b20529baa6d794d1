"""Detect file types by their first bytes: supported formats, and names of unsupported ones."""

import re

KNOWN = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
"""Names of the most common supported formats, for messages."""
JPEG_XL = "a JPEG XL file"
_RAW = "a camera's raw photo"

_FORMATS = (
    (b"\xff\xd8\xff", "JPEG"),  # including multi-picture JPEG (MPO) of phones
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"II\0*", b"MM*\0")  # the last two are written by faulty programs
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2", b"MiHB"))

# Pattern of the first bytes → name. Image formats first, then other files that are found beside photos.
_NAMES = tuple(
    (re.compile(pattern, re.DOTALL), name)
    for pattern, name in (
        (rb"(II\*\0|MM\0\*).{4}CR", "a camera's raw photo (Canon CR2)"),
        (rb"....ftypcrx ", "a camera's raw photo (Canon CR3)"),
        (rb"II\x1a\0.{2}\0\0HEAP", "a camera's raw photo (Canon CRW)"),
        (rb"II(RO|RS)|MMOR", "a camera's raw photo (Olympus ORF)"),
        (rb"IIU\0", "a camera's raw photo (Panasonic RW2)"),
        (rb"FUJIFILMCCD-RAW", "a camera's raw photo (Fujifilm RAF)"),
        (rb"FOVb", "a camera's raw photo (Sigma X3F)"),
        (rb"\0MRM", "a camera's raw photo (Minolta MRW)"),
        (rb"\0\0\0\x0cJXL |\xff\x0a", JPEG_XL),
        (rb"II\xbc\x01", "a JPEG XR file"),
        (rb"8BPS", "a Photoshop document"),
        (rb"gimp xcf", "a GIMP document"),
        (rb"\0\0\x01\0[^\0]\0", "a Windows icon"),
        (rb"\0\0\x02\0[^\0]\0", "a Windows cursor"),
        (rb"icns", "an Apple icon"),
        (rb"DDS ", "a DDS texture"),
        (rb"v/1\x01", "an OpenEXR image"),
        (rb"#\?(RADIANCE|RGBE)", "a Radiance HDR image"),
        (rb"qoif", "a QOI image"),
        (rb"BPG\xfb", "a BPG image"),
        (rb"FLIF", "a FLIF image"),
        (rb"[\x8a\x8b][MJ]NG\r\n", "an MNG or JNG image"),
        (rb"P[1-7]\s", "a Netpbm image (PBM, PGM, PPM)"),
        (rb"\x0a[\0\x02-\x05][\0\x01][\x01\x02\x04\x08]", "a PCX image"),
        (rb"\x01\xda[\0\x01][\x01\x02]", "an SGI image"),
        (rb"SIMPLE  =", "a FITS image"),
        (rb".{128}DICM", "a DICOM image"),
        (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "a Windows metafile"),
        (rb"%PDF-", "a PDF document"),
        (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document"),
        (rb"AT&TFORM", "a DjVu document"),
        (rb"....ftyp", "a video (such as MP4 or QuickTime)"),
        (rb"....(moov|mdat|wide|skip|free)", "a video (QuickTime)"),
        (rb"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
        (rb"RIFF....AVI ", "a video (AVI)"),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a video (Windows Media)"),
        (rb"FLV\x01|\0\0\x01[\xba\xb3]|\x47.{187}\x47", "a video (Flash or MPEG)"),
        (rb"RIFF....WAVE|ID3|OggS|fLaC|\xff[\xf1\xf9\xfa\xfb]", "a sound recording"),
        (rb"PK\x03\x04", "a ZIP archive, or a document based on ZIP"),
        (rb"Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|\x1f\x8b|BZh[1-9]|\xfd7zXZ\0|\x28\xb5\x2f\xfd", "a compressed archive"),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document or Windows' Thumbs.db"),
        (rb"\0\x05\x16\x07", "macOS metadata about a file (._*), not the file itself"),
        (rb"SQLite format 3", "a database"),
        (rb"version https://git-lfs", "a Git LFS pointer to a file that was not fetched"),
        (rb"(?i)\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg", "an SVG drawing"),
        (rb"(?i)\s*(<!doctype html|<html|<head|<body)", "a web page"),
        (rb"(?i)\s*<\?xml", "an XML document"),
        (rb"\0{16}", "only zeros, as left by a failed copy or recovery"),
    )
)
_HEAD = 1024


def format_of(data: bytes) -> str | None:
    """Pillow's name of a format that is always supported, or None: JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIF or
    JPEG 2000.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _format_of_boxes(data)
    if data[:2] == b"BM" and data[15:18] == bytes(3):  # a text may also begin with BM
        return "BMP"
    if data.startswith(_TIFF) and data[8:10] != b"CR":
        return "TIFF"
    return next((name for start, name in _FORMATS if data.startswith(start)), None)


def reader_of(name: str | None) -> str | None:
    """The module for a format that needs an extra package, by its `name_of`; None for other formats."""
    if name == JPEG_XL:
        return "jxl"
    return "raw" if name and name.startswith(_RAW) else None


def _format_of_boxes(data: bytes) -> str | None:
    """Tell AVIF from HEIC, which have the same structure and may have the same main brand, by all brands."""
    end = min(int.from_bytes(data[:4]), _HEAD)
    brands = {data[8:12]} | {data[at : at + 4] for at in range(16, end, 4)}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS and data[8:12] != b"crx " else None


def name_of(data: bytes) -> str | None:
    """A readable name for an unsupported file; None if its first bytes are unknown."""
    head = data[:_HEAD]
    for pattern, name in _NAMES:
        if pattern.match(head):
            return name
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        if (
            problem.start < len(head) - 4 or len(data) <= _HEAD
        ):  # otherwise a character is cut off at the end of the head
            return None
        text = head[: problem.start].decode("utf-8-sig")
    return "a text file" if text and all(c.isprintable() or c.isspace() for c in text) else None
