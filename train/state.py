"""The state of a run, to resume it exactly: one safetensors file, which is replaced atomically.

It holds no random state: every step is seeded with the run's seed and the step's number.
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
    """Write named tensors and facts (JSON types).

    Raises:
        OutputError: the file cannot be written; the previous one is left intact.
    """
    metadata = {"format": FORMAT, "facts": json.dumps(facts)}
    try:
        with replacing(path) as temporary:
            # Copies: safetensors rejects tensors that share memory (such as tied weights) or are not contiguous.
            copies = {
                name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
                for name, value in tensors.items()
            }
            save_file(copies, temporary, metadata)
    except (OSError, SafetensorError) as problem:
        raise OutputError(
            f"{path}: the training state cannot be written ({problem}); the previous one is left intact."
        ) from None


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a state written by `save_state`.

    Raises:
        UsageError: the file is missing or is not a training state.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UsageError(f"{path}: not a training state of this version of captioner.")
            # Copies, because the file will be replaced, which Windows refuses while it is mapped.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(metadata["facts"])
    except (OSError, SafetensorError) as problem:
        raise UsageError(f"{path}: not a readable training state ({problem}).") from None


def as_part(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put the name of a part before every name; the inverse of `captioner.models.interfaces.within`."""
    return {f"{part}.{name}": value for name, value in tensors.items()}
