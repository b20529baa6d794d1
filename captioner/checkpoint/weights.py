"""Load a checkpoint's weights (safetensors only), and check them against its configuration."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from captioner.checkpoint import EMBEDDING, OUTPUT, WEIGHTS, Checkpoint, TranslatorCheckpoint
from captioner.errors import ModelError
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.interfaces import Encoder, within
from captioner.models.quantized import QuantizedImageEncoder


def load_model(checkpoint: Checkpoint | TranslatorCheckpoint, *, quantized: bool = False) -> EncoderDecoder:
    """Build the model of a checkpoint, with its weights in float32, for inference.

    Args:
        checkpoint: the checkpoint.
        quantized: whether to build the encoder in int8; the checkpoint must have input ranges.

    Raises:
        ModelError: the weights are missing, damaged, not in the safetensors format, or do not match the configuration.
    """
    path = checkpoint.path / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{path}: the weights are missing.")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as problem:
        raise ModelError(f"{path}: not a readable safetensors file ({problem}); no other format is loaded.") from None
    state = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    encoder = _quantized_encoder(checkpoint, state) if quantized and isinstance(checkpoint, Checkpoint) else None
    with torch.device("meta"), _Uninitialized():  # allocates and initializes nothing: all values come from the file
        model = EncoderDecoder(checkpoint.config, encoder)
    if checkpoint.config.decoder.tie_weights and EMBEDDING in state:
        state[OUTPUT] = state[EMBEDDING]
    _check_fit(path, model.state_dict(), state)
    model.load_state_dict(state, assign=True)
    model.to(memory_format=torch.channels_last)  # the file's tensors replaced those that had this format
    if checkpoint.config.decoder.tie_weights:  # assigning untied them
        model.get_submodule(OUTPUT.rpartition(".")[0]).register_parameter("weight", model.get_parameter(EMBEDDING))
    return model.requires_grad_(False).eval()


class _Uninitialized(TorchFunctionMode):
    """Skip the initialization of weights.

    On the device "meta", initialization has no effect, but it imports PyTorch's compiler, which takes a second.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        initializes = getattr(func, "__module__", None) == "torch.nn.init"
        return kwargs["tensor"] if initializes else func(*args, **kwargs)


def _quantized_encoder(checkpoint: Checkpoint, state: dict[str, Tensor]) -> Encoder:
    """Build the encoder in int8, and remove the weights that it used from `state`."""
    prefix = "encoder."
    names = [name for name in state if name.startswith(prefix)]
    weights = {name.removeprefix(prefix): state.pop(name) for name in names}
    try:
        encoder = QuantizedImageEncoder(checkpoint.config.image, weights, within("encoder", checkpoint.ranges))
    except (KeyError, RuntimeError) as problem:
        detail = f"{problem} is missing" if isinstance(problem, KeyError) else str(problem).partition("\n")[0]
        raise ModelError(f"{checkpoint.path}: the encoder cannot be built in int8: {detail}.") from None
    state |= {f"{prefix}{name}": one for name, one in weights.items() if not name.endswith("num_batches_tracked")}
    return encoder


def _check_fit(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    for names, what in ((missing, "is missing"), (extra, "does not belong to this model")):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise ModelError(f"{path}: {names[0]} {what}{more}.")
    for name, value in expected.items():
        if found[name].shape != value.shape:
            shapes = f"{tuple(found[name].shape)}, expected {tuple(value.shape)}"
            raise ModelError(f"{path}: {name} has shape {shapes}.")
        if found[name].is_floating_point() != value.is_floating_point():
            raise ModelError(f"{path}: {name} has type {found[name].dtype}, expected {value.dtype}.")
        if value.is_floating_point() and not found[name].isfinite().all():
            raise ModelError(f"{path}: {name} has NaN or infinite values; the checkpoint is probably corrupt.")
