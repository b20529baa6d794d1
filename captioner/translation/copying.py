"""Copy words to the translation: numbers, names, and words that the vocabulary cannot spell.

The model sees each of them as an unknown token, and writes an unknown token where the word belongs. The words are then
substituted in order (after Luong et al. 2015, "Addressing the rare word problem in neural machine translation").
"""

from collections.abc import Container, Sequence

from captioner.text import SPECIAL_TOKENS, UNK
from captioner.text.subwords import Subwords

MARK = "\ue000"
"""Placeholder for a copied word: a private-use character, which no vocabulary contains."""

_PUNCTUATION = ".,;:!?\"'()"


def hide(sentence: str, subwords: Subwords) -> tuple[str, list[str]]:
    """Replace every word to copy by `MARK`.

    These are numbers; names, which are capitalized words other than the first that are not a single piece of the
    vocabulary; and words with characters that the vocabulary lacks.

    Args:
        sentence: normalized; see `subwords.normalize`.
        subwords: vocabulary of its language.

    Returns:
        The sentence with placeholders, and the words in order.
    """
    tokens, words = sentence.split(" "), []
    # In a headline, where every word is capitalized, capitals do not indicate names.
    plain = sum(token[:1].islower() for token in tokens) >= sum(token[:1].isupper() for token in tokens[1:])
    for place, token in enumerate(tokens):
        word = bare(token)
        if UNK in subwords.encode(token.replace(word, "", 1)):  # the punctuation cannot be spelled either
            word = token
        if _must_be_copied(word, subwords, name=plain and place > 0):
            tokens[place] = token.replace(word, MARK, 1)
            words.append(word)
    return " ".join(tokens), words


def mark(sentence: str, words: Container[str]) -> str:
    """Replace each of these words by `MARK`."""
    tokens = sentence.split(" ")
    return " ".join(token.replace(bare(token), MARK, 1) if bare(token) in words else token for token in tokens)


def bare(token: str) -> str:
    """A token without surrounding punctuation; unchanged if it is only punctuation."""
    return token.strip(_PUNCTUATION) or token


def put_back(pieces: Sequence[str], words: Sequence[str]) -> list[str]:
    """Replace unknown tokens by the copied words in order; there are at most as many unknown tokens as words."""
    left = iter(words)
    return [next(left) if piece == SPECIAL_TOKENS[UNK] else piece for piece in pieces]


def _must_be_copied(word: str, subwords: Subwords, *, name: bool) -> bool:
    if any(character.isdigit() for character in word) and not any(character.islower() for character in word):
        return True
    pieces = subwords.encode(word)
    whole = 1 + 2 * word.count("-")  # the parts of a compound, and the hyphens
    return UNK in pieces or (name and word[:1].isupper() and len(pieces) > whole)
