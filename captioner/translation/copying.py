"""Words that a translation copies: numbers, names, and whatever the vocabulary cannot spell.

Each of them is one unknown token to the model, which writes one such token where the word belongs; the words themselves
are put back afterwards, in their order (after Luong et al. 2015, "Addressing the rare word problem in neural machine
translation").
"""

from collections.abc import Container, Sequence

from captioner.text import SPECIAL_TOKENS, UNK
from captioner.text.subwords import Subwords

MARK = "\ue000"
"""Stands for a copied word in a sentence: a character for private use, which no vocabulary has."""

_PUNCTUATION = ".,;:!?\"'()"


def hide(sentence: str, subwords: Subwords) -> tuple[str, list[str]]:
    """Put `MARK` in the place of every word to copy.

    A number is copied, so is a name: a word with a capital, not the first, that the vocabulary does not hold in one
    piece; and a word with a character that the vocabulary lacks.

    Args:
        sentence: normalized, see `subwords.normalize`.
        subwords: of its language.

    Returns:
        The sentence, and the words in their order.
    """
    tokens, words = sentence.split(" "), []
    # Where everything has a capital, as in a headline, a capital makes no name.
    plain = sum(token[:1].islower() for token in tokens) >= sum(token[:1].isupper() for token in tokens[1:])
    for place, token in enumerate(tokens):
        word = bare(token)
        if UNK in subwords.encode(token.replace(word, "", 1)):  # the punctuation cannot be spelt either
            word = token
        if _must_be_copied(word, subwords, name=plain and place > 0):
            tokens[place] = token.replace(word, MARK, 1)
            words.append(word)
    return " ".join(tokens), words


def mark(sentence: str, words: Container[str]) -> str:
    """Put `MARK` in the place of each of these words."""
    tokens = sentence.split(" ")
    return " ".join(token.replace(bare(token), MARK, 1) if bare(token) in words else token for token in tokens)


def bare(token: str) -> str:
    """A word without the punctuation around it, or the token itself if it is nothing else."""
    return token.strip(_PUNCTUATION) or token


def put_back(pieces: Sequence[str], words: Sequence[str]) -> list[str]:
    """Pieces with the copied words in the place of unknown tokens, in their order; of these there are at most as
    many.
    """
    left = iter(words)
    return [next(left) if piece == SPECIAL_TOKENS[UNK] else piece for piece in pieces]


def _must_be_copied(word: str, subwords: Subwords, *, name: bool) -> bool:
    if any(character.isdigit() for character in word) and not any(character.islower() for character in word):
        return True
    pieces = subwords.encode(word)
    whole = 1 + 2 * word.count("-")  # the parts of a compound, and the hyphens
    return UNK in pieces or (name and word[:1].isupper() and len(pieces) > whole)
