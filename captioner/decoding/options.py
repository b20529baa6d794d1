"""What to search for, and what is found."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Protocol, Self, TypeVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from captioner.config import STRICT

if TYPE_CHECKING:
    from torch import Tensor


class State(Protocol):
    """What a step function remembers about B things to describe and K sentences about each."""

    def select(self, rows: "Tensor", beams: "Tensor") -> Self:
        """Keep `rows` (B',) of the B, and of each the sentences `beams` (B', K')."""
        ...


AnyState = TypeVar("AnyState", bound=State)
Step = Callable[["Tensor", AnyState], tuple["Tensor", AnyState]]
"""`step(tokens (B, K), state) -> (log-probabilities of the next token (B, K, V), the new state)`."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DecodingOptions:
    """What a search looks for. Checked when built: a value out of range is an error at once.

    Attributes:
        beam_size: sentences kept at each step; 1 is greedy search.
        num_captions: best sentences returned, at most `beam_size`.
        max_length: most tokens in a sentence, its end not counted.
        min_length: fewest tokens in a sentence, its end not counted.
        length_penalty: α in ((5 + n) / 6)^α, by which the log-probability of n tokens (the end counted) is divided
            (Wu et al. 2016, equation 14); 0 favours short sentences.
        no_repeat_ngram: no run of so many tokens stands twice in a sentence; 0 allows all.
    """

    beam_size: Annotated[int, Field(ge=1, le=100)] = 3
    num_captions: Annotated[int, Field(ge=1, le=100)] = 1
    max_length: Annotated[int, Field(ge=1, le=1000)] = 20
    min_length: Annotated[int, Field(ge=0, le=1000)] = 0
    length_penalty: Annotated[float, Field(ge=0, le=5)] = 0.7
    no_repeat_ngram: Annotated[int, Field(ge=0, le=100)] = 3

    def __post_init__(self) -> None:
        """Check the fields against each other.

        Raises:
            ValueError: where two fields exclude each other.
        """
        if self.num_captions > self.beam_size:
            raise ValueError(f"num_captions {self.num_captions} is larger than beam_size {self.beam_size}")
        if self.min_length > self.max_length:
            raise ValueError(f"min_length {self.min_length} is larger than max_length {self.max_length}")


@dataclasses.dataclass(frozen=True)
class Hypothesis:
    """One sentence that a search found.

    Attributes:
        tokens: ids, without `<bos>` and `<eos>`.
        log_prob: natural logarithm of its probability, that of its end included if it ended.
        score: `log_prob` divided by the length penalty; what the search ranks by.
        finished: whether it ended with `<eos>` or was cut off at `max_length`.
    """

    tokens: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool
