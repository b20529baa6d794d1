"""Weights of pretrained encoders, from which training starts. Inference never uses this module."""

from pathlib import Path

import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from captioner import checkpoint
from captioner.checkpoint.weights import load_model
from captioner.config import ImageConfig, ImageEncoderConfig
from captioner.errors import UsageError
from captioner.models.encoders import build_image_encoder
from captioner.models.interfaces import Encoder
from train.photos.config import EncoderSettings

PREFIX = "network."
"""Prefix of an encoder's parameters, before the names that they have in the pretrained network."""


def pretrained_encoder(settings: EncoderSettings, image: ImageConfig | None = None) -> Encoder:
    """An encoder with the pretrained weights that the settings name.

    Args:
        settings: the encoder and the source of its weights.
        image: image settings; by default the usual ones.

    Raises:
        UsageError: the weights cannot be found or downloaded, or belong to another network.
        ModelError: the weights are those of a damaged checkpoint.
    """
    encoder = build_image_encoder(ImageEncoderConfig(backbone=settings.backbone), image or ImageConfig())
    weights = _download(settings.backbone) if settings.weights == "torchvision" else _read(settings.weights)
    expected = _by_own_name(encoder)
    wrong = [name for name, value in expected.items() if name not in weights or weights[name].shape != value.shape]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UsageError(
            f"{settings.weights}: not weights of {settings.backbone}: {wrong[0]} is missing or has another shape{more}."
        )
    # The classifier is not used.
    encoder.load_state_dict({name: weights[name.removeprefix(PREFIX)] for name in encoder.state_dict()})
    return encoder


def _by_own_name(encoder: Encoder) -> dict[str, Tensor]:
    return {name.removeprefix(PREFIX): value for name, value in encoder.state_dict().items()}


def _download(backbone: str) -> dict[str, Tensor]:
    if backbone not in torchvision.models.list_models():
        raise UsageError(
            f"encoder.weights: torchvision has no weights for {backbone};"
            " give a safetensors file with --set encoder.weights=FILE."
        )
    try:
        named = torchvision.models.get_model_weights(backbone).DEFAULT
        # torchvision offers only pickles: downloaded from its own server and verified against its hash.
        weights: dict[str, Tensor] = named.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as problem:  # no network, or the hash does not match
        raise UsageError(
            f"encoder.weights: torchvision's weights for {backbone} cannot be downloaded ({problem});"
            " give a safetensors file with --set encoder.weights=FILE."
        ) from None
    return weights


def _read(name: str) -> dict[str, Tensor]:
    path = Path(name)
    if path.is_dir() or name in checkpoint.embedded_models():
        return _by_own_name(load_model(checkpoint.read(name)).encoder)
    try:
        return load_file(path)
    except OSError as problem:
        raise UsageError(f"encoder.weights: {path} cannot be read ({problem}).") from None
    except SafetensorError as problem:
        raise UsageError(
            f"encoder.weights: {path} is not a safetensors file ({problem}); convert a state dict that you trust"
            " with safetensors.torch.save_file(torch.load(FILE, weights_only=True), NEW)."
        ) from None
