"""Batches: captions or translations as padded ids, with the images or sentences they describe."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.text import BOS, EOS, Vocabulary


@dataclass(frozen=True)
class Batch:
    """The input of a training step.

    Attributes:
        inputs: images (B, 3, S, S), grids (B, N, D) or the tokens of sentences (B, N).
        tokens: (B, K, T), the captions.
        photos: B indices into the corpus; empty for captions without photos.
        taught: if `inputs` are grids, the grids of the same views by each teacher's encoder.
    """

    inputs: Tensor
    tokens: Tensor
    photos: list[int]
    taught: tuple[Tensor, ...] = ()


def on_device(batch: Batch, device: torch.device) -> Batch:
    """A copy of a batch with its tensors on the given device."""
    taught = tuple(grids.to(device) for grids in batch.taught)
    return Batch(batch.inputs.to(device), batch.tokens.to(device), batch.photos, taught)


def encode(tokens: Sequence[str], vocabulary: Vocabulary, max_length: int) -> list[int]:
    """A caption as ids, `<bos> … <eos>`, truncated to `max_length` tokens."""
    return [BOS, *vocabulary.encode(tokens[:max_length]), EOS]


def batches(lengths: Sequence[int], batch_size: int, seed: str) -> list[list[int]]:
    """All photos once, in random order, grouped by similar caption length.

    Args:
        lengths: length of each photo's longest caption; photos of length 0 are left out.
        batch_size: photos per batch; the last batch may be smaller.
        seed: the same seed gives the same batches.
    """
    chance = random.Random(seed)
    order = [number for number, length in enumerate(lengths) if length]
    chance.shuffle(order)
    pool = 16 * batch_size  # sorting within a pool only makes batches differ between epochs
    groups = [
        group[start : start + batch_size]
        for first in range(0, len(order), pool)
        for group in [sorted(order[first : first + pool], key=lambda number: lengths[number])]
        for start in range(0, len(group), batch_size)
    ]
    chance.shuffle(groups)
    return groups
