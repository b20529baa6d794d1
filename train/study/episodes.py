"""Memory tasks after Graves et al. 2014: sequences of vectors of six random bits, and the expected answers."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor

BITS, REPEATS = 6, 3
INPUTS, OUTPUTS = BITS + 2, BITS + 1


class Episode(NamedTuple):
    """Inputs (B, T, 8): six bits, a mark and a number; and the answer expected in the last steps, (B, A, 7)."""

    inputs: Tensor
    answer: Tensor


def _bits(count: int, length: int, chance: torch.Generator) -> Tensor:
    return torch.randint(2, (count, length, BITS), generator=chance).float()


def _episode(vectors: Tensor, answer: Tensor, *, mark: float = 1.0, numbers: Tensor | None = None) -> Episode:
    """Vectors (B, N, 6) with a number each, a marked step, and zeros during the answer (B, A, up to 7)."""
    count, length, _ = vectors.shape
    inputs = vectors.new_zeros(count, length + 1 + answer.shape[1], INPUTS)
    inputs[:, :length, :BITS] = vectors
    inputs[:, length, BITS] = mark
    if numbers is not None:
        inputs[:, :length, BITS + 1] = numbers
    return Episode(inputs, F.pad(answer, (0, OUTPUTS - answer.shape[2])))


def copy(count: int, length: int, chance: torch.Generator) -> Episode:
    """The answer is the input."""
    vectors = _bits(count, length, chance)
    return _episode(vectors, vectors)


def repeat(count: int, length: int, chance: torch.Generator) -> Episode:
    """The answer is the input, repeated; the end sign is the seventh bit."""
    times = int(torch.randint(1, REPEATS + 1, (), generator=chance))
    vectors = _bits(count, length, chance)
    answer = F.pad(vectors.repeat(1, times, 1), (0, 1, 0, 1))
    answer[:, -1, BITS] = 1
    return _episode(vectors, answer, mark=times / REPEATS)


def recall(count: int, length: int, chance: torch.Generator) -> Episode:
    """The answer to each repeated vector is the one that followed it. There is one vector more than `length`: the last
    one only follows another.
    """
    codes = torch.rand(count, 2**BITS, generator=chance).argsort(1)[:, : length + 1]
    vectors = (codes[..., None] >> torch.arange(BITS) & 1).float()
    order = torch.rand(count, length, generator=chance).argsort(1)[..., None].expand(-1, -1, BITS)
    episode = _episode(vectors, vectors.gather(1, order + 1))
    episode.inputs[:, length + 2 :, :BITS] = vectors.gather(1, order)
    return episode


def sort(count: int, length: int, chance: torch.Generator) -> Episode:
    """The answer is the input, by decreasing priority."""
    vectors = _bits(count, length, chance)
    priorities = torch.rand(count, length, generator=chance) * 2 - 1
    order = priorities.argsort(1, descending=True)
    return _episode(vectors, vectors.gather(1, order[..., None].expand(-1, -1, BITS)), numbers=priorities)
