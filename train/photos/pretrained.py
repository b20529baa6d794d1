"""Weights that a run begins with: a pretrained encoder's, or a whole checkpoint's. Inference never comes here."""

from pathlib import Path
from typing import Any

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from captioner import checkpoint
from captioner.checkpoint import EMBEDDING, OUTPUT, OUTPUT_BIAS, Checkpoint, TranslatorCheckpoint
from captioner.checkpoint.weights import load_model
from captioner.config import ImageConfig, ImageEncoderConfig, to_mapping
from captioner.errors import UsageError
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.encoders import ImageEncoder
from train.config import EncoderSettings, first_difference

FREE = frozenset({"vocabulary_size", "dropout", "vector_dropout"})


def pretrained_encoder(settings: EncoderSettings) -> ImageEncoder:
    """An encoder with the weights that the settings name.

    Raises:
        UsageError: they cannot be had, or belong to another network.
        ModelError: they are a checkpoint's, and it is damaged.
    """
    encoder = ImageEncoder(ImageEncoderConfig(backbone=settings.backbone), ImageConfig())
    weights = _download(settings.backbone) if settings.weights == "torchvision" else _read(settings.weights)
    expected = encoder.network.state_dict()
    wrong = [name for name, value in expected.items() if name not in weights or weights[name].shape != value.shape]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UsageError(f"{settings.weights}: no fitting {wrong[0]}{more}: not weights of {settings.backbone}.")
    encoder.network.load_state_dict({name: weights[name] for name in expected})  # the classifier is left behind
    return encoder


@torch.no_grad()
def load_start(model: EncoderDecoder, start: Checkpoint | TranslatorCheckpoint) -> None:
    """Fill a model with a checkpoint's weights. Words that the checkpoint does not know begin as improbable average ones.

    Args:
        model: its vocabulary begins with the checkpoint's.
        start: the checkpoint.

    Raises:
        UsageError: the checkpoint's model has another shape.
        ModelError: its weights are missing or damaged.
    """
    then, now = (_learned(to_mapping(config)) for config in (start.config, model.config))
    if then != now:
        raise UsageError(f"start: {start.path} is another model ({first_difference(then, now)}); take its settings.")
    weights = load_model(start).state_dict()
    known = start.config.decoder.vocabulary_size
    for name, value in model.state_dict().items():
        found = weights.get(name)
        by_word = name in {EMBEDDING, OUTPUT, OUTPUT_BIAS}
        if found is None or found.shape[by_word:] != value.shape[by_word:]:
            raise UsageError(
                f"start: {start.path} is another model ({name} differs); take its [decoder] and [encoder]."
            )
        if not by_word:
            value.copy_(found)
            continue
        value[:known] = found
        if name != EMBEDDING:
            value[known:] = found.min() if name == OUTPUT_BIAS else found.mean(0)


def _learned(config: dict[str, Any]) -> dict[str, Any]:
    """A model's configuration without what may change when it learns on: its words, and dropout."""
    return {
        section: {name: value for name, value in settings.items() if name not in FREE}
        if isinstance(settings, dict)
        else settings
        for section, settings in config.items()
    }


def _download(backbone: str) -> dict[str, Tensor]:
    if backbone not in torchvision.models.list_models():
        raise UsageError(
            f"encoder.weights: torchvision has no weights for {backbone};"
            " name a safetensors file with --set encoder.weights=FILE."
        )
    try:
        named = torchvision.models.get_model_weights(backbone).DEFAULT
        # A pickle, the only kind there is: from torchvision's own address, with the hash that it announces.
        weights: dict[str, Tensor] = named.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as problem:  # no network, or another file than was announced
        raise UsageError(
            f"encoder.weights: torchvision's weights for {backbone} cannot be downloaded ({problem});"
            " name a safetensors file with --set encoder.weights=FILE."
        ) from None
    return weights


def _read(name: str) -> dict[str, Tensor]:
    path = Path(name)
    if path.is_dir() or name in checkpoint.embedded_models():
        encoder = load_model(checkpoint.read(name)).encoder
        assert isinstance(encoder, ImageEncoder)
        return encoder.network.state_dict()
    try:
        return load_file(path)
    except OSError as problem:
        raise UsageError(f"encoder.weights: {path} cannot be read ({problem}).") from None
    except SafetensorError as problem:
        raise UsageError(
            f"encoder.weights: {path} is no safetensors file ({problem}); a state dict that you trust becomes one"
            " by safetensors.torch.save_file(torch.load(FILE, weights_only=True), NEW)."
        ) from None
