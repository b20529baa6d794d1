"""A transformer (Vaswani et al. 2017) in place of the translator's recurrent networks, for comparison.

It uses the same sentences, subwords, training loop and search. It is not shipped, so it has no checkpoint format.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.encoders import PADDING
from captioner.models.interfaces import Forced, Ranges, Vectors
from train.loop import Training
from train.sentences.config import TranslationConfig
from train.sentences.task import Translating

HEADS = 4


@dataclass(frozen=True)
class Prefix:
    """The transformer's state between two steps: everything read so far.

    Attributes:
        vectors: vectors of B sentences.
        tokens: (B, K, T), the tokens written so far.
    """

    vectors: Vectors
    tokens: Tensor

    def select(self, rows: Tensor, beams: Tensor) -> "Prefix":
        """Select sentences; see `DecoderState.select`."""
        values, padding = self.vectors
        kept = Vectors(values[rows], None if padding is None else padding[rows])
        return Prefix(kept, self.tokens[rows[:, None], beams])


class TransformerEncoder(nn.Module):
    """Self-attention over the tokens of a sentence; replaces `TextEncoder`."""

    def __init__(self, vocabulary_size: int, *, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = _embedding(vocabulary_size, width)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(width, HEADS, 4 * width, dropout, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.output_size = width

    @property
    def blocks(self) -> nn.ModuleList:
        """The network's parts from the first to the last."""
        return nn.ModuleList([self.embedding, self.layers])

    def settle(self) -> None:
        """Nothing: it is measured as it is."""

    def forward(self, tokens: Tensor) -> Vectors:
        """Encode sentences (B, N), padded with `PADDING`, to one vector per token."""
        padding = tokens == PADDING
        read = self.dropout(_placed(self.embedding(tokens)))
        return Vectors(self.layers(read, src_key_padding_mask=padding), padding)


class TransformerDecoder(nn.Module):
    """Self-attention over the written tokens and cross-attention over the source; replaces `Decoder`.

    It reads the whole prefix again at every step of a search: slower than necessary, with the same result.
    """

    def __init__(self, vocabulary_size: int, *, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = _embedding(vocabulary_size, width)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerDecoderLayer(width, HEADS, 4 * width, dropout, batch_first=True, norm_first=True)
        self.layers = nn.TransformerDecoder(layer, layers, nn.LayerNorm(width))
        self.classify = nn.Linear(width, vocabulary_size)
        self.classify.weight = self.embedding.weight

    def init_state(self, vectors: Vectors) -> Prefix:
        """Start one sentence (K = 1) for each of B."""
        return Prefix(vectors, torch.empty(len(vectors.values), 1, 0, dtype=torch.long, device=vectors.values.device))

    def step(self, tokens: Tensor, state: Prefix) -> tuple[Tensor, Prefix]:
        """Read one token (B, K) of every sentence; see `Decoder.step`."""
        state = replace(state, tokens=torch.cat([state.tokens, tokens[..., None]], -1))
        logits = self(state.vectors, state.tokens).logits[..., -1, :]
        return torch.log_softmax(logits.float(), dim=-1), state

    def settle(self, ranges: Ranges | None = None) -> None:
        """Nothing: it is measured as it is."""

    def forward(self, vectors: Vectors, tokens: Tensor, wanted: Tensor | None = None) -> Forced:
        """Read given sentences (B, K, T); see `Decoder.forward`. Attention is not returned."""
        sets, sentences, length = tokens.shape
        read = self.dropout(_placed(self.embedding(tokens.flatten(0, 1))))  # (B · K, T, width)
        values, padding = (
            part if part is None else part.repeat_interleave(sentences, 0) for part in (vectors.values, vectors.padding)
        )
        future = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        said = self.layers(read, values, tgt_mask=future, memory_key_padding_mask=padding)
        said = self.dropout(said).unflatten(0, (sets, sentences))
        logits = self.classify(said if wanted is None else said[wanted])
        return Forced(logits, logits.new_zeros(sets, sentences, length, vectors.values.shape[1]))


class Transformer(EncoderDecoder):
    """Encoder and decoder as one module that the training loop can train."""

    def __init__(self, sizes: tuple[int, int], *, width: int, layers: int, dropout: float) -> None:
        nn.Module.__init__(self)  # without building the recurrent networks
        source, target = sizes
        self.encoder = TransformerEncoder(source, width=width, layers=layers, dropout=dropout)
        self.decoder = TransformerDecoder(target, width=width, layers=layers, dropout=dropout)


class Transforming(Translating):
    """Trains a transformer to translate; see `Task`."""

    def __init__(self, config: TranslationConfig, *, width: int, layers: int) -> None:
        """Read the sentences and learn the subwords.

        Args:
            config: configuration of the run; of its networks' settings only the decoder's dropout is used.
            width: size of every vector, a multiple of `HEADS`.
            layers: layers of the encoder and of the decoder.

        Raises:
            UsageError: the data cannot be found.
        """
        super().__init__(config)
        self._width, self._layers = width, layers

    def settings(self) -> dict[str, Any]:
        """The configuration without paths on this machine, plus the sizes."""
        return super().settings() | {"width": self._width, "layers": self._layers}

    def build(self) -> EncoderDecoder:
        """A transformer with random weights."""
        sizes = len(self.source), len(self.target)
        return Transformer(sizes, width=self._width, layers=self._layers, dropout=self.config.decoder.dropout)


class Comparison(Training):
    """A run without checkpoints: the model after the last step is measured."""

    def save_best(self, model: EncoderDecoder, scores: dict[str, float]) -> None:
        """Save nothing."""


def _embedding(vocabulary_size: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(vocabulary_size, width)
    nn.init.normal_(embedding.weight, std=width**-0.5)
    return embedding


def _placed(embedded: Tensor) -> Tensor:
    """Embedded tokens (B, T, width) plus sinusoidal position encodings (Vaswani et al. 2017, section 3.5)."""
    length, width = embedded.shape[1:]
    angles = torch.arange(length)[:, None] * 10_000.0 ** (-torch.arange(0, width, 2) / width)
    places = torch.stack([angles.sin(), angles.cos()], -1).flatten(1).to(embedded)
    return embedded * math.sqrt(width) + places
