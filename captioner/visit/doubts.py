"""Words of a caption that the model is unsure about, with alternatives."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from captioner.text.english import takes_an
from captioner.visit.certainty import DOUBTFUL

if TYPE_CHECKING:
    from captioner.predict import Caption

_MOST = 3  # doubtful words to mark in a caption; more would be noise
_LEAST_SHARE = 0.05  # minimum probability of an alternative
# Function words are never marked: a choice between "on" and "in" does not help.
_SMALL_WORDS = """
a an the and or of in on at to by with for from into onto over under near next up down out off as is are be being it its
it's that this there their his her some two three while which who
"""
_SMALL = frozenset(_SMALL_WORDS.split())


@dataclass(frozen=True)
class Doubt:
    """A doubtful word.

    Attributes:
        start: index of its first character in the caption.
        end: index after its last character.
        others: alternative word → the caption with that word.
    """

    start: int
    end: int
    others: dict[str, str]


def doubts(caption: "Caption") -> list[Doubt]:
    """The least probable content words of an English caption, left to right, with alternatives.

    Words that occur twice are skipped, because the token cannot be mapped to one of the two. Translated captions have
    no doubtful words, because the probabilities are those of the English words.
    """
    if caption.guesses is None or caption.translation is not None:
        return []
    found: list[tuple[float, Doubt]] = []
    for token, guess in zip(caption.tokens, caption.guesses, strict=True):
        places = list(re.finditer(rf"\b{re.escape(token)}\b", caption.text, re.IGNORECASE))
        if not _has_content(token) or guess.log_prob >= math.log(DOUBTFUL) or len(places) != 1:
            continue
        start, end = places[0].span()
        others = {
            word: _replaced(caption.text, start, end, word)
            for word, share in guess.others
            if share >= _LEAST_SHARE and _has_content(word) and word.lower() not in caption.text.lower().split()
        }
        found.append((guess.log_prob, Doubt(start, end, others)))
    least = sorted(found, key=lambda pair: pair[0])[:_MOST]
    return sorted((doubt for _, doubt in least), key=lambda doubt: doubt.start)


def differ(one: str, other: str) -> bool:
    """Whether two captions differ in more than function words."""
    return _content(one) != _content(other)


def _content(text: str) -> set[str]:
    return {word for word in re.findall(r"\w[\w'’-]*", text.lower()) if word not in _SMALL}


def _has_content(token: str) -> bool:
    return len(token) > 1 and token[0].isalpha() and token.lower() not in _SMALL


def _replaced(text: str, start: int, end: int, word: str) -> str:
    before, after = text[:start], text[end:]
    if text[start].isupper():
        word = word[0].upper() + word[1:]
    article = re.search(r"\b(an?)(\s+)$", before, re.IGNORECASE)
    if article:
        new = "an" if takes_an(word.lower()) else "a"
        new = new.capitalize() if article[1][0].isupper() else new
        before = before[: article.start(1)] + new + article[2]
    return before + word + after
