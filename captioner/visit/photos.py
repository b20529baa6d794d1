"""The photos of one visit: described, edited, and bounded in number and size."""

import dataclasses
import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import ImageError
from captioner.folders import finding as folders
from captioner.images import open_image
from captioner.text import ENGLISH

if TYPE_CHECKING:
    from captioner.decoding.options import DecodingOptions
    from captioner.images import Source
    from captioner.predict import Caption, Captioner

MAX_FILES = 50
MAX_BYTES = 100_000_000
MAX_ALT = 125
"""Characters beyond which an alternative text is tiring: some screen readers stop or pause there."""

SUFFIXES = tuple(sorted(suffix.removeprefix(".") for suffix in folders.SUFFIXES))
"""Of the files that a page offers to take; what is in them is looked at later."""

_SAMPLES = {
    "An astronaut": "astronaut.png",
    "A cat": "chelsea.png",
    "A cup of coffee": "coffee.png",
    "A rocket": "rocket.jpg",
    "A cameraman": "camera.png",
}
_LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "cs": "Čeština"}
# Longer side in pixels of the copy that stays: enough for a sharp picture on a page, a tenth of a megabyte.
_SHOWN = 1000

# By the tenths of the validation photos in docs/experiments.md: captions from 0.52 up score 56 to 110 in CIDEr-D,
# those below 0.44 25 to 27.
_SURE, _FAIRLY_SURE = 0.52, 0.44


@dataclass(frozen=True, kw_only=True)
class VisitPhoto:
    """A photo, what the model says about it, and what its owner says.

    Attributes:
        name: what its file was called; any text.
        picture: a JPEG of it, upright, without metadata, at most 1,000 pixels wide and high.
        caption: the model's.
        edit: its owner's sentence; None as long as the model's stands.
    """

    name: str
    picture: bytes
    caption: "Caption"
    edit: str | None = None

    @property
    def text(self) -> str:
        """The sentence that stands: the owner's, or else the model's."""
        return self.caption.text if self.edit is None else self.edit

    def edited(self, text: str) -> "VisitPhoto":
        """The same with its owner's sentence; an empty one, or the model's own, brings the model's back."""
        text = " ".join(text.split())
        return dataclasses.replace(self, edit=text if text and text != self.caption.text else None)


@dataclass(frozen=True)
class Refused:
    """A file that got no caption.

    Attributes:
        name: what it was called; any text.
        reason: one sentence.
    """

    name: str
    reason: str


@dataclass
class Visit:
    """What a visitor has brought so far.

    Attributes:
        photos: by keys that grow and never return, in the order they were described.
        refused: files without a caption.
        size: of the photos' files in bytes.
    """

    photos: dict[int, VisitPhoto] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    size: int = 0

    def check_room(self, size: int) -> None:
        """Check that there is room for a file of so many bytes.

        Raises:
            ImageError: there is not.
        """
        if len(self.photos) >= MAX_FILES:
            raise ImageError(f"a visit has room for {MAX_FILES} photos; take these captions home and start a new one.")
        if self.size + size > MAX_BYTES:
            room = f"{MAX_BYTES / 1e6:g} MB of photos"
            raise ImageError(f"a visit has room for {room}; take these captions home and start a new one.")

    def add(self, photo: VisitPhoto, *, size: int) -> int:
        """Keep a photo whose file has so many bytes; returns its key."""
        key = max(self.photos, default=0) + 1
        self.photos[key] = photo
        self.size += size
        return key


def describe(
    model: "Captioner", name: str, content: bytes, options: "DecodingOptions", language: str = ENGLISH
) -> VisitPhoto:
    """Describe the bytes of a photo, and keep a small copy of it.

    Raises:
        ImageError: it cannot be read.
    """
    caption = model.caption(content, options, language=language, attention=True)
    return VisitPhoto(name=name, picture=small_copy(content, _SHOWN), caption=caption)


def small_copy(photo: "Source", side: int) -> bytes:
    """A JPEG of a photo, upright, without metadata, at most `side` pixels wide and high.

    Raises:
        ImageError: it cannot be read.
    """
    picture = open_image(photo, draft=-(-side // 2)).image
    picture.thumbnail((side, side))
    small = io.BytesIO()
    picture.save(small, "JPEG", quality=85)
    return small.getvalue()


def describe_again(
    model: "Captioner", photo: VisitPhoto, options: "DecodingOptions", language: str = ENGLISH
) -> VisitPhoto:
    """Describe a photo's small copy anew; an edit stays."""
    caption = dataclasses.replace(
        model.caption(photo.picture, options, language=language, attention=True),
        width=photo.caption.width,
        height=photo.caption.height,
    )
    return dataclasses.replace(photo, caption=caption)


def certainty(confidence: float) -> str:
    """`confidence` in a word: sure, fairly sure, or a guess."""
    if confidence >= _SURE:
        return "sure"
    return "fairly sure" if confidence >= _FAIRLY_SURE else "a guess"


def alt_text_hint(text: str) -> str | None:
    """What to say about a caption that is longer than screen readers like; None if it is not."""
    if len(text) <= MAX_ALT:
        return None
    return f"{len(text)} characters: screen readers like alternative texts of at most {MAX_ALT}."


def samples() -> dict[str, Path]:
    """Photos to try the page with: name → file. They are scikit-image's (CC0); none where it is not installed."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        return {}
    files = {name: Path(spec.origin).parent / "data" / file for name, file in _SAMPLES.items()}
    return {name: file for name, file in files.items() if file.is_file()}


def languages() -> dict[str, str]:
    """The languages that captions can be had in: their own name → two letters; English first."""
    from captioner import checkpoint

    return {_LANGUAGES.get(code, code): code for code in (ENGLISH, *checkpoint.read_translator().config.languages)}


def models(environment: Mapping[str, str], *, separator: str) -> dict[str, str]:
    """The models that a page offers: name for people → what `captioner.load` takes; the default model first.

    Args:
        environment: its `CAPTIONER_MODELS` holds checkpoint directories.
        separator: what stands between them; the system's between paths.
    """
    from captioner import checkpoint

    captioners = (name for name in checkpoint.embedded_models() if not checkpoint.translates(name))
    embedded = sorted(captioners, key=lambda name: (name != checkpoint.DEFAULT_MODEL, name))
    found = {name: name for name in embedded}
    for directory in filter(None, environment.get("CAPTIONER_MODELS", "").split(separator)):
        name = Path(directory).name
        found[directory if name in found else name] = directory
    return found
