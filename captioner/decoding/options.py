"""Decoding options and hypotheses."""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from captioner.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


class State(Protocol):
    """The state of a step function, for B inputs and K sentences for each."""

    def select(self, rows: "Tensor", beams: "Tensor") -> Self:
        """Select inputs by index, `rows` (B',), and sentences of each, `beams` (B', K')."""


AnyState = TypeVar("AnyState", bound=State)
Step = Callable[["Tensor", AnyState], tuple["Tensor", AnyState]]
"""`step(tokens (B, K), state) -> (log-probabilities of the next token (B, K, V), the new state)`."""


def _number(default: float, low: float, high: float, meaning: str = "") -> Any:
    """A field with a range; if it has a `meaning`, it is also an option of the commands that decode."""
    return field(default=default, metadata={"range": (low, high), "meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class DecodingOptions:
    """Settings of beam search. Values are checked on construction.

    Attributes:
        beam_size: hypotheses kept at each step, 1 to 100; 1 is greedy search.
        num_captions: number of best sentences returned, 1 to `beam_size`.
        max_length: maximum number of tokens in a sentence, without `<eos>`, 1 to 1000.
        min_length: minimum number of tokens in a sentence, without `<eos>`, 0 to `max_length`. A sentence always has at
            least one token.
        length_penalty: α in ((5 + n) / 6)^α, 0 to 5. The log-probability of a sentence of n tokens, including `<eos>`,
            is divided by it (Wu et al. 2016, equation 14); 0 favors short sentences.
        no_repeat_ngram: length of n-grams that may not be repeated in a sentence, 0 to 100; 0 allows all.
        repeat_words: whether any word may be repeated in a sentence. If False, only
            `captioner.text.english.REPEATABLE` may.

    Raises:
        UsageError: a value is out of range or of the wrong type, or two values contradict each other.
    """

    # Same as `captioner.config.STRICT`, without importing pydantic, which would slow down `--help`.
    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True, "allow_inf_nan": False}

    beam_size: int = _number(3, 1, 100, "candidate sentences kept at each step; 1 (greedy search) is fastest")
    num_captions: int = _number(1, 1, 100)
    max_length: int = _number(20, 1, 1000, "most words in a caption")
    min_length: int = _number(0, 0, 1000, "fewest words in a caption")
    length_penalty: float = _number(0.7, 0, 5, "higher values favor longer captions")
    no_repeat_ngram: int = _number(2, 0, 100, "never repeat a run of N words; 0 turns this off")
    repeat_words: bool = True

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.type is bool:
                if not isinstance(value, bool):
                    raise UsageError(f"{each.name} is {value!r}; give true or false.")
                continue
            low, high = each.metadata["range"]
            kinds, number = (int | float, "number") if each.type is float else (int, "whole number")
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                raise UsageError(f"{each.name} is {value!r}; give a {number} from {low} to {high}.")
        if self.num_captions > self.beam_size:
            raise UsageError(f"num_captions {self.num_captions} is larger than beam_size {self.beam_size}.")
        if self.min_length > self.max_length:
            raise UsageError(f"min_length {self.min_length} is larger than max_length {self.max_length}.")


FLAGS: dict[str, Field[Any]] = {each.name: each for each in fields(DecodingOptions) if each.metadata.get("meaning")}
"""The fields that are options of the commands that decode."""


@dataclass(frozen=True)
class Hypothesis:
    """A sentence found by beam search.

    Attributes:
        tokens: ids, without `<bos>` and `<eos>`.
        log_prob: natural log-probability of the sentence, including `<eos>` if `finished`.
        score: `log_prob` divided by the length penalty; hypotheses are ranked by it.
        finished: whether the sentence ended with `<eos>`. False if a constraint left no possible token.
        steps: natural log-probability of each token and, if `finished`, of `<eos>`; `log_prob` is their sum.
    """

    tokens: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool
    steps: tuple[float, ...] = ()
