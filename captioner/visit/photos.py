"""A photo of a visit: captioned, edited, and kept small."""

import dataclasses
import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.folders import finding as folders
from captioner.images import open_image
from captioner.text import ENGLISH
from captioner.visit.certainty import Certainty, certainty
from captioner.visit.doubts import Doubt, doubts

if TYPE_CHECKING:
    from PIL import Image

    from captioner.decoding.options import DecodingOptions
    from captioner.images import Source
    from captioner.predict import Caption, Captioner

MAX_ALT = 125
"""Characters beyond which an alternative text is tiring: some screen readers stop or pause there."""

SUFFIXES = tuple(sorted(suffix.removeprefix(".") for suffix in folders.SUFFIXES))
"""Of the files that a page offers to take; what is in them is looked at later."""

_SAMPLES = {
    "A cup of coffee": "coffee.png",
    "A motorcycle": "motorcycle_left.png",
    "A cat": "chelsea.png",
    "A rocket": "rocket.jpg",
}
HARD_SAMPLE = "A rocket"
"""The sample that the page calls a hard one: the model does not do well on it."""
_LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "cs": "Čeština"}
# Longer side in pixels of the copies that stay: enough for a sharp picture (a tenth of a megabyte), and for a tile.
_SHOWN, _THUMBNAIL = 1000, 320


@dataclass(frozen=True, kw_only=True)
class VisitPhoto:
    """A photo, the model's caption, and what its owner made of it.

    Attributes:
        name: of its file; any text.
        picture: a JPEG of it, upright, without metadata, at most 1,000 pixels wide and high.
        thumbnail: the same at most 320 pixels wide and high.
        caption: the model's.
        edit: the sentence that stands instead of the model's; None as long as the model's stands.
        chosen: whether its owner took what stands from the model's suggestions, or confirmed the model's caption.
    """

    name: str
    picture: bytes
    thumbnail: bytes
    caption: "Caption"
    edit: str | None = None
    chosen: bool = False

    @property
    def text(self) -> str:
        """The sentence that stands."""
        return self.caption.text if self.edit is None else self.edit

    @property
    def edited(self) -> bool:
        """Whether its owner wrote the sentence that stands."""
        return self.edit is not None and not self.chosen

    @property
    def to_check(self) -> bool:
        """Whether somebody should look at the caption: the model is not sure of it, and nobody has decided yet."""
        return self.edit is None and not self.chosen and certainty(self.caption) is not Certainty.RIGHT

    @cached_property
    def doubts(self) -> list[Doubt]:
        """The doubtful words of the model's caption."""
        return doubts(self.caption)

    def written(self, text: str) -> "VisitPhoto":
        """The same with its owner's own words; empty ones, or the model's, bring the model's caption back."""
        text = " ".join(text.split())
        edit = text if text and text != self.caption.text else None
        return dataclasses.replace(self, edit=edit, chosen=False)

    def choosing(self, text: str) -> "VisitPhoto":
        """The same with a suggestion of the model as its caption; the model's own caption is confirmed by it."""
        return dataclasses.replace(self, edit=None if text == self.caption.text else text, chosen=True)

    def captioned(self, caption: "Caption") -> "VisitPhoto":
        """The same with another caption of the model; what its owner wrote or chose stands, a confirmation does not."""
        return dataclasses.replace(self, caption=caption, chosen=self.chosen and self.edit is not None)


@dataclass(frozen=True)
class Plan:
    """How photos are to be captioned.

    Attributes:
        model: what `captioner.load` takes.
        language: of the captions, two letters.
        options: what to search for.
    """

    model: str
    language: str
    options: "DecodingOptions"


def describe(model: "Captioner", name: str, content: bytes, plan: Plan) -> VisitPhoto:
    """Caption the bytes of a photo, which are decoded once, and keep small copies of it.

    Raises:
        ImageError: it cannot be read.
    """
    photo = open_image(content, draft=-(-_SHOWN // 2))
    caption = model.caption(photo.image, plan.options, language=plan.language, attention=True)
    caption = dataclasses.replace(caption, width=photo.width, height=photo.height)
    picture = photo.image
    picture.thumbnail((_SHOWN, _SHOWN))
    large = _jpeg(picture)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return VisitPhoto(name=name, picture=large, thumbnail=_jpeg(picture), caption=caption)


def describe_again(model: "Captioner", photo: VisitPhoto, plan: Plan) -> "Caption":
    """Caption a photo's small copy anew."""
    caption = model.caption(photo.picture, plan.options, language=plan.language, attention=True)
    return dataclasses.replace(caption, width=photo.caption.width, height=photo.caption.height)


def small_copy(photo: "Source", side: int) -> bytes:
    """A JPEG of a photo, upright, without metadata, at most `side` pixels wide and high.

    Raises:
        ImageError: it cannot be read.
    """
    picture = open_image(photo, draft=-(-side // 2)).image
    picture.thumbnail((side, side))
    return _jpeg(picture)


def _jpeg(picture: "Image.Image") -> bytes:
    small = io.BytesIO()
    picture.save(small, "JPEG", quality=85)
    return small.getvalue()


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
