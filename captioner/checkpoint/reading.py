"""Read a checkpoint directory, without its weights.

- `config.json`: format version, model configuration, decoding defaults, calibration, input ranges for int8, scores, and
  facts about training.
- `vocabulary.json`: the tokens, in the order of their ids. Translators have subword models instead, `source.model` and
  `target.model`.
- `model.safetensors`: the weights, in float16; float32 once loaded.
- `README.md`: the model card.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.confidence import Calibration
from captioner.config import ModelConfig, TranslatorConfig, from_mapping, to_mapping
from captioner.decoding.options import DecodingOptions
from captioner.errors import ModelError, UsageError
from captioner.files import read_text
from captioner.text import Vocabulary

if TYPE_CHECKING:
    from captioner.text.subwords import Subwords

FORMAT = "captioner/1"
CONFIG, VOCABULARY, WEIGHTS, CARD = "config.json", "vocabulary.json", "model.safetensors", "README.md"
PRETRAINED = Path(__file__).parents[1] / "pretrained"
SOURCE, TARGET = "source.model", "target.model"
DEFAULT_MODEL = "photo-en"
DEFAULT_TRANSLATOR = "text-en-de-fr-cs"
_SECTIONS = ("model", "decoding", "confidence", "ranges", "scores", "training")  # keys of config.json
EMBEDDING, OUTPUT, OUTPUT_BIAS = "decoder.embedding.weight", "decoder.classify.weight", "decoder.classify.bias"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What all checkpoints contain, apart from weights and vocabularies.

    Attributes:
        path: the directory.
        decoding: default decoding options, the best on validation data.
        scores: dataset or split → metric → value, as recorded by the evaluation.
        training: facts about training (data, command, time), for human readers.
    """

    path: Path
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Facts):
    """A captioner's checkpoint, without its weights.

    Attributes:
        config: configuration of the model.
        vocabulary: the tokens.
        calibration: the calibration of confidence; None if it was never fitted.
        ranges: input ranges of convolutions and matrices, for int8; empty if they were never measured.
    """

    config: ModelConfig
    vocabulary: Vocabulary
    calibration: Calibration | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TranslatorCheckpoint(Facts):
    """A translator's checkpoint, without its weights.

    Attributes:
        config: configuration of the model.
        source: subwords of the source language, English.
        target: subwords of all target languages.
    """

    config: TranslatorConfig
    source: "Subwords"
    target: "Subwords"

    def check_language(self, language: str) -> None:
        """Check that the model translates into a language.

        Raises:
            UsageError: it does not.
        """
        if language not in self.config.languages:
            known = ", ".join(self.config.languages)
            raise UsageError(
                f"language {language!r}: this model does not translate English into it; choose one of: {known}."
            )


def find(name: str | os.PathLike[str] | None = None) -> Path:
    """Find a checkpoint directory by its path or, for an embedded model, by its name. None is the default model.

    Raises:
        ModelError: there is no directory and no embedded model of that name.
    """
    path = Path(name) if name is not None else PRETRAINED / DEFAULT_MODEL
    places = [path, PRETRAINED / path] if len(path.parts) == 1 else [path]
    with contextlib.suppress(OSError):  # the name is too long, or the directory is not accessible
        for place in places:
            if place.is_dir():
                return place
    known = ", ".join(embedded_models()) or "none"
    raise ModelError(f"{path}: no such checkpoint directory or embedded model (embedded: {known}).")


