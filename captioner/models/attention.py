"""Attention of queries (B, K, Q) over vectors (B, N, D): K sentences attend to the same N vectors.

`prepare` computes everything that does not depend on the query, once per photo; `forward` runs at every step. The five
captions of a photo under teacher forcing, or the beams of a search, share the result of `prepare`, so the vectors are
never copied for each of them.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

from captioner.config import DecoderConfig
from captioner.models.interfaces import Vectors


class Memory(NamedTuple):
    """Projected vectors.

    Attributes:
        keys: (B, N, A), compared with the queries.
        values: (B, N, A), averaged by the attention weights.
        padding: (B, N), True at positions to mask out; None if there are none.
    """

    keys: Tensor
    values: Tensor
    padding: Tensor | None

    def select(self, rows: Tensor) -> "Memory":
        """Select photos by index, `rows` (B',), in that order."""
        return Memory(self.keys[rows], self.values[rows], None if self.padding is None else self.padding[rows])


class Attention(nn.Module):
    """Base class: projects the vectors once.

    `forward` returns the context (B, K, A) and the attention weights (B, K, N), which sum to 1 over N.
    """

    def __init__(self, vector_size: int, query_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(vector_size, query_size)
        self.value = nn.Linear(vector_size, query_size)

    def prepare(self, vectors: Vectors) -> Memory:
        """Project the vectors (B, N, D) to keys and values (B, N, A)."""
        return Memory(self.key(vectors.values), self.value(vectors.values), vectors.padding)


class MeanAttention(Attention):
    """No attention: the context of every query is the mean of the vectors."""

    def prepare(self, vectors: Vectors) -> Memory:
        """Project the vectors (B, N, D) to values (B, N, A); no keys are needed."""
        values = self.value(vectors.values)
        return Memory(values, values, vectors.padding)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return the mean of the values and uniform weights."""
        scores = query.new_zeros(query.shape[0], query.shape[1], memory.values.shape[1])
        weights = _softmax(scores, memory.padding)
        return weights @ memory.values, weights


class AdditiveAttention(Attention):
    """Score v·tanh(W k + U q) (Bahdanau et al. 2015, equation in A.1.2; "soft attention" of Xu et al. 2015)."""

    def __init__(self, vector_size: int, query_size: int) -> None:
        super().__init__(vector_size, query_size)
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.score = nn.Linear(query_size, 1, bias=False)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Attend. Temporarily allocates B·K·N·A elements."""
        hidden = torch.tanh(self.query(query)[:, :, None] + memory.keys[:, None])  # (B, K, N, A)
        weights = _softmax(self.score(hidden)[..., 0], memory.padding)
        return weights.to(memory.values.dtype) @ memory.values, weights


class DotAttention(Attention):
    """Scaled dot-product attention with one or several heads (Vaswani et al. 2017, equation 1 and section 3.2.2)."""

    def __init__(self, vector_size: int, query_size: int, heads: int) -> None:
        super().__init__(vector_size, query_size)
        self.query = nn.Linear(query_size, query_size)
        self.heads = heads

    def prepare(self, vectors: Vectors) -> Memory:
        """Project the vectors (B, N, D) to keys and values (B, N, A)."""
        # In this memory layout, the products of each step need no copies of the heads' slices.
        keys, values, padding = super().prepare(vectors)
        return Memory(_by_column(keys), _by_column(values), padding)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Attend. The returned weights are averaged over the heads."""
        queries, keys, values = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(query), memory.keys, memory.values)
        )  # (B, heads, K or N, A / heads)
        scores = queries @ keys.transpose(2, 3) * keys.shape[-1] ** -0.5  # (B, heads, K, N)
        padding = None if memory.padding is None else memory.padding[:, None]
        weights = _softmax(scores, padding)
        read = weights.to(values.dtype) @ values  # (B, heads, K, A / heads)
        return read.transpose(1, 2).flatten(2), weights.mean(1)


def build_attention(config: DecoderConfig, vector_size: int) -> Attention:
    """Build the attention of a decoder configuration, over vectors (B, N, `vector_size`)."""
    match config.attention:
        case "none":
            return MeanAttention(vector_size, config.hidden_size)
        case "additive":
            return AdditiveAttention(vector_size, config.hidden_size)
        case "dot":
            return DotAttention(vector_size, config.hidden_size, heads=1)
        case "multi-head":
            return DotAttention(vector_size, config.hidden_size, heads=config.heads)


def _by_column(part: Tensor) -> Tensor:
    """Lay out a tensor (B, N, A) so that N, not A, is contiguous in memory."""
    return part.transpose(1, 2).contiguous().transpose(1, 2)


def _softmax(scores: Tensor, padding: Tensor | None) -> Tensor:
    """Softmax over N in float32. Padding (B, N) gets weight 0 and is broadcast over the dimensions in between."""
    if padding is not None:
        scores = scores.masked_fill(padding[:, None], float("-inf"))
    return F.softmax(scores, dim=-1, dtype=torch.float32)
