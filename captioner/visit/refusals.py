"""Files that got no caption, and why, in a sentence for people."""

from dataclasses import dataclass
from pathlib import PurePath

from captioner.errors import CaptionerError, ImageError

_KINDS = {
    "a PDF": ("pdf",),
    "a video": ("mp4", "mov", "avi", "mkv", "webm", "m4v", "mpg", "mpeg", "3gp", "wmv"),
    "a sound file": ("mp3", "wav", "m4a", "flac", "ogg", "aac"),
    "a document": ("doc", "docx", "odt", "rtf", "txt", "md", "html", "htm", "pages"),
    "a spreadsheet": ("xls", "xlsx", "ods", "csv", "tsv", "numbers"),
    "a presentation": ("ppt", "pptx", "odp", "key"),
    "an archive": ("zip", "rar", "7z", "tar", "gz", "tgz", "bz2", "xz"),
    "a drawing": ("svg", "ai", "eps", "psd", "xcf"),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes}
_FORMATS = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, or HEIC"


@dataclass(frozen=True)
class Refused:
    """A file that got no caption.

    Attributes:
        name: of the file; any text.
        reason: a sentence.
    """

    name: str
    reason: str


def reason(problem: Exception, name: str = "") -> str:
    """Why a file got no caption, for somebody who added it to a page and knows no formats."""
    text = str(problem)
    suffix = PurePath(name).suffix.lower().removeprefix(".")
    if isinstance(problem, ImageError):
        if "empty" in text:
            return "The file is empty."
        if suffix in _BY_SUFFIX:
            return f"This is {_BY_SUFFIX[suffix]}, not a photo."
        if "truncated" in text or "incomplete" in text:
            return "The photo is incomplete, perhaps a broken download."
        if "known format" in text:
            return f"This is not a photo that can be read. Save it as {_FORMATS}."
    if not isinstance(problem, CaptionerError):
        return "Something went wrong with this photo. The others are not affected."
    text = text.removeprefix("cannot read the image: ")
    return text[:1].upper() + text[1:]