def embedded_models() -> list[str]:
    """Names of the models that are included in the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{CONFIG}"))


def translates(name: str | os.PathLike[str]) -> bool:
    """Whether a checkpoint is a translator rather than a captioner.

    Raises:
        ModelError: there is no checkpoint of that name, or its `config.json` is damaged.
    """
    return "languages" in _read_config(find(name))["model"]


def read(name: str | os.PathLike[str] | Checkpoint | None = None) -> Checkpoint:
    """Read a captioner's checkpoint, without its weights.

    Args:
        name: a directory, the name of an embedded model, or None for the default model. A checkpoint that was already
            read is returned unchanged.

    Raises:
        ModelError: a file is missing or damaged, a field is unknown or invalid, or the checkpoint is a translator. The
            message names the file and the field.
    """
    found = name if isinstance(name, Checkpoint) else read_any(name)
    if isinstance(found, TranslatorCheckpoint):
        raise ModelError(f"{found.path}: this is a translator, which does not read photos; choose a captioner.")
    return found


def read_translator(name: str | os.PathLike[str] | None = None) -> TranslatorCheckpoint:
    """Read a translator's checkpoint, without its weights; see `read`.

    Args:
        name: a directory, the name of an embedded model, or None for the default translator.
    """
    found = read_any(name if name is not None else PRETRAINED / DEFAULT_TRANSLATOR)
    if isinstance(found, Checkpoint):
        raise ModelError(f"{found.path}: this is a captioner, which does not read sentences; choose a translator.")
    return found


def read_any(name: str | os.PathLike[str] | None = None) -> Checkpoint | TranslatorCheckpoint:
    """Read the checkpoint of a captioner or of a translator; see `read`."""
    path = find(name)
    data = _read_config(path)
    decoding = from_mapping(DecodingOptions, data["decoding"], where=f"{path / CONFIG}: decoding", error=ModelError)
    facts: dict[str, Any] = {"path": path, "decoding": decoding, "scores": data["scores"], "training": data["training"]}
    where = f"{path / CONFIG}: model"
    if "languages" not in data["model"]:
        config = from_mapping(ModelConfig, data["model"], where=where, error=ModelError)
        vocabulary = _read_vocabulary(path / VOCABULARY)
        _check_size(path / VOCABULARY, len(vocabulary), config.decoder.vocabulary_size, "decoder")
        calibration = data["confidence"] and from_mapping(
            Calibration, data["confidence"], where=f"{path / CONFIG}: confidence", error=ModelError
        )
        ranges = {name: _range(f"{path / CONFIG}: ranges.{name}", found) for name, found in data["ranges"].items()}
        return Checkpoint(config=config, vocabulary=vocabulary, calibration=calibration or None, ranges=ranges, **facts)
    translator = from_mapping(TranslatorConfig, data["model"], where=where, error=ModelError)
    source, target = (_read_subwords(path / file) for file in (SOURCE, TARGET))
    _check_size(path / SOURCE, len(source), translator.encoder.vocabulary_size, "encoder")
    _check_size(path / TARGET, len(target), translator.decoder.vocabulary_size, "decoder")
    for language in translator.languages:
        try:
            target.language_token(language)
        except ModelError as problem:
            raise ModelError(f"{path / TARGET}: {problem}") from None
    return TranslatorCheckpoint(config=translator, source=source, target=target, **facts)


def files(path: Path) -> list[tuple[str, int, str]]:
    """Name, size in bytes and SHA-256 of every file in a checkpoint directory."""
    found = [(file.name, file.read_bytes()) for file in sorted(path.iterdir()) if file.is_file()]
    return [(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in found]


def digest(checkpoint: Checkpoint | TranslatorCheckpoint) -> str:
    """Hash everything that a model's output depends on: 64 bits, in hexadecimal.

    The hash does not depend on the directory, decoding defaults, calibration, scores, facts about training or model
    card.

    Raises:
        ModelError: a file cannot be read.
    """
    config = json.dumps(to_mapping(checkpoint.config), sort_keys=True)
    found = hashlib.blake2b(config.encode(), digest_size=8)
    if isinstance(checkpoint, Checkpoint) and checkpoint.ranges:
        found.update(json.dumps(checkpoint.ranges, sort_keys=True).encode())
    for name in (VOCABULARY, SOURCE, TARGET, WEIGHTS):
        path = checkpoint.path / name
        try:
            if path.exists():
                with path.open("rb") as file:
                    found.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as problem:
            raise ModelError(f"{path}: not readable ({problem.strerror}).") from None
    return found.hexdigest()


def weight_shapes(checkpoint: Facts) -> dict[str, tuple[int, ...]]:
    """Read the names and shapes of the weights from the file's header.

    Raises:
        ModelError: the weights are missing or not in the safetensors format.
    """
    from safetensors import SafetensorError, safe_open

    path = checkpoint.path / WEIGHTS
    try:
        with safe_open(path, framework="numpy") as weights:
            return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as problem:
        raise ModelError(f"{path}: not a readable safetensors file ({problem}); no other format is loaded.") from None


def _read_config(path: Path) -> dict[str, Any]:
    """Read `config.json`. Missing sections are empty objects."""
    where = path / CONFIG
    data = _read_json(where)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise ModelError(f"{where}: format {found!r} is unknown; this version reads {FORMAT!r}.")
    unknown = sorted(set(data) - {"format", *_SECTIONS})
    if unknown:
        raise ModelError(f"{where}: unknown key {unknown[0]!r}.")
    for key in _SECTIONS:
        if not isinstance(data.setdefault(key, {}), dict):
            raise ModelError(f"{where}: {key!r} is not an object.")
    for split, scores in data["scores"].items():
        if not isinstance(scores, dict) or not all(isinstance(value, int | float) for value in scores.values()):
            raise ModelError(f"{where}: scores.{split} is not an object of numbers.")
    return data


def _range(where: str, found: object) -> tuple[float, float]:
    if isinstance(found, list) and len(found) == 2 and all(type(one) in {int, float} for one in found):
        least, greatest = map(float, found)
        if -math.inf < least <= greatest < math.inf:
            return least, greatest
    raise ModelError(f"{where} is not a pair of finite numbers with the lower one first.")


def _check_size(path: Path, found: int, expected: int, part: str) -> None:
    if found != expected:
        raise ModelError(f"{path} has {found} tokens, but {part}.vocabulary_size in {CONFIG} is {expected}.")


def _read_subwords(path: Path) -> "Subwords":
    from captioner.text.subwords import Subwords

    try:
        return Subwords(path.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{path}: the file is missing.") from None
    except OSError as problem:
        raise ModelError(f"{path}: not readable ({problem.strerror}).") from None
    except ModelError as problem:
        raise ModelError(f"{path}: {problem}") from None


def _read_vocabulary(path: Path) -> Vocabulary:
    try:
        return Vocabulary.from_json(_read_json(path))
    except ModelError as problem:
        raise ModelError(f"{path}: {problem}" if str(path) not in str(problem) else str(problem)) from None


def _read_json(path: Path) -> Any:
    if not path.exists():
        raise ModelError(f"{path}: the file is missing.")
    try:
        return json.loads(read_text(path))
    except (UsageError, ValueError, RecursionError) as problem:
        raise ModelError(f"{path}: not readable as JSON ({problem}).") from None
