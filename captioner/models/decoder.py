"""The recurrent decoder: generates tokens while attending to the vectors of a photo or of a sentence.

All tensors have shape (B, K, …): B sets of vectors and K sentences for each. In training, the K sentences are the
captions of a photo; in beam search, its beams. They share what is computed from the vectors.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

from captioner.config import Cell, DecoderConfig
from captioner.models.attention import Memory, build_attention
from captioner.models.interfaces import Decoder, Forced, Ranges, Vectors
from captioner.models.packed import pack

CELLS: dict[Cell, Callable[[int, int], nn.RNNCellBase]] = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}


@dataclass(frozen=True)
class DecoderState:
    """The decoder's state between two steps.

    Attributes:
        memory: the projected vectors, (B, N, …).
        hidden: the state of each layer's cell: one tensor (B, K, H), or two for an LSTM.
        output: (B, K, H), the output of the last step before the classifier; fed back at the next step.
        attention: (B, K, N), attention weights of the last step, without the sentinel's.
    """

    memory: Memory
    hidden: tuple[tuple[Tensor, ...], ...]
    output: Tensor
    attention: Tensor

    def select(self, rows: Tensor, beams: Tensor) -> "DecoderState":
        """Select sets of vectors, and sentences of each, by index. Indices may repeat.

        Args:
            rows: (B',), indices into B.
            beams: (B', K'), indices into K.
        """
        every = len(rows) == len(self.output) and bool((rows == torch.arange(len(rows), device=rows.device)).all())
        memory = self.memory if every else self.memory.select(rows)
        index = (rows[:, None], beams)
        hidden = tuple(tuple(part[index] for part in layer) for layer in self.hidden)
        return DecoderState(memory, hidden, self.output[index], self.attention[index])

    def repeat(self, sentences: int) -> "DecoderState":
        """The state of this many sentences for each set of vectors, which has one so far."""
        sets, device = len(self.output), self.output.device
        return self.select(
            torch.arange(sets, device=device), torch.zeros(sets, sentences, dtype=torch.long, device=device)
        )


class RecurrentDecoder(nn.Module):
    """A recurrent network with attention and input feeding.

    At each step, with w the embedding of the token and o the last output:

        h = cell1([w; o], h)
        c = attention(h, vectors)      the context; a sentinel is one additional vector
        o = tanh(W [c; h])             one layer (Luong et al. 2015, equation 5, with input feeding)
        l = cell2([c; h], l)           two layers (an attention and a language layer, Anderson et al. 2018) …
        o = l + h + c                  … with a residual connection, without which training starts half as fast
        logits = V o
    """

    def __init__(self, config: DecoderConfig, vector_size: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
        if config.tie_weights:  # with the default variance of 1, the classifier's logits would be far too large
            nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        self.attention = build_attention(config, vector_size)
        self.sentinel = nn.Parameter(torch.zeros(vector_size)) if config.sentinel else None
        cell = CELLS[config.cell]
        self.cells = nn.ModuleList([cell(config.embedding_size + width, width)])
        if config.layers == 2:
            self.cells.append(cell(2 * width, width))
        else:
            self.combine = nn.Linear(2 * width, width)
        self.parts = 2 if config.cell == "lstm" else 1
        self.dropout = nn.Dropout(config.dropout)
        self.vector_dropout = nn.Dropout(config.vector_dropout)
        if config.tie_weights:
            # The projection lets the embedding have another size than the hidden state.
            self.project: nn.Module = nn.Linear(width, config.embedding_size, bias=False)
            self.classify = nn.Linear(config.embedding_size, config.vocabulary_size)
            self.classify.weight = self.embedding.weight
        else:
            self.project = nn.Identity()
            self.classify = nn.Linear(width, config.vocabulary_size)

    def init_state(self, vectors: Vectors) -> DecoderState:
        """Start one sentence (K = 1) for each of the B sets of vectors.

        The initial output is the tanh of the mean of the projected vectors.
        """
        memory = self.attention.prepare(self._with_sentinel(vectors))
        output = torch.tanh(_mean(Vectors(memory.values, memory.padding)).float())  # (B, 1, H)
        hidden = ((torch.zeros_like(output),) * self.parts,) * self.config.layers
        return DecoderState(memory, hidden, output, output.new_zeros(*output.shape[:2], vectors.values.shape[1]))

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Advance every sentence by one token.

        Args:
            tokens: (B, K), ids.
            state: the result of `init_state` or of the last step, with the same B and K.

        Returns:
            Log-probabilities of the next token, (B, K, V), float32, and the new state.
        """
        state = self._advance(self.embedding(tokens), state)
        return torch.log_softmax(self._classify(state.output).float(), dim=-1), state

    def forward(self, vectors: Vectors, tokens: Tensor, wanted: Tensor | None = None) -> Forced:
        """Compute the logits of given sentences (teacher forcing).

        Args:
            vectors: vectors of B photos or sentences.
            tokens: (B, K, T), ids, starting with `<bos>`.
            wanted: (B, K, T), True at the positions whose logits are needed; None for all positions. With a large
                vocabulary the classifier dominates the cost, and about a third of the positions are padding.
        """
        state = self.init_state(vectors).repeat(tokens.shape[1])
        words = self.dropout(self.embedding(tokens))  # (B, K, T, E)
        outputs, attention = [], []
        for word in words.unbind(2):  # with indexing, the gradient of each step would be as large as `words`
            state = self._advance(word, state)
            outputs.append(state.output)
            attention.append(state.attention)
        said = self.dropout(torch.stack(outputs, 2))
        return Forced(self._classify(said if wanted is None else said[wanted]), torch.stack(attention, 2))

    def settle(self, ranges: Ranges | None = None) -> None:
        """Pack the weight matrices for fast inference: in int8 where `ranges` has the range of their inputs.

        After this, the weights can be neither trained nor moved to another device.
        """
        pack(self, ranges)

    def _advance(self, words: Tensor, state: DecoderState) -> DecoderState:
        """One step of the recurrence; `words` (B, K, E)."""
        first = self._run(0, torch.cat([words, state.output], -1), state.hidden[0])
        read, attention = self.attention(first[0], state.memory)
        attention = attention[..., : state.attention.shape[-1]]  # without the sentinel
        seen = torch.cat([read, first[0]], -1)
        if self.config.layers == 1:
            return DecoderState(state.memory, (first,), torch.tanh(self.combine(seen)), attention)
        second = self._run(1, seen, state.hidden[1])
        return DecoderState(state.memory, (first, second), second[0] + first[0] + read, attention)

    def _with_sentinel(self, vectors: Vectors) -> Vectors:
        """Append the sentinel, if there is one: the mean of the vectors plus a learned vector."""
        values, padding = self.vector_dropout(vectors.values), vectors.padding
        if self.sentinel is None:
            return Vectors(values, padding)
        gist = _mean(Vectors(values, padding)) + self.sentinel.to(values.dtype)
        return Vectors(torch.cat([values, gist], 1), None if padding is None else F.pad(padding, (0, 1)))

    def _run(self, layer: int, inputs: Tensor, hidden: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Run a cell on all B·K sentences. Returns its new state; the first tensor is the cell's output."""
        shape = inputs.shape[:2]
        flat = tuple(part.flatten(0, 1) for part in hidden)
        after = self.cells[layer](inputs.flatten(0, 1), flat if self.parts == 2 else flat[0])
        return tuple(part.unflatten(0, shape) for part in (after if self.parts == 2 else (after,)))

    def _classify(self, outputs: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.project(outputs))
        return logits


def build_decoder(config: DecoderConfig, vector_size: int) -> Decoder:
    """Build a decoder with random weights, over vectors (B, N, `vector_size`)."""
    return RecurrentDecoder(config, vector_size)


def _mean(vectors: Vectors) -> Tensor:
    """The mean of the N vectors without padding, (B, 1, D)."""
    if vectors.padding is None:
        return vectors.values.mean(1, keepdim=True)
    present = (~vectors.padding)[..., None]
    return (vectors.values * present).sum(1, keepdim=True) / present.sum(1, keepdim=True)
