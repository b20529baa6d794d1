"""Read and write checkpoints: directories that contain everything about a model.

Pickle is never used, nothing is downloaded, and no file outside the directory is read. The names exported here do not
import torch; the module `weights`, which builds the model, does.
"""

from captioner.checkpoint.reading import (
    CARD,
    CONFIG,
    DEFAULT_MODEL,
    DEFAULT_TRANSLATOR,
    EMBEDDING,
    OUTPUT,
    OUTPUT_BIAS,
    PRETRAINED,
    VOCABULARY,
    WEIGHTS,
    Checkpoint,
    TranslatorCheckpoint,
    digest,
    embedded_models,
    files,
    find,
    read,
    read_any,
    read_translator,
    translates,
    weight_shapes,
)
from captioner.checkpoint.writing import save, update

__all__ = [
    "CARD",
    "CONFIG",
    "DEFAULT_MODEL",
    "DEFAULT_TRANSLATOR",
    "EMBEDDING",
    "OUTPUT",
    "OUTPUT_BIAS",
    "PRETRAINED",
    "VOCABULARY",
    "WEIGHTS",
    "Checkpoint",
    "TranslatorCheckpoint",
    "digest",
    "embedded_models",
    "files",
    "find",
    "read",
    "read_any",
    "read_translator",
    "save",
    "translates",
    "update",
    "weight_shapes",
]
