"""The descriptions in a photo's metadata: which there are, whether captioner wrote them, and how to write one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Tags = Mapping[str, str | list[str]]
"""Name with ExifTool's group → value."""

WRITER = "captioner"
"""The writer of the description (`photoshop:CaptionWriter`) by which captioner's own are known."""

_DESCRIPTION, _ALT_TEXT, _WRITER = (
    "XMP-dc:Description",
    "XMP-iptcCore:AltTextAccessibility",
    "XMP-photoshop:CaptionWriter",
)
_EXIF, _IPTC, _CHARSET = "IFD0:ImageDescription", "IPTC:Caption-Abstract", "IPTC:CodedCharacterSet"
_DIGEST, _DIGEST_NOW, _TYPE = "Photoshop:IPTCDigest", "File:CurrentIPTCDigest", "File:FileType"
_TEXTS = (_DESCRIPTION, _ALT_TEXT, _EXIF, _IPTC, "XMP-tiff:ImageDescription", "PNG:Description")

READ = (*(f"{tag}*" for tag in _TEXTS if tag != _IPTC), "IPTC:all", _WRITER, _DIGEST, _DIGEST_NOW, _TYPE)
"""What has to be read of a file; the languages of a text are tags of their own."""

# What cameras and phones write into each of their photos is nobody's description.
_CAMERAS = frozenset(
    """
    OLYMPUS DIGITAL CAMERA|MINOLTA DIGITAL CAMERA|KONICA MINOLTA DIGITAL CAMERA|SONY DSC|DIGITAL CAMERA|DCIM|SAMSUNG
    SAMSUNG CAMERA PICTURES|SAMSUNG DIGITAL CAMERA|Exif_JPEG_PICTURE|KODAK Digital Still Camera|Digital Still Camera
    <KENOX S760  / Samsung S760>|default|cof|dav|edf|mde|hdr|hdrpl|nor|oznor|rbt|sdr|bty
    """.strip()
    .replace("\n", "|")
    .split("|")
)
_WITH_IPTC = ("JPEG", "TIFF")  # in other formats hardly any program looks for it
_LONGEST_IPTC = 2000  # bytes of a caption


@dataclass(frozen=True, kw_only=True)
class Described:
    """The descriptions of one file.

    Attributes:
        tags: what was read.
        texts: all of them; empty if there is none.
        own: whether captioner wrote them, and nobody changed one since. Captioner writes the same text everywhere; a
            program that changes a description does not.
    """

    tags: Tags
    texts: tuple[str, ...]
    own: bool

    @property
    def foreign(self) -> bool:
        """Whether there is a description that captioner did not write."""
        return bool(self.texts) and not self.own


def described(tags: Tags) -> Described:
    """Find the descriptions among tags that were read as `READ` says."""
    found = {name: str(value).strip() for name, value in tags.items() if name.startswith(_TEXTS)}
    if found.get(_EXIF) in _CAMERAS:
        del found[_EXIF]
    texts = tuple(text for text in found.values() if text)
    own = tags.get(_WRITER) == WRITER and len(set(texts)) == 1 and {_DESCRIPTION, _ALT_TEXT} <= found.keys()
    return Described(tags=tags, texts=texts, own=own)


def assignments(text: str, language: str, before: Described, *, in_photo: bool) -> Iterator[tuple[str, str]]:
    """What ExifTool is to write for a description.

    Args:
        text: the description.
        language: of it, two letters.
        before: what is there and gives way.
        in_photo: in EXIF and IPTC, too, which an XMP sidecar has not.

    Yields:
        Tag and value; an empty value deletes.
    """
    for tag in (_DESCRIPTION, _ALT_TEXT):
        yield tag, ""  # in all languages
        yield tag, text
        yield f"{tag}-{language}", text
    if before.texts or not before.tags.get(_WRITER):
        yield _WRITER, WRITER
    if in_photo:
        if str(before.tags.get(_EXIF, "")).strip() not in _CAMERAS:
            yield "EXIF:ImageDescription", text
        yield from _iptc(text, before.tags)


def _iptc(text: str, tags: Tags) -> Iterator[tuple[str, str]]:
    """The same in IPTC, whose texts are all in one encoding: it is changed only if that changes no other text."""
    if tags.get(_TYPE) not in _WITH_IPTC:
        return
    others = [value for name, value in tags.items() if name.startswith("IPTC:") and name not in {_IPTC, _CHARSET}]
    is_utf8 = tags.get(_CHARSET) == "UTF8"
    may_be_utf8 = _CHARSET not in tags and str(others).isascii()
    if len(text.encode("utf-8", "replace")) > _LONGEST_IPTC or not (is_utf8 or may_be_utf8 or text.isascii()):
        if _IPTC in tags:
            yield _IPTC, ""
    else:
        if may_be_utf8 and not (others and text.isascii()):
            yield _CHARSET, "UTF8"
        yield _IPTC, text
    if _DIGEST in tags and tags[_DIGEST] == tags.get(_DIGEST_NOW):  # else Photoshop would prefer IPTC to XMP
        yield _DIGEST, "new"
