"""The descriptions in a photo's metadata: find them, tell whether captioner wrote them, and write new ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Tags = Mapping[str, str | list[str]]
"""Name with ExifTool's group → value."""

WRITER = "captioner"
"""Value of `photoshop:CaptionWriter` that marks descriptions by captioner."""

_DESCRIPTION, _ALT_TEXT, _WRITER = (
    "XMP-dc:Description",
    "XMP-iptcCore:AltTextAccessibility",
    "XMP-photoshop:CaptionWriter",
)
_EXIF, _IPTC, _CHARSET = "IFD0:ImageDescription", "IPTC:Caption-Abstract", "IPTC:CodedCharacterSet"
_DIGEST, _DIGEST_NOW, _TYPE = "Photoshop:IPTCDigest", "File:CurrentIPTCDigest", "File:FileType"
_TEXTS = (_DESCRIPTION, _ALT_TEXT, _EXIF, _IPTC, "XMP-tiff:ImageDescription", "PNG:Description")

READ = (*(f"{tag}*" for tag in _TEXTS if tag != _IPTC), "IPTC:all", _WRITER, _DIGEST, _DIGEST_NOW, _TYPE)
"""Tags to read; each language of a text is a separate tag."""

# Cameras and phones write these into every photo, so they are not descriptions.
_CAMERAS = frozenset(
    """
    OLYMPUS DIGITAL CAMERA|MINOLTA DIGITAL CAMERA|KONICA MINOLTA DIGITAL CAMERA|SONY DSC|DIGITAL CAMERA|DCIM|SAMSUNG
    SAMSUNG CAMERA PICTURES|SAMSUNG DIGITAL CAMERA|Exif_JPEG_PICTURE|KODAK Digital Still Camera|Digital Still Camera
    <KENOX S760  / Samsung S760>|default|cof|dav|edf|mde|hdr|hdrpl|nor|oznor|rbt|sdr|bty
    """.strip()
    .replace("\n", "|")
    .split("|")
)
_WITH_IPTC = ("JPEG", "TIFF")  # in other formats, few programs read IPTC
_LONGEST_IPTC = 2000  # bytes


@dataclass(frozen=True, kw_only=True)
class Described:
    """The descriptions of one file.

    Attributes:
        tags: the tags that were read.
        texts: the descriptions; empty if there are none.
        own: whether captioner wrote them and none was changed since. Captioner writes the same text to all fields;
            programs that edit a description change only some of them.
    """

    tags: Tags
    texts: tuple[str, ...]
    own: bool

    @property
    def foreign(self) -> bool:
        """Whether there is a description that captioner did not write, or that was changed."""
        return bool(self.texts) and not self.own


def described(tags: Tags) -> Described:
    """Find the descriptions in the tags of `READ`."""
    found = {name: str(value).strip() for name, value in tags.items() if name.startswith(_TEXTS)}
    if found.get(_EXIF) in _CAMERAS:
        del found[_EXIF]
    texts = tuple(text for text in found.values() if text)
    own = tags.get(_WRITER) == WRITER and len(set(texts)) == 1 and {_DESCRIPTION, _ALT_TEXT} <= found.keys()
    return Described(tags=tags, texts=texts, own=own)


def assignments(text: str, language: str, before: Described, *, in_photo: bool) -> Iterator[tuple[str, str]]:
    """The tags to write for a description.

    Args:
        text: the description.
        language: its two-letter code.
        before: the existing descriptions, which are replaced.
        in_photo: also write EXIF and IPTC, which XMP sidecars do not have.

    Yields:
        Tag and value; an empty value deletes the tag.
    """
    for tag in (_DESCRIPTION, _ALT_TEXT):
        yield tag, ""  # delete all languages
        yield tag, text
        yield f"{tag}-{language}", text
    if before.texts or not before.tags.get(_WRITER):
        yield _WRITER, WRITER
    if in_photo:
        if str(before.tags.get(_EXIF, "")).strip() not in _CAMERAS:
            yield "EXIF:ImageDescription", text
        yield from _iptc(text, before.tags)


def _iptc(text: str, tags: Tags) -> Iterator[tuple[str, str]]:
    """The same for IPTC. All its texts share one encoding, which is changed only if no other text would change."""
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
    if _DIGEST in tags and tags[_DIGEST] == tags.get(_DIGEST_NOW):  # otherwise Photoshop would ignore XMP and read IPTC
        yield _DIGEST, "new"
