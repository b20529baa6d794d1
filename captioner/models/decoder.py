"""The recurrent decoder: it writes tokens while it looks at a set of vectors, a photo's or a sentence's.

Everything is shaped (B, K, …): B sets of vectors, K sentences about each. In training the K are the captions of a
photo, in a search its beams; both share what was computed from the vectors.
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
    """All that the decoder remembers between two steps.

    Attributes:
        memory: the vectors made ready for attention, (B, N, …).
        hidden: per layer the cell's state, (B, K, H) each: one tensor, two for an LSTM.
        output: (B, K, H), what the last step said before it was turned into words; fed back at the next.
        attention: (B, K, N), where the last step looked; a sentinel is not among the N.
    """

    memory: Memory
    hidden: tuple[tuple[Tensor, ...], ...]
    output: Tensor
    attention: Tensor

    def select(self, rows: Tensor, beams: Tensor) -> "DecoderState":
        """Keep some of the B sets of vectors, and of each some of its K sentences, repeated where asked.

        Args:
            rows: (B',), indices into B.
            beams: (B', K'), indices into K.
        """
        every = len(rows) == len(self.output) and bool((rows == torch.arange(len(rows), device=rows.device)).all())
        memory = self.memory if every else self.memory.select(rows)
        index = (rows[:, None], beams)
        hidden = tuple(tuple(part[index] for part in layer) for layer in self.hidden)
        return DecoderState(memory, hidden, self.output[index], self.attention[index])


class RecurrentDecoder(nn.Module):
    """A recurrent network with attention and its output fed back.

    At each step, with w the embedded token and o the last output:

        h = cell1([w; o], h)           what is being talked about
        c = attention(h, vectors)      where to look for it; a sentinel is one vector more, the gist
        o = tanh(W [c; h])             one layer (Luong et al. 2015, equation 5, with input feeding)
        l = cell2([c; h], l)           two layers (an attention and a language layer, Anderson et al. 2018) …
        o = l + h + c                  … and a way around the second, without which learning starts half as fast
        logits = V o
    """

    def __init__(self, config: DecoderConfig, vector_size: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
        if config.tie_weights:  # as a classifier it would be far too sure with the usual variance of 1
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
            # As a factor of the embedding's own size, so that both sizes stay free.
            self.project: nn.Module = nn.Linear(width, config.embedding_size, bias=False)
            self.classify = nn.Linear(config.embedding_size, config.vocabulary_size)
            self.classify.weight = self.embedding.weight
        else:
            self.project = nn.Identity()
            self.classify = nn.Linear(width, config.vocabulary_size)

    def init_state(self, vectors: Vectors) -> DecoderState:
        """Start one sentence (K = 1) about each of the B sets of vectors; its first output is the mean of all it can
        read.
        """
        memory = self.attention.prepare(self._with_sentinel(vectors))
        output = torch.tanh(_mean(Vectors(memory.values, memory.padding)).float())  # (B, 1, H)
        hidden = ((torch.zeros_like(output),) * self.parts,) * self.config.layers
        return DecoderState(memory, hidden, output, output.new_zeros(*output.shape[:2], vectors.values.shape[1]))

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Read one token of every sentence.

        Args:
            tokens: (B, K), ids.
            state: what `init_state` or the last step gave, with the same B and K.

        Returns:
            Log-probabilities of the next token, (B, K, V), float32, and the new state.
        """
        state = self._advance(self.embedding(tokens), state)
        return torch.log_softmax(self._classify(state.output).float(), dim=-1), state

    def forward(self, vectors: Vectors, tokens: Tensor, wanted: Tensor | None = None) -> Forced:
        """Read given sentences (teacher forcing).

        Args:
            vectors: of B photos or sentences.
            tokens: (B, K, T), ids that begin with `<bos>`.
            wanted: (B, K, T), True where logits are asked for; None for everywhere. The vocabulary is most of the
                work where it is large, and where sentences differ in length a third of the places are empty.
        """
        sets, sentences, _ = tokens.shape
        state = self.init_state(vectors)
        device = tokens.device
        state = state.select(
            torch.arange(sets, device=device), torch.zeros(sets, sentences, dtype=torch.long, device=device)
        )
        words = self.dropout(self.embedding(tokens))  # (B, K, T, E)
        outputs, attention = [], []
        for word in words.unbind(2):  # taken by index, each would have a gradient as large as all of `words`
            state = self._advance(word, state)
            outputs.append(state.output)
            attention.append(state.attention)
        said = self.dropout(torch.stack(outputs, 2))
        return Forced(self._classify(said if wanted is None else said[wanted]), torch.stack(attention, 2))

    def settle(self, ranges: Ranges | None = None) -> None:
        """Pack the matrices for speed, once they change and move no more; in int8 where their inputs' `ranges` are
        given.
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
        """What is attended to: the vectors, then the sentinel if there is one: their mean, plus a learned vector."""
        values, padding = self.vector_dropout(vectors.values), vectors.padding
        if self.sentinel is None:
            return Vectors(values, padding)
        gist = _mean(Vectors(values, padding)) + self.sentinel.to(values.dtype)
        return Vectors(torch.cat([values, gist], 1), None if padding is None else F.pad(padding, (0, 1)))

    def _run(self, layer: int, inputs: Tensor, hidden: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One cell over all B·K sentences; the cell's output stands first in what is returned."""
        shape = inputs.shape[:2]
        flat = tuple(part.flatten(0, 1) for part in hidden)
        after = self.cells[layer](inputs.flatten(0, 1), flat if self.parts == 2 else flat[0])
        return tuple(part.unflatten(0, shape) for part in (after if self.parts == 2 else (after,)))

    def _classify(self, outputs: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.project(outputs))
        return logits


def build_decoder(config: DecoderConfig, vector_size: int) -> Decoder:
    """Build the decoder that a configuration names, with random weights, over vectors (B, N, `vector_size`)."""
    return RecurrentDecoder(config, vector_size)


def _mean(vectors: Vectors) -> Tensor:
    """The mean of those of the N vectors that are no padding, (B, 1, D)."""
    if vectors.padding is None:
        return vectors.values.mean(1, keepdim=True)
    present = (~vectors.padding)[..., None]
    return (vectors.values * present).sum(1, keepdim=True) / present.sum(1, keepdim=True)
