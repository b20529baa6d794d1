"""Captions for photos, offline: `captioner.load().caption("photo.jpg").text`.

Importing this package loads nothing heavy; names are fetched from their modules when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from captioner._version import __version__

if TYPE_CHECKING:
    import os

    from captioner.decoding.options import DecodingOptions
    from captioner.errors import CaptionerError, ImageError, ModelError, OutputError, UsageError
    from captioner.images import ImageLimits
    from captioner.predict import Alternative, Caption, Captioner

__all__ = [
    "Alternative",
    "Caption",
    "Captioner",
    "CaptionerError",
    "DecodingOptions",
    "ImageError",
    "ImageLimits",
    "ModelError",
    "OutputError",
    "UsageError",
    "__version__",
    "load",
]

_HOME = {
    "captioner.decoding.options": ("DecodingOptions",),
    "captioner.errors": ("CaptionerError", "ImageError", "ModelError", "OutputError", "UsageError"),
    "captioner.images": ("ImageLimits",),
    "captioner.predict": ("Alternative", "Caption", "Captioner"),
}


def load(name: "str | os.PathLike[str] | None" = None, *, device: str = "auto") -> "Captioner":
    """Load a model: a checkpoint directory, an embedded model by name, or (None) the default embedded model.

    Args:
        name: directory or name.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        ModelError: there is no usable model of that name.
        UsageError: this machine has no such device.
    """
    from captioner.predict import Captioner

    return Captioner.load(name, device=device)


def __getattr__(name: str) -> object:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
