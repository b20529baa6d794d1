"""What a run needs to go on as if it had never been stopped: one safetensors file, replaced at once or not at all.

Randomness needs no place in it: every step seeds itself from the run's seed and its own number.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from captioner.errors import OutputError, UsageError
from captioner.files import replacing

FORMAT = "captioner-training/1"


def save_state(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors by name and plain facts (JSON's types).

    Raises:
        OutputError: the file cannot be written; the one that stood there is untouched.
    """
    metadata = {"format": FORMAT, "facts": json.dumps(facts)}
    try:
        with replacing(path) as temporary:
            # Copies, because safetensors refuses tensors that share memory, as tied weights do, and any but the plain
            # order.
            copies = {
                name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
                for name, value in tensors.items()
            }
            save_file(copies, temporary, metadata)
    except (OSError, SafetensorError) as problem:
        raise OutputError(f"{path}: the state cannot be written ({problem}); the last one is untouched.") from None


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_state` wrote.

    Raises:
        UsageError: the file is missing or is not a training state.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UsageError(f"{path}: not a training state of this version.")
            # Copies, because the file is soon replaced, and Windows does not replace what is mapped.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(metadata["facts"])
    except (OSError, SafetensorError) as problem:
        raise UsageError(f"{path}: no readable training state ({problem}).") from None


def with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put `prefix` before every name."""
    return {prefix + name: value for name, value in tensors.items()}


def without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, which is taken off."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
