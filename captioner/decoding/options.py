"""What to search for, and what is found."""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from captioner.errors import UsageError

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


def _number(default: float, low: float, high: float, meaning: str = "") -> Any:
    """A field with a range; with a meaning it is also a flag of the commands that search."""
    return field(default=default, metadata={"range": (low, high), "meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class DecodingOptions:
    """What a search looks for. Checked when built: a value out of range is an error at once.

    Attributes:
        beam_size: sentences kept at each step, 1 to 100; 1 is greedy search.
        num_captions: best sentences returned, at most `beam_size`.
        max_length: most tokens in a sentence, its end not counted, 1 to 1000.
        min_length: fewest tokens in a sentence, its end not counted; a sentence has one at least, also where this is 0.
        length_penalty: α in ((5 + n) / 6)^α, by which the log-probability of n tokens (the end counted) is divided
            (Wu et al. 2016, equation 14), 0 to 5; 0 favors short sentences.
        no_repeat_ngram: no run of so many tokens stands twice in a sentence, 0 to 100; 0 allows all.
        repeat_words: whether a word may stand twice in a sentence that people seldom repeat; see
            `captioner.text.english.REPEATABLE`.

    Raises:
        UsageError: a value is out of range or of another type, or two exclude each other.
    """

    # As `captioner.config.STRICT`; that module imports pydantic, for which `--help` need not wait.
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
"""The numbers for which the commands that search have a flag."""


@dataclass(frozen=True)
class Hypothesis:
    """One sentence that a search found.

    Attributes:
        tokens: ids, without `<bos>` and `<eos>`.
        log_prob: natural logarithm of its probability, that of its end included if it ended.
        score: `log_prob` divided by the length penalty; what the search ranks by.
        finished: whether it could end with `<eos>`; at `max_length` it must.
        steps: natural logarithm of the probability of each token and, if it ended, of its end; `log_prob` is their sum.
    """

    tokens: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool
    steps: tuple[float, ...] = ()
