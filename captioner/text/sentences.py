"""Write tokens and texts as proper sentences (capitals, full stops, spaces), and split texts into sentences."""

import re
from collections.abc import Sequence

from captioner.text.penn import ABBREVIATIONS, ABBREVIATIONS_BEFORE_NUMBERS, ABBREVIATIONS_CAPITALIZED

_JOINED = {
    ("can", "not"): "cannot",
    ("gon", "na"): "gonna",
    ("wan", "na"): "wanna",
    ("got", "ta"): "gotta",
    ("lem", "me"): "lemme",
    ("gim", "me"): "gimme",
    ("'t", "is"): "'tis",
    ("'t", "was"): "'twas",
}
_SPELT = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}", "``": '"', "''": '"'}
_CASED = {"tv": "TV", "us$": "US$", "a.m.": "a.m.", "p.m.": "p.m.", "e.g.": "e.g.", "i.e.": "i.e."}
_CAPITALISED = frozenset(f"{word}." for word in f"mr mrs ms dr st mt jr sr {ABBREVIATIONS_CAPITALIZED.lower()}".split())
_ACRONYM = re.compile(r"[a-z](?:\.[a-z])+\.?|[a-z]+(?:&[a-z]+)+")
_CLITICS = frozenset(["'s", "'m", "'d", "'ll", "'re", "'ve", "n't"])
_NO_SPACE_BEFORE = _CLITICS | frozenset([")", "]", "}", ".", ",", "!", "?", ";", ":", "%", "'"])
_NO_SPACE_AFTER = frozenset(["(", "[", "{", "#", "y'"])


def _cased(token: str) -> str:
    """Write a word as inside a sentence, usually in lower case."""
    if token in _CASED:
        return _CASED[token]
    if token in _CAPITALISED:
        return token.capitalize()
    return token.upper() if _ACRONYM.fullmatch(token) else token


CLOSING = "\"'”’»)]"
"""Characters that may follow the full stop of a sentence."""


def as_sentence(text: str) -> str:
    """Capitalize the beginning and add a full stop, unless there is an ending; empty text stays empty."""
    text = " ".join(text.split())
    if not any(character.isalnum() for character in text):
        return ""
    first = next(index for index, character in enumerate(text) if character.isalnum())
    text = text[:first] + text[first].upper() + text[first + 1 :]
    return text if text.rstrip(CLOSING).endswith((".", "!", "?", "…")) else text.rstrip(",;: ") + "."


_ENDS = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s++(?=[\"'“‘(\[]*+[A-Z0-9])")
_NO_ENDS = frozenset(
    f"{ABBREVIATIONS} {ABBREVIATIONS_CAPITALIZED} {ABBREVIATIONS_BEFORE_NUMBERS} e.g i.e vs".lower().split()
)


def split_sentences(text: str) -> list[str]:
    """Split English text between an ending and a capital or digit, but not after abbreviations or initials."""
    sentences, start = [], 0
    for end in _ENDS.finditer(text):
        word = text[max(start, text.rfind(" ", start, end.start()) + 1) : end.start()].lower()
        has_words = any(text[place].isalnum() for place in range(start, end.start()))
        if word in _NO_ENDS or "." in word or len(word) == 1 or not has_words:
            continue
        sentences.append(text[start : end.end()].rstrip())
        start = end.end()
    return [*sentences, text[start:]]


def join_words(tokens: Sequence[str]) -> str:
    words = [_SPELT.get(token, token) for token in tokens]
    parts: list[str] = []
    glue = True  # whether to omit the space before the next word
    index = 0
    while index < len(words):
        pair = tuple(words[index : index + 2])
        word = _JOINED.get(pair, words[index]) if len(pair) == 2 else words[index]
        if not glue and word not in _NO_SPACE_BEFORE and word.strip("?!"):
            parts.append(" ")
        parts.append(_cased(word))
        glue = word in _NO_SPACE_AFTER or word.endswith("$")
        index += 2 if pair in _JOINED else 1
    return "".join(parts)
