"""Caption photos offline: `captioner.load().caption("photo.jpg", language="de").text`.

`caption_folder` captions any number of photos and can be stopped and continued; `evaluate` and `score` measure
captions; `datasets` reads and writes captioned photos. Importing this package loads nothing heavy; names are fetched
from their modules when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from captioner._version import __version__

if TYPE_CHECKING:
    import os

    from captioner import datasets
    from captioner.decoding.options import DecodingOptions
    from captioner.errors import CaptionerError, ImageError, ModelError, OutputError, UsageError
    from captioner.evaluation.evaluate import EvaluationOptions, evaluate
    from captioner.evaluation.scores import score
    from captioner.folders.captioning import FolderOptions, caption_folder
    from captioner.images import ImageLimits
    from captioner.predict import Alternative, Caption, Captioner
    from captioner.translation.translator import Translation, Translator

__all__ = [
    "Alternative",
    "Caption",
    "Captioner",
    "CaptionerError",
    "DecodingOptions",
    "EvaluationOptions",
    "FolderOptions",
    "ImageError",
    "ImageLimits",
    "ModelError",
    "OutputError",
    "Translation",
    "Translator",
    "UsageError",
    "__version__",
    "caption_folder",
    "datasets",
    "evaluate",
    "load",
    "load_translator",
    "score",
]

_HOME = {
    "captioner.decoding.options": ("DecodingOptions",),
    "captioner.errors": ("CaptionerError", "ImageError", "ModelError", "OutputError", "UsageError"),
    "captioner.evaluation.evaluate": ("EvaluationOptions", "evaluate"),
    "captioner.evaluation.scores": ("score",),
    "captioner.folders.captioning": ("FolderOptions", "caption_folder"),
    "captioner.images": ("ImageLimits",),
    "captioner.predict": ("Alternative", "Caption", "Captioner"),
    "captioner.translation.translator": ("Translation", "Translator"),
}


def load(
    name: "str | os.PathLike[str] | None" = None,
    *,
    device: str = "auto",
    language: str = "en",
) -> "Captioner":
    """Load a model: a checkpoint directory, an embedded model by name, or (None) the default embedded model.

    Args:
        name: directory or name.
        device: `auto`, `cpu`, `cuda` or `mps`.
        language: what it writes where it is not told; all but English are translations.

    Raises:
        ModelError: there is no usable model of that name.
        UsageError: this machine has no such device, or the language is unknown.
    """
    from captioner.predict import Captioner

    return Captioner.load(name, device=device, language=language)


def load_translator(
    language: str, name: "str | os.PathLike[str] | None" = None, *, device: str = "auto"
) -> "Translator":
    """Load a translator from English: a checkpoint directory, an embedded one by name, or (None) the default one.

    Args:
        language: what it writes where it is not told, two letters.
        name: directory or name.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        ModelError: there is no usable model of that name.
        UsageError: this machine has no such device, or the language is unknown.
    """
    from captioner.translation.translator import Translator

    return Translator.load(name, language=language, device=device)


def __getattr__(name: str) -> object:
    if name == "datasets":
        return import_module("captioner.datasets")
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
