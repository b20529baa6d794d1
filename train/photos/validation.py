"""Captions of a model in training, by the search that its users will run."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from captioner.checkpoint import Checkpoint
from captioner.inference import generate, word_constraints
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.predict import Caption, Captioner, PreparedPhoto
from captioner.text import Tokenizer, Vocabulary
from train.config import TrainConfig
from train.photos.data import PhotoSet


def caption_photos(
    model: nn.Module,
    photos: PhotoSet,
    config: TrainConfig,
    vocabulary: Vocabulary,
    arithmetic: AbstractContextManager[object],
) -> dict[str, str]:
    """The model's captions of photos by id, from a free-running beam search."""
    assert isinstance(model, EncoderDecoder)
    tokenizer = Tokenizer(config.text.tokens, config.text.direction)
    model.eval()
    device = next(model.parameters()).device
    predictions = {}
    starts = range(0, len(photos), 50)
    constraints = word_constraints(config.decoding, vocabulary)
    with torch.inference_mode(), arithmetic:
        for start in tqdm(starts, "validation", leave=False, unit="batch"):
            pixels = torch.from_numpy(np.array(photos.pixels[start : start + 50])).permute(0, 3, 1, 2)
            vectors = model.encoder(pixels.to(device))
            for row, hypotheses in enumerate(
                generate(model.decoder, vectors, config.decoding, constraints=constraints)
            ):
                words = vocabulary.decode(hypotheses[0].tokens)
                predictions[photos.photos[start + row].id] = tokenizer.detokenize(words)
    return predictions


def sample_captions(
    model: nn.Module, photos: PhotoSet, config: TrainConfig, vocabulary: Vocabulary, *, count: int = 4
) -> tuple[list[NDArray[np.uint8]], list[Caption]]:
    """The first photos, (S, S, 3) each, and the model's captions of them with where it looked."""
    assert isinstance(model, EncoderDecoder)
    model.eval()
    facts = Checkpoint(
        path=Path(), config=config.model(len(vocabulary)), vocabulary=vocabulary, decoding=config.decoding
    )
    captioner = Captioner(model, facts, device=next(model.parameters()).device)
    pixels = [np.array(photo) for photo in photos.pixels[:count]]
    prepared = [PreparedPhoto(pixels=photo, width=len(photo), height=len(photo)) for photo in pixels]
    return pixels, captioner.caption_batch(prepared, attention=True)
