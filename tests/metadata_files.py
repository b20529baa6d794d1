"""Photos with metadata, and what the real ExifTool reads of them."""

import atexit
import functools
import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from captioner.folders.exiftool import ExifTool

needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="ExifTool is not installed")

HERS = (
    "-XMP-dc:Subject=holiday",
    "-XMP-dc:Title=Žofie at the sea",
    "-XMP-xmp:Rating=4",
    "-EXIF:Artist=Anna",
    "-EXIF:DateTimeOriginal=2019:07:04 12:00:00",
    "-EXIF:GPSLatitude=52.5",
    "-EXIF:GPSLatitudeRef=N",
)
"""Tags of a person's."""
OURS = ("XMP-dc:Description", "XMP-iptcCore:AltTextAccessibility", "XMP-photoshop:CaptionWriter")
OURS += ("IFD0:ImageDescription", "IPTC:Caption-Abstract", "IPTC:CodedCharacterSet", "IPTC:EnvelopeRecordVersion")
"""Tags that captioner writes, and one without which the one before is not valid."""
# What follows from a longer file, and what a newly made block must have.
FOLLOWS = ("SourceFile", "System:", "ExifTool:", "Composite:", "XMP-x:XMPToolkit", "File:CurrentIPTCDigest")
FOLLOWS += ("IFD0:StripOffsets", "IPTC:ApplicationRecordVersion", "Photoshop:IPTCDigest", "File:ExifByteOrder")
FOLLOWS += ("QuickTime:MediaData",)  # of HEIC and AVIF: pixels, which the tests compare, and EXIF


@functools.cache
def program() -> ExifTool:
    """One that stays open for all tests, because starting it takes longer than its work."""
    opened = ExifTool().__enter__()
    atexit.register(opened.__exit__, None, None, None)
    return opened


def exiftool(*arguments: str | Path) -> str:
    answer, problems = program()._ask([str(argument) for argument in arguments])
    assert "Error" not in problems, problems
    return answer


def tag(path: Path, *values: str) -> None:
    """Set tags as another program would."""
    exiftool("-m", "-P", "-overwrite_original", *values, path.absolute())


def tags(path: Path) -> dict[str, object]:
    """All tags."""
    (row,) = json.loads(exiftool("-json", "-G1", "-a", "-u", "-struct", path.absolute()))
    return row


def others(path: Path) -> dict[str, object]:
    """All tags but those that captioner writes, and what follows from them."""
    return {name: value for name, value in tags(path).items() if not name.startswith(OURS + FOLLOWS)}


def descriptions(path: Path) -> set[object]:
    return {value for name, value in tags(path).items() if name.startswith((*OURS[:2], *OURS[3:5]))}


def contents(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Bytes, mode and time of each file."""
    return {
        path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.name != ".captioner.jsonl"
    }


def save(image: Image.Image, path: Path) -> Path:
    if path.suffix == ".heic":
        import pillow_heif

        pillow_heif.from_pillow(image).save(path)
    else:
        image.save(path)
    os.utime(path, ns=(10**18, 10**18 + 123_456_700))
    return path
