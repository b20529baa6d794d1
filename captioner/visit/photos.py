"""Photos of a visit: captioning, editing, and the reduced copies that are kept."""

import dataclasses
import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
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
"""Maximum length of alt text in characters: some screen readers stop or pause there."""

SUFFIXES = tuple(sorted(suffix.removeprefix(".") for suffix in folders.SUFFIXES))
"""File suffixes that the folder picker accepts. The content is checked later."""

_SAMPLES = {
    "A cup of coffee": "coffee.png",
    "A motorcycle": "motorcycle_left.png",
    "A cat": "chelsea.png",
    "A rocket": "rocket.jpg",
}
HARD_SAMPLE = "A rocket"
"""The sample that the page labels as hard: the model captions it badly."""
_LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "cs": "Čeština"}
# Longer side in pixels of the copies that are kept: a sharp picture (about 100 KB) and a tile.
_SHOWN, _THUMBNAIL = 1000, 320


@dataclass(frozen=True, kw_only=True)
class VisitPhoto:
    """A photo, the model's caption, and the user's changes to it.

    Attributes:
        name: file name; any text.
        picture: JPEG copy, upright, without metadata, at most 1,000 pixels wide and high.
        thumbnail: the same, at most 320 pixels wide and high.
        caption: the model's caption.
        edit: the caption that replaces the model's; None if the model's is used.
        chosen: True if the user selected a suggestion or kept the model's caption.
    """

    name: str
    picture: bytes
    thumbnail: bytes
    caption: "Caption"
    edit: str | None = None
    chosen: bool = False

    @property
    def text(self) -> str:
        """The current caption."""
        return self.caption.text if self.edit is None else self.edit

    @property
    def edited(self) -> bool:
        """Whether the user wrote the current caption."""
        return self.edit is not None and not self.chosen

    @property
    def to_check(self) -> bool:
        """Whether the caption still needs a check: it does not look right, and the user has not decided yet."""
        return self.edit is None and not self.chosen and certainty(self.caption) is not Certainty.RIGHT

    @cached_property
    def doubts(self) -> list[Doubt]:
        """Words of the model's caption that it is unsure about."""
        return doubts(self.caption)

    def written(self, text: str) -> "VisitPhoto":
        """A copy with the user's own caption; an empty text, or the model's, restores the model's caption."""
        text = " ".join(text.split())
        edit = text if text and text != self.caption.text else None
        return dataclasses.replace(self, edit=edit, chosen=False)

    def choosing(self, text: str) -> "VisitPhoto":
        """A copy with a suggestion as its caption; passing the model's caption marks it as kept."""
        return dataclasses.replace(self, edit=None if text == self.caption.text else text, chosen=True)

    def captioned(self, caption: "Caption") -> "VisitPhoto":
        """A copy with a new model caption. Edits and selected suggestions stay; a kept model caption is replaced."""
        return dataclasses.replace(self, caption=caption, chosen=self.chosen and self.edit is not None)


@dataclass(frozen=True)
class Plan:
    """Settings for captioning photos.

    Attributes:
        model: a model as accepted by `captioner.load`.
        language: two-letter code of the caption language.
        options: decoding options.
    """

    model: str
    language: str
    options: "DecodingOptions"


def describe(model: "Captioner", name: str, content: bytes, plan: Plan) -> VisitPhoto:
    """Caption a photo from the bytes of its file, decoding it once, and keep reduced copies.

    Raises:
        ImageError: the photo cannot be read.
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
    """Caption the reduced copy of a photo again."""
    caption = model.caption(photo.picture, plan.options, language=plan.language, attention=True)
    return dataclasses.replace(caption, width=photo.caption.width, height=photo.caption.height)


def small_copy(photo: "Source", side: int) -> bytes:
    """JPEG copy of a photo, upright, without metadata, at most `side` pixels wide and high.

    Raises:
        ImageError: the photo cannot be read.
    """
    picture = open_image(photo, draft=-(-side // 2)).image
    picture.thumbnail((side, side))
    return _jpeg(picture)


def _jpeg(picture: "Image.Image") -> bytes:
    small = io.BytesIO()
    picture.save(small, "JPEG", quality=85)
    return small.getvalue()


def alt_text_hint(text: str) -> str | None:
    """A hint for captions that are too long for alt text; None for others."""
    if len(text) <= MAX_ALT:
        return None
    return f"{len(text)} characters. Alt text should have at most {MAX_ALT}: some screen readers stop there."


def samples() -> dict[str, Path]:
    """Sample photos: name → file. They come with scikit-image (CC0); empty if it is not installed."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        return {}
    files = {name: Path(spec.origin).parent / "data" / file for name, file in _SAMPLES.items()}
    return {name: file for name, file in files.items() if file.is_file()}


@cache
def languages() -> dict[str, str]:
    """The caption languages: native name → two-letter code; English first."""
    from captioner import checkpoint

    return {_LANGUAGES.get(code, code): code for code in (ENGLISH, *checkpoint.read_translator().config.languages)}


def models(environment: Mapping[str, str], *, separator: str) -> dict[str, str]:
    """The models that the page offers: display name → argument for `captioner.load`; the default model first.

    Args:
        environment: environment variables; `CAPTIONER_MODELS` lists checkpoint directories.
        separator: separator between these directories.
    """
    from captioner import checkpoint

    captioners = (name for name in checkpoint.embedded_models() if not checkpoint.translates(name))
    embedded = sorted(captioners, key=lambda name: (name != checkpoint.DEFAULT_MODEL, name))
    found = {name: name for name in embedded}
    for directory in filter(None, environment.get("CAPTIONER_MODELS", "").split(separator)):
        name = Path(directory).name
        found[directory if name in found else name] = directory
    return found
