"""Captions of a model during training, by the same search as in inference."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from captioner.checkpoint import Checkpoint
from captioner.config import TextConfig
from captioner.decoding import Hypothesis
from captioner.inference import generate, word_constraints
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.predict import Caption, Captioner, PreparedPhoto
from captioner.text import Tokenizer, Vocabulary
from train.photos.config import TrainConfig
from train.photos.data import PhotoSet

AT_ONCE = 50  # photos per batch


def write_captions(
    photos: PhotoSet,
    search: Callable[[Tensor], list[list[Hypothesis]]],
    vocabulary: Vocabulary,
    text: TextConfig,
) -> Iterator[list[str]]:
    """Yield the sentences that a search finds for each photo, best first.

    Args:
        photos: photos to caption.
        search: images (B, 3, S, S), uint8 → sentences for each of the B images, best first.
        vocabulary: vocabulary of the sentences.
        text: how tokens become text.
    """
    tokenizer = Tokenizer(text.tokens, text.direction)
    for start in tqdm(range(0, len(photos), AT_ONCE), "captions", leave=False, unit="batch"):
        pixels = torch.from_numpy(np.array(photos.pixels[start : start + AT_ONCE])).permute(0, 3, 1, 2)
        for sentences in search(pixels):
            yield [tokenizer.detokenize(vocabulary.decode(one.tokens)) for one in sentences]


def caption_photos(
    model: EncoderDecoder,
    photos: PhotoSet,
    config: TrainConfig,
    vocabulary: Vocabulary,
    arithmetic: AbstractContextManager[object],
) -> dict[str, str]:
    """The model's captions by photo id, from a free-running beam search."""
    model.eval()
    device = next(model.parameters()).device
    constraints = word_constraints(config.decoding, vocabulary)

    def search(pixels: Tensor) -> list[list[Hypothesis]]:
        return generate(model.decoder, model.encoder(pixels.to(device)), config.decoding, constraints=constraints)

    with torch.inference_mode(), arithmetic:
        captions = list(write_captions(photos, search, vocabulary, config.text))
    return {photo.id: best for photo, (best, *_) in zip(photos.photos, captions, strict=True)}


def sample_captions(
    model: EncoderDecoder, photos: PhotoSet, config: TrainConfig, vocabulary: Vocabulary, *, count: int = 4
) -> tuple[list[NDArray[np.uint8]], list[Caption]]:
    """The first photos, (S, S, 3) each, and the model's captions of them with attention."""
    model.eval()
    facts = Checkpoint(
        path=Path(), config=config.model(len(vocabulary)), vocabulary=vocabulary, decoding=config.decoding
    )
    captioner = Captioner(model, facts, device=next(model.parameters()).device)
    pixels = [np.array(photo) for photo in photos.pixels[:count]]
    prepared = [PreparedPhoto(pixels=photo, width=len(photo), height=len(photo)) for photo in pixels]
    return pixels, captioner.caption_batch(prepared, attention=True)
