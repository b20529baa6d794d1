"""The weights of a pretrained encoder, which a run begins with. Inference never comes here."""

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
"""What an encoder's parameters are called before the name that they have where they were pretrained."""


def pretrained_encoder(settings: EncoderSettings, image: ImageConfig | None = None) -> Encoder:
    """An encoder of such images, or of the usual ones, with the weights that the settings name.

    Raises:
        UsageError: they cannot be had, or belong to another network.
        ModelError: they are a checkpoint's, and it is damaged.
    """
    encoder = build_image_encoder(ImageEncoderConfig(backbone=settings.backbone), image or ImageConfig())
    weights = _download(settings.backbone) if settings.weights == "torchvision" else _read(settings.weights)
    expected = _by_own_name(encoder)
    wrong = [name for name, value in expected.items() if name not in weights or weights[name].shape != value.shape]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UsageError(f"{settings.weights}: no fitting {wrong[0]}{more}: not weights of {settings.backbone}.")
    # The classifier is left behind.
    encoder.load_state_dict({name: weights[name.removeprefix(PREFIX)] for name in encoder.state_dict()})
    return encoder


def _by_own_name(encoder: Encoder) -> dict[str, Tensor]:
    return {name.removeprefix(PREFIX): value for name, value in encoder.state_dict().items()}


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
        return _by_own_name(load_model(checkpoint.read(name)).encoder)
    try:
        return load_file(path)
    except OSError as problem:
        raise UsageError(f"encoder.weights: {path} cannot be read ({problem}).") from None
    except SafetensorError as problem:
        raise UsageError(
            f"encoder.weights: {path} is no safetensors file ({problem}); a state dict that you trust becomes one"
            " by safetensors.torch.save_file(torch.load(FILE, weights_only=True), NEW)."
        ) from None
