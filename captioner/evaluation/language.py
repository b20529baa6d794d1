"""Statistics of wording: lengths, vocabulary, repetition, and incomplete sentences."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from captioner.text.english import FUNCTION_WORDS


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Statistics of a set of captions. Fractions are in [0, 1].

    Attributes:
        captions: number of captions.
        mean_words: mean number of tokens per caption.
        shortest: minimum number of tokens.
        longest: maximum number of tokens.
        vocabulary: number of distinct tokens.
        empty: number of captions without tokens.
        repeated: fraction of captions that are identical to another one.
        ends_on_function_word: fraction whose last token is one of `FUNCTION_WORDS`.
    """

    captions: int
    mean_words: float
    shortest: int
    longest: int
    vocabulary: int
    empty: int
    repeated: float
    ends_on_function_word: float


def wording(captions: Sequence[Sequence[str]]) -> Wording:
    """Compute the statistics.

    Args:
        captions: at least one list of tokens.
    """
    lengths = [len(tokens) for tokens in captions]
    times = Counter(map(tuple, captions))
    cut = sum(1 for tokens in captions if tokens and tokens[-1] in FUNCTION_WORDS)
    return Wording(
        captions=len(captions),
        mean_words=sum(lengths) / len(lengths),
        shortest=min(lengths),
        longest=max(lengths),
        vocabulary=len({token for tokens in captions for token in tokens}),
        empty=lengths.count(0),
        repeated=sum(count for count in times.values() if count > 1) / len(captions),
        ends_on_function_word=cut / len(captions),
    )


def novel_share(captions: Sequence[Sequence[str]], known: Collection[Sequence[str]]) -> float:
    """Fraction of captions, in [0, 1], that are not identical to a known caption.

    Args:
        captions: at least one list of tokens.
        known: lists of tokens, such as the captions of the training set.
    """
    seen = set(map(tuple, known))
    return sum(tuple(tokens) not in seen for tokens in captions) / len(captions)
