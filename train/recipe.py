"""Read a run's configuration: a TOML file, overrides from the command line, and settings inherited from `start`."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from captioner import checkpoint
from captioner.config import from_mapping, to_mapping
from captioner.errors import UsageError
from captioner.files import decode_text
from train.photos.config import TrainConfig
from train.sentences.config import TranslationConfig


def read_config(path: Path, changes: Sequence[str] = ()) -> TrainConfig | TranslationConfig:
    """Read a TOML configuration. One with `languages` trains a translator, any other a captioner.

    Args:
        path: the file.
        changes: overrides, each `section.key=value` with a TOML value; a bare word is a string.

    Raises:
        UsageError: the file cannot be read, or a key or value is invalid; the message says which.
        ModelError: the checkpoint of `start` is missing or damaged.
    """
    try:
        data = tomllib.loads(decode_text(path.read_bytes(), f"{path}: not valid TOML; it"))
    except OSError as problem:
        raise UsageError(f"{path}: the configuration cannot be read ({problem.strerror}).") from None
    except ValueError as problem:
        raise UsageError(f"{path}: not valid TOML ({problem}).") from None
    for change in changes:
        _apply(data, change)
    _inherit(data)
    if "languages" in data:
        return from_mapping(TranslationConfig, data, where=str(path))
    return from_mapping(TrainConfig, data, where=str(path))


def _apply(data: dict[str, Any], change: str) -> None:
    """Apply one `section.key=value`; `phase.0.epochs=2` indexes a list."""
    key, separator, text = change.partition("=")
    *path, last = key.strip().split(".")
    if not separator or not last:
        raise UsageError(f"--set {change}: must have the form section.key=value.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        value = text
    place: Any = data
    try:
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        place[int(last) if isinstance(place, list) else last] = value
    except (IndexError, ValueError, TypeError, AttributeError):
        raise UsageError(f"--set {change}: no such key in the configuration.") from None


def _inherit(data: dict[str, Any]) -> None:
    """Take omitted settings of the model from the checkpoint that a run starts from."""
    start = data.get("start")
    if not (start and isinstance(start, str)):
        return
    read = checkpoint.read_translator if "languages" in data else checkpoint.read
    for section, settings in to_mapping(read(start).config).items():
        if section != "languages" and isinstance(made := data.get(section, {}), dict):
            data[section] = {name: value for name, value in settings.items() if name != "vocabulary_size"} | made
