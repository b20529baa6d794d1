"""Load the weights of the checkpoint that a run starts from."""

from typing import Any

import torch

from captioner.checkpoint import EMBEDDING, OUTPUT, OUTPUT_BIAS, Checkpoint, TranslatorCheckpoint
from captioner.checkpoint.weights import load_model
from captioner.config import to_mapping
from captioner.errors import UsageError
from captioner.models.encoder_decoder import EncoderDecoder
from train.config import first_difference

FREE = frozenset({"vocabulary_size", "dropout", "vector_dropout"})
"""Settings of a model that may change when its training continues."""


@torch.no_grad()
def load_start(model: EncoderDecoder, start: Checkpoint | TranslatorCheckpoint) -> None:
    """Load a checkpoint's weights into a model. Words that the checkpoint does not know start as the average word, with
    the lowest probability.

    Args:
        model: model to fill; its vocabulary begins with the checkpoint's.
        start: checkpoint to load.

    Raises:
        UsageError: the checkpoint's model has another architecture.
        ModelError: its weights are missing or damaged.
    """
    then, now = (_learned(to_mapping(config)) for config in (start.config, model.config))
    if then != now:
        raise UsageError(f"start: {start.path} is a different model ({first_difference(then, now)}); use its settings.")
    weights = load_model(start).state_dict()
    known = start.config.decoder.vocabulary_size
    for name, value in model.state_dict().items():
        found = weights.get(name)
        by_word = name in {EMBEDDING, OUTPUT, OUTPUT_BIAS}
        if found is None or found.shape[by_word:] != value.shape[by_word:]:
            raise UsageError(
                f"start: {start.path} is a different model ({name} differs); use its [decoder] and [encoder] settings."
            )
        if not by_word:
            value.copy_(found)
            continue
        value[:known] = found
        if name != EMBEDDING:
            value[known:] = found.min() if name == OUTPUT_BIAS else found.mean(0)


def _learned(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the settings in `FREE`."""
    return {
        section: {name: value for name, value in settings.items() if name not in FREE}
        if isinstance(settings, dict)
        else settings
        for section, settings in config.items()
    }
