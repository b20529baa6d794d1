"""A checkpoint's weights as a model: safetensors and nothing else, checked against the configuration."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from captioner.checkpoint import EMBEDDING, OUTPUT, WEIGHTS, Checkpoint, TranslatorCheckpoint
from captioner.errors import ModelError
from captioner.models.encoder_decoder import EncoderDecoder


def load_model(checkpoint: Checkpoint | TranslatorCheckpoint) -> EncoderDecoder:
    """Build the model of a checkpoint, with its weights in float32, ready for inference.

    Raises:
        ModelError: the weights are missing, damaged, not safetensors, or do not fit the configuration.
    """
    path = checkpoint.path / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{path}: the weights are missing.")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as problem:
        raise ModelError(f"{path}: not a readable safetensors file ({problem}); nothing else is ever loaded.") from None
    with torch.device("meta"):  # no memory, no random numbers: every value comes from the file
        model = EncoderDecoder(checkpoint.config)
    if checkpoint.config.decoder.tie_weights and EMBEDDING in weights:
        weights[OUTPUT] = weights[EMBEDDING]
    _check_fit(path, model.state_dict(), weights)
    state = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    model.load_state_dict(state, assign=True)
    model.to(memory_format=torch.channels_last)  # the file's tensors took the place of those built so
    if checkpoint.config.decoder.tie_weights:  # assigning makes two tensors of one
        model.get_submodule(OUTPUT.rpartition(".")[0]).register_parameter("weight", model.get_parameter(EMBEDDING))
    return model.requires_grad_(False).eval()


def _check_fit(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    for names, what in ((missing, "is missing"), (extra, "belongs to no part of this model")):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise ModelError(f"{path}: {names[0]} {what}{more}.")
    for name, value in expected.items():
        if found[name].shape != value.shape:
            shapes = f"{tuple(found[name].shape)}, the configuration says {tuple(value.shape)}"
            raise ModelError(f"{path}: {name} has shape {shapes}.")
        if found[name].is_floating_point() != value.is_floating_point():
            raise ModelError(f"{path}: {name} has type {found[name].dtype}, expected {value.dtype}.")
        if value.is_floating_point() and not found[name].isfinite().all():
            raise ModelError(f"{path}: {name} holds values that are no numbers.")
