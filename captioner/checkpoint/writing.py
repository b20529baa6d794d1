"""Write a checkpoint directory."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.checkpoint.reading import CARD, CONFIG, FORMAT, OUTPUT, SOURCE, TARGET, VOCABULARY, WEIGHTS
from captioner.config import to_mapping
from captioner.decoding.options import DecodingOptions
from captioner.files import json_text, output_errors, replacing
from captioner.text import Vocabulary

if TYPE_CHECKING:
    from captioner.models.encoder_decoder import EncoderDecoder
    from captioner.text.subwords import Subwords


def save(
    path: Path,
    model: "EncoderDecoder",
    *,
    vocabulary: "Vocabulary | tuple[Subwords, Subwords]",
    decoding: DecodingOptions,
    scores: Mapping[str, Mapping[str, float]],
    training: Mapping[str, Any],
    card: str,
) -> None:
    """Write a checkpoint directory. Existing files are replaced one by one, each atomically.

    Args:
        path: the directory.
        model: the model to save.
        vocabulary: a captioner's tokens, or a translator's source and target subwords.
        decoding: default decoding options.
        scores: see `Facts`.
        training: see `Facts`.
        card: the model card.

    Raises:
        OutputError: the directory cannot be written.
    """
    import torch
    from safetensors.torch import save as to_bytes

    weights = {
        name: value.detach().to("cpu", torch.float16 if value.is_floating_point() else value.dtype).contiguous().clone()
        for name, value in model.state_dict().items()
    }
    if model.config.decoder.tie_weights:
        del weights[OUTPUT]  # tied to the embedding; `load_model` restores it
    text = (
        {VOCABULARY: json_text(vocabulary.to_json()).encode()}
        if isinstance(vocabulary, Vocabulary)
        else dict(zip((SOURCE, TARGET), (subwords.model for subwords in vocabulary), strict=True))
    )
    config = {
        "format": FORMAT,
        "model": to_mapping(model.config),
        "decoding": to_mapping(decoding),
        "scores": scores,
        "training": training,
    }
    with output_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        for name, content in {
            WEIGHTS: to_bytes(weights),
            **text,
            CONFIG: json_text(config).encode(),
            CARD: card.encode(),
        }.items():
            with replacing(path / name) as temporary:
                temporary.write_bytes(content)


def update(path: Path, section: str, value: Any) -> None:
    """Replace one section of a checkpoint's `config.json`, atomically.

    Raises:
        OSError: the file cannot be read or written.
    """
    config = json.loads((path / CONFIG).read_text(encoding="utf-8")) | {section: value}
    with replacing(path / CONFIG) as temporary:
        temporary.write_bytes(json_text(config).encode())
