"""How captions are worded, whatever they say: lengths, vocabulary, repetition, sentences that break off."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from captioner.text.english import FUNCTION_WORDS


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What a set of captions looks like. Shares are in [0, 1] of all captions.

    Attributes:
        captions: how many.
        mean_words: a caption's tokens, on average.
        shortest: fewest tokens in a caption.
        longest: most tokens in a caption.
        vocabulary: different tokens in all of them.
        empty: how many are without any token.
        repeated: share of captions of which there is at least one more, word for word.
        ends_on_function_word: share whose last token is one of `FUNCTION_WORDS`.
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
    """Describes captions.

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
    """Share of captions, in [0, 1], that are not word for word among the known ones.

    Args:
        captions: at least one list of tokens.
        known: lists of tokens, such as the captions that a model was trained on.
    """
    seen = set(map(tuple, known))
    return sum(tuple(tokens) not in seen for tokens in captions) / len(captions)
