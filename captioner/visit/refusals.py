"""Why a file could not be captioned, in plain words."""

from dataclasses import dataclass
from pathlib import PurePath

from captioner.errors import CaptionerError, ImageError

_KINDS = {
    "a PDF": ("pdf",),
    "a video": ("mp4", "mov", "avi", "mkv", "webm", "m4v", "mpg", "mpeg", "3gp", "wmv"),
    "an audio file": ("mp3", "wav", "m4a", "flac", "ogg", "aac"),
    "a document": ("doc", "docx", "odt", "rtf", "txt", "md", "html", "htm", "pages"),
    "a spreadsheet": ("xls", "xlsx", "ods", "csv", "tsv", "numbers"),
    "a presentation": ("ppt", "pptx", "odp", "key"),
    "an archive": ("zip", "rar", "7z", "tar", "gz", "tgz", "bz2", "xz"),
    "a drawing or design file": ("svg", "ai", "eps", "psd", "xcf"),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes}


@dataclass(frozen=True)
class Refused:
    """A file that could not be captioned.

    Attributes:
        name: file name; any text.
        reason: what is wrong and what to do, in one or two sentences.
    """

    name: str
    reason: str


def reason(problem: Exception, name: str = "") -> str:
    """Explain why a file could not be captioned to a user who knows nothing about file formats."""
    text = str(problem)
    suffix = PurePath(name).suffix.lower().removeprefix(".")
    if isinstance(problem, ImageError):
        if "empty" in text:
            return "The file is empty. Download or copy it again."
        if suffix in _BY_SUFFIX:
            return f"This is {_BY_SUFFIX[suffix]}, not a photo."
        if "known format" in text:
            return "The file format is not supported. Save the photo as JPEG or PNG."
        if any(word in text for word in ("damaged", "incomplete", "truncated")):
            return "The file is damaged or incomplete. Download or copy it again."
    if not isinstance(problem, CaptionerError):
        return "An internal error occurred while captioning this photo. Other photos are not affected."
    text = text.removeprefix("cannot read the image: ")
    return text[:1].upper() + text[1:]
