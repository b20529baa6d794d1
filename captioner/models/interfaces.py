"""The interfaces of encoders and decoders. Search, checkpoints, prediction and training depend on nothing else.

To add an encoder or a decoder, write an `nn.Module` with these methods, build it in `build_encoder` or `build_decoder`,
and add its configuration to `captioner.config`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from torch import Tensor, nn

T = TypeVar("T")
Ranges = Mapping[str, tuple[float, float]]
"""Module name → minimum and maximum of its input. An LSTM cell has two entries, `NAME.inputs` and `NAME.state`."""


def within(part: str, named: Mapping[str, T]) -> dict[str, T]:
    """Select what belongs to a submodule, such as its ranges or weights, by the names within it."""
    return {name.removeprefix(f"{part}."): one for name, one in named.items() if name.startswith(f"{part}.")}


class Vectors(NamedTuple):
    """The output of an encoder; the decoder attends to it.

    Attributes:
        values: (B, N, D).
        padding: (B, N), True where a vector is padding; None if none is.
    """

    values: Tensor
    padding: Tensor | None = None


class Forced(NamedTuple):
    """The decoder's output under teacher forcing.

    Attributes:
        logits: (B, K, T, V); position t predicts the token after `tokens[..., t]`. If `wanted` selected P positions,
            (P, V).
        attention: (B, K, T, N), attention weights at each position. They sum to 1 over N, less the sentinel's weight.
    """

    logits: Tensor
    attention: Tensor


class Module(Protocol):
    """The methods of `nn.Module` that are used; a protocol cannot inherit from the class itself."""

    training: bool

    def train(self, mode: bool = True, /) -> Self: ...
    def eval(self) -> Self: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...
    def named_parameters(self) -> Iterator[tuple[str, Tensor]]: ...
    def named_buffers(self) -> Iterator[tuple[str, Tensor]]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> object: ...


class Encoder(Module, Protocol):
    """Encodes images (B, 3, H, W) or tokens (B, N) as B sets of vectors.

    Attributes:
        output_size: D, the size of a vector.
    """

    output_size: int

    @property
    def blocks(self) -> nn.ModuleList:
        """The network's blocks from first to last; fine-tuning may be limited to the last of them."""

    def settle(self) -> None:
        """Rearrange the weights for fast inference; afterwards they can be neither trained nor moved."""

    def __call__(self, inputs: Tensor, /) -> Vectors:
        """Encode a batch."""


class Decoder(Module, Protocol):
    """Generates K sentences for each of B sets of vectors.

    A state has `select(rows, beams)`; see `captioner.decoding.State`. Its other attributes are private to the decoder.
    """

    def init_state(self, vectors: Vectors, /) -> Any:
        """Start one sentence (K = 1) for each of the B sets of vectors."""

    def step(self, tokens: Tensor, state: Any, /) -> tuple[Tensor, Any]:
        """Advance every sentence by one token, `tokens` (B, K).

        Returns:
            Log-probabilities of the next token, (B, K, V), float32, and the new state.
        """

    def settle(self, ranges: Ranges | None = None) -> None:
        """Rearrange the weights for fast inference: in int8 where `ranges` has the range of their inputs.

        After this, the weights can be neither trained nor moved to another device.
        """

    def __call__(self, vectors: Vectors, tokens: Tensor, wanted: Tensor | None = None, /) -> Forced:
        """Compute the logits of sentences (B, K, T) that start with `<bos>`, at all or only the `wanted` positions."""
