"""What a step reads: captions or translations as ids, padded to one tensor, and what they are about."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.text import BOS, EOS, PAD, Vocabulary


@dataclass(frozen=True)
class Batch:
    """What a step reads.

    Attributes:
        inputs: images (B, 3, S, S), grids (B, N, D) or the tokens of sentences (B, N).
        tokens: (B, K, T), the captions.
        photos: B numbers in the corpus; empty where captions have no photo.
        taught: where `inputs` are grids, those of each teacher's encoder of the same views.
    """

    inputs: Tensor
    tokens: Tensor
    photos: list[int]
    taught: tuple[Tensor, ...] = ()


def on_device(batch: Batch, device: torch.device) -> Batch:
    """A batch whose tensors live where the model does."""

    def move(tensor: Tensor) -> Tensor:
        return tensor.to(device)

    return Batch(move(batch.inputs), move(batch.tokens), batch.photos, tuple(map(move, batch.taught)))


def encode(tokens: Sequence[str], vocabulary: Vocabulary, max_length: int) -> list[int]:
    """A caption as ids, `<bos> … <eos>`, cut off after `max_length` tokens."""
    return [BOS, *vocabulary.encode(tokens[:max_length]), EOS]


def pad(captions: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """Captions of B photos as one tensor (B, K, T), filled up with `<pad>`; K and T are the largest."""
    sentences = max(len(photo) for photo in captions)
    length = max(len(ids) for photo in captions for ids in photo)
    tokens = torch.full((len(captions), sentences, length), PAD)
    for row, photo in enumerate(captions):
        for place, ids in enumerate(photo):
            tokens[row, place, : len(ids)] = torch.tensor(ids)
    return tokens


def batches(lengths: Sequence[int], batch_size: int, seed: str) -> list[list[int]]:
    """All photos once, in random order, photos with captions of about one length together.

    Args:
        lengths: of the longest caption of each photo; a photo of length 0 is left out.
        batch_size: photos in a batch; the last one may be smaller.
        seed: the same seed gives the same batches.
    """
    chance = random.Random(seed)
    order = [number for number, length in enumerate(lengths) if length]
    chance.shuffle(order)
    pool = 16 * batch_size  # sorted within so many only, so that batches differ from pass to pass
    groups = [
        group[start : start + batch_size]
        for first in range(0, len(order), pool)
        for group in [sorted(order[first : first + pool], key=lambda number: lengths[number])]
        for start in range(0, len(group), batch_size)
    ]
    chance.shuffle(groups)
    return groups
