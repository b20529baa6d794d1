"""Caption photos offline: `captioner.load().caption("photo.jpg", language="de").text`.

`caption_folder` captions any number of photos and can be stopped and resumed; `evaluate` and `score` evaluate captions;
`datasets` reads and writes captioned photos. Importing this package does not load PyTorch; names are imported from
their modules on first use.
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
    precision: str = "auto",
    language: str = "en",
) -> "Captioner":
    """Load a model: a checkpoint directory, an embedded model by name, or (None) the default embedded model.

    Args:
        name: checkpoint directory or name of an embedded model.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `auto`, `int8` or `float32`; `auto` prefers int8 where it is faster, which is on x86 processors with
            VNNI instructions.
        language: default language of the captions; all but English are translated from English.

    Raises:
        ModelError: there is no usable model with that name.
        UsageError: the device or precision is not available, or the language is unknown.
    """
    from captioner.predict import Captioner

    return Captioner.load(name, device=device, precision=precision, language=language)


def load_translator(
    language: str, name: "str | os.PathLike[str] | None" = None, *, device: str = "auto"
) -> "Translator":
    """Load a translator from English: a checkpoint directory, an embedded one by name, or (None) the default one.

    Args:
        language: default target language, two-letter code.
        name: checkpoint directory or name of an embedded model.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        ModelError: there is no usable model with that name.
        UsageError: the device is not available, or the language is unknown.
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
