"""What an encoder and a decoder are to all others: search, checkpoint, prediction and training name nothing else.

To add a kind of either, write an `nn.Module` with these methods, and name it in `build_encoder` or `build_decoder` and
in `captioner.config`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol, Self

from torch import Tensor, nn

Ranges = Mapping[str, tuple[float, float]]
"""By the name of a module, the least and the greatest value of its input; an LSTM's cell has `inputs` and `state`."""


def within(part: str, ranges: Ranges) -> Ranges:
    """The ranges in a part of a module, by their names there."""
    return {name.removeprefix(f"{part}."): one for name, one in ranges.items() if name.startswith(f"{part}.")}


class Vectors(NamedTuple):
    """What an encoder gives and a decoder attends to.

    Attributes:
        values: (B, N, D).
        padding: (B, N), True where a vector is only filling; None if none is.
    """

    values: Tensor
    padding: Tensor | None = None


class Forced(NamedTuple):
    """What the decoder says under teacher forcing.

    Attributes:
        logits: (B, K, T, V); those at t are about the token after `tokens[..., t]`. Or (P, V), of P wanted places
            alone.
        attention: (B, K, T, N), where it looked when it computed them; adds up to 1 over N, less what a sentinel got.
    """

    logits: Tensor
    attention: Tensor


class Module(Protocol):
    """What is used of `nn.Module`; a protocol cannot demand the class itself."""

    training: bool

    def train(self, mode: bool = True, /) -> Self: ...
    def eval(self) -> Self: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...
    def named_parameters(self) -> Iterator[tuple[str, Tensor]]: ...
    def named_buffers(self) -> Iterator[tuple[str, Tensor]]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> object: ...


class Encoder(Module, Protocol):
    """Gives B sets of vectors: of images (B, 3, H, W), or of tokens (B, N).

    Attributes:
        output_size: D, the width of a vector.
    """

    output_size: int

    @property
    def blocks(self) -> nn.ModuleList:
        """The network's parts from the first to the last; training may begin at any of them."""
        ...

    def settle(self) -> None:
        """Rearrange the weights for speed, once they change and move no more."""
        ...

    def __call__(self, inputs: Tensor, /) -> Vectors:
        """Encode a batch."""
        ...


class Decoder(Module, Protocol):
    """Writes K sentences about each of B sets of vectors.

    A state has `select(rows, beams)`; see `captioner.decoding.State`. Only the decoder that made one knows more of it.
    """

    def init_state(self, vectors: Vectors, /) -> Any:
        """Start one sentence (K = 1) about each of the B sets of vectors."""
        ...

    def step(self, tokens: Tensor, state: Any, /) -> tuple[Tensor, Any]:
        """Read one token (B, K) of every sentence; gives log-probabilities (B, K, V), float32, and the new state."""
        ...

    def settle(self, ranges: Ranges | None = None) -> None:
        """Rearrange the weights for speed, once they change and move no more; in int8 where the `ranges` of its
        products' inputs are given.
        """
        ...

    def __call__(self, vectors: Vectors, tokens: Tensor, wanted: Tensor | None = None, /) -> Forced:
        """Read given sentences (B, K, T) that begin with `<bos>`; logits of all places, or of the `wanted` ones."""
        ...
