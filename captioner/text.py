"""From a sentence to tokens, to ids, and back to a sentence a person would write.

Word tokens are those of the Penn Treebank (Marcus et al., Computational Linguistics 19(2), 1993) in the dialect that COCO's
evaluation uses (Chen et al., "Microsoft COCO Captions", arXiv:1504.00325, section 4.1): lower case, clitics apart ("a man 's
hat", "does n't"), hyphened words whole, and plain punctuation left out. Training text and evaluation share this one tokeniser.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

from captioner.errors import ModelError, UsageError
from captioner.sentences import with_articles

PAD, BOS, EOS, UNK = range(4)
SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<unk>")

ENGLISH = "en"
"""What captioners write and translators read; all other languages are translations."""

TokenizerKind = Literal["word", "char"]
Direction = Literal["left-to-right", "right-to-left"]

# ---------------------------------------------------------------------------------------------------------------- words

# Abbreviations that keep their full stop, whatever follows and however they are capitalised.
_ABBREVIATIONS = """
    mr mrs ms dr drs prof profs sen sens rep reps atty attys lt col gen messrs gov govs adm rev maj sgt cpl pvt mt capt st
    ste ave pres lieut hon brig cmdr comdr pfc spc supt supts det jr sr bros esq inc co cos corp pty ltd plc bancorp bhd assn
    univ intl sys invt elec natl mfg mtg ph jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri
    ala ariz calif colo conn ct dak fla ga ind kan kans ky md mich minn mo mont neb nev okla penn tenn va vt wis wisc wyo
    etc al seq bldg vs alex wm jos cie cf treas ft blvd rd sq dept est tel ext mlle mme rt adj adv asst ens insp
"""
# ... only when capitalised ("mass." in lower case ends a sentence, "Mass." is a state), and only in front of a number.
_ABBREVIATIONS_CAPITAL = "Az Ark Del Ill La Mass Miss Ore Pa Tex Wash"
_ABBREVIATIONS_NUMBER = "no nos prop fig figs pp op"
# "plan b. The" is two sentences, "t. Smith" is a name: capitalised, these words open a sentence after a single letter.
_OPENERS = """
    a about according additionally after an as at but he her here however if in it last many more now one other our she since
    so some such that the their then there these they this we what when while yet you
"""

_LETTER = r"[^\W\d_]"
_ALNUM = r"[^\W_]"
_THING = rf"{_ALNUM}+(?:[-_]{_ALNUM}+)*"
_CLITIC = r"(?:[smd]|ll|re|ve)(?!\w)"


def _any_of(words: str) -> str:
    return "|".join(sorted(words.split(), reverse=True))  # "pp" before "p": the longer one first


# Whatever no alternative matches (spaces, commas, quotes, single hyphens and full stops ...) is what COCO leaves out. Python
# takes the first alternative that matches, not the longest, so the order matters; the first line is only there for speed.
_TOKEN = re.compile(
    rf"""
      [A-Za-z]{{2,}}(?=[\s,]|$)
    | <[/!?]?[A-Za-z][^\s<>]*>                                                  # a tag: <b>
    | https?://[^\s"<>|()]*[^\s"<>|().,!?:;{{}}'-]
    | www\.[^\s"<>|()]*[^\s"<>|().,!?:;{{}}'-]
    | [A-Za-z0-9][\w.+-]{{0,64}}@\w[\w.-]*\b                                           # an address: dog@example.com
    | [@#][A-Za-z_]\w*                                                          # @name, #tag
    | (?i:\'[2-9]0s|\'\d\d(?=\s))                                           # '90s, '09
    | (?i:\'t(?=is(?:n't)?\b|was\b)|\'(?:em|till?|cause|n'?)(?!\w)|'{_CLITIC}|n't\w*)
    | [@&*+=|\\~^%$/°<>()\[\]{{}}](?=\s|$)
    | [dlnoA-HJ-XZ]'(?!(?i:{_CLITIC})){_LETTER}+                        # o'clock, d'oeuvre, O'Brien
    | {_LETTER}*(?i:[aeiouy])'(?!(?i:{_CLITIC}))(?=[aeiouA-Z])(?<![yY]'){_LETTER}+   # hawai'i
    | (?i:c'mon|s'mores|li'l|ev'ry|nat'l|nor'easter|y'(?=\w)|(?:ol|dunkin|somethin)'(?!\w))
    | (?:[A-Za-z]\.)+[A-Za-z]\.(?:-{_ALNUM}+)*(?!{_LETTER})                     # u.s., p.m., u.s.-made
    | {_LETTER}{_ALNUM}*(?:[.!?]{_LETTER}{_ALNUM}*)+                            # two sentences without a space: end.next
    | {_LETTER}{_ALNUM}*\.(?=[,;:])
    | [A-Za-z]\.(?!\s*$|\s+(?=[A-Z])(?i:{_any_of(_OPENERS)})(?!\w))                  # j. smith
    | (?i:{_any_of(_ABBREVIATIONS)})\.
    | (?:{_any_of(_ABBREVIATIONS_CAPITAL + " " + _ABBREVIATIONS_CAPITAL.upper())})\.
    | (?i:{_any_of(_ABBREVIATIONS_NUMBER)})\.(?=\s*\d)
    | [A-Z]+(?:&[A-Z]+)+
    | [A-Z]+\$
    | [+-]?\d*(?:[.:,]\d+)+(?:-\d+)?                                            # 2:46, 37,000, .5
    | {_THING}(?:/{_THING}){{0,2}}                                              # words, 4x4, close-up, and/or
    | (?:[+]|(?<!-)-)\d+
    | [:;=]-?[()]
    | [?!]{{2,}} | -{{5,}} | _+ | \#+ | [^\w\s.,:;?!'"`-]                       # other symbols, one at a time
    """,
    re.VERBOSE,
)

_REWRITTEN: dict[str, tuple[str, ...]] = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
    "lemme": ("lem", "me"),
    "gimme": ("gim", "me"),
    "(": ("-lrb-",),
    ")": ("-rrb-",),
    "[": ("-lsb-",),
    "]": ("-rsb-",),
    "{": ("-lcb-",),
    "}": ("-rcb-",),
    "€": ("$",),
    "£": ("#",),
    "¢": ("cents",),
}
# Nine captions in ten hold only words, commas and a last full stop: those need no more than a split at the spaces.
_PLAIN = re.compile(r"[A-Za-z, ]++(\.?)\s*")
_NOT_PLAIN = frozenset(_REWRITTEN)
_NOT_PLAIN_AT_END = frozenset(f"{_ABBREVIATIONS} {_ABBREVIATIONS_CAPITAL}".lower().split())
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d+|#x[0-9a-fA-F]+);")
_NOT = re.compile(r"(?i)(?<=[a-z])(?=n't)")
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("‘’‛", "'"),
        **dict.fromkeys("“”«»‹›„‟‚", '"'),
        **dict.fromkeys("‒–—―", " -- "),
        **dict.fromkeys("‐‑", "-"),
        **dict.fromkeys("\u200b\u200c\u2060\ufeff", " "),
        "\u00ad": None,
        "…": " ... ",
        "½": " 1/2 ",
        "¼": " 1/4 ",
        "¾": " 3/4 ",
    }
)


def _plain_typography(caption: str) -> str:
    """Curly quotes, dashes and the like as ASCII; accents composed; emoji (beyond the basic plane, not letters) out."""
    caption = unicodedata.normalize("NFC", caption.translate(_TYPOGRAPHY))
    return "".join(c if c <= "\uffff" or c.isalnum() else " " for c in caption)


def ptb_tokenize(caption: str) -> list[str]:
    """Splits a caption as COCO's evaluation does: Penn Treebank tokens in lower case without plain punctuation.

    Source: the tokens are those of the Stanford PTBTokenizer (Manning et al., ACL 2014, demonstrations) with lower-casing,
    less coco-caption's list of dropped punctuation (quotes, brackets spelt in capitals, ``. ? ! , : ; - -- ...``). Brackets
    become ``-lrb-`` and so on and stay, because that list has them in capitals only. Known to differ: numbers such as
    telephone numbers that the original joins across a space, and characters that it cannot tokenise.

    Args:
        caption: any text; empty text and text of punctuation alone give no tokens.

    Returns:
        Tokens without white space, none of them empty.
    """
    if plain := _PLAIN.fullmatch(caption):
        words = caption.lower().replace(",", " ").replace(".", " ").split()
        if _NOT_PLAIN.isdisjoint(words) and not (plain[1] and words and words[-1] in _NOT_PLAIN_AT_END):
            return words
    if not caption.isascii():
        caption = _plain_typography(caption)
    if "&" in caption:
        caption = _ENTITY.sub(lambda match: html.unescape(match[0]), caption)
    if "'" in caption:
        caption = _NOT.sub(" ", caption)
    tokens: list[str] = []
    for token in _TOKEN.findall(caption):
        lower = token.lower()
        if lower in _REWRITTEN:
            tokens.extend(_REWRITTEN[lower])
        else:
            tokens.append(lower)
    return tokens


# ------------------------------------------------------------------------------------------------- sentences for people

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
_CAPITALISED = frozenset(f"{word}." for word in f"mr mrs ms dr st mt jr sr {_ABBREVIATIONS_CAPITAL.lower()}".split())
_ACRONYM = re.compile(r"[a-z](?:\.[a-z])+\.?|[a-z]+(?:&[a-z]+)+")
_CLITICS = frozenset(["'s", "'m", "'d", "'ll", "'re", "'ve", "n't"])
_NO_SPACE_BEFORE = _CLITICS | frozenset([")", "]", "}", ".", ",", "!", "?", ";", ":", "%", "'"])
_NO_SPACE_AFTER = frozenset(["(", "[", "{", "#", "y'"])
_LONE_I = re.compile(r"(?<![\w'-])i(?![\w-]|\.\w)")


def _cased(token: str) -> str:
    """A word as it stands inside a sentence: most are lower case."""
    if token in _CASED:
        return _CASED[token]
    if token in _CAPITALISED:
        return token.capitalize()
    return token.upper() if _ACRONYM.fullmatch(token) else token


CLOSING = "\"'”’»)]"
"""What may stand behind the full stop that ends a sentence."""


def as_sentence(text: str) -> str:
    """A capital at the beginning, a full stop at the end; an ending that is there stays, empty text stays empty."""
    text = " ".join(text.split())
    if not any(character.isalnum() for character in text):
        return ""
    first = next(index for index, character in enumerate(text) if character.isalnum())
    text = text[:first] + text[first].upper() + text[first + 1 :]
    return text if text.rstrip(CLOSING).endswith((".", "!", "?", "…")) else text.rstrip(",;: ") + "."


_ENDS = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s++(?=[\"'“‘(\[]*+[A-Z0-9])")
_NO_ENDS = frozenset(f"{_ABBREVIATIONS} {_ABBREVIATIONS_CAPITAL} {_ABBREVIATIONS_NUMBER} e.g i.e vs".lower().split())


def split_sentences(text: str) -> list[str]:
    """English text, sentence by sentence: cut between an end and a capital or figure, but after no abbreviation or initial."""
    sentences, start = [], 0
    for end in _ENDS.finditer(text):
        word = text[max(start, text.rfind(" ", start, end.start()) + 1) : end.start()].lower()
        has_words = any(text[place].isalnum() for place in range(start, end.start()))
        if word in _NO_ENDS or "." in word or len(word) == 1 or not has_words:
            continue
        sentences.append(text[start : end.end()].rstrip())
        start = end.end()
    return [*sentences, text[start:]]


def _join_words(tokens: Sequence[str]) -> str:
    words = [_SPELT.get(token, token) for token in tokens]
    parts: list[str] = []
    glue = True  # whether the next word follows without a space
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


@dataclass(frozen=True)
class Tokenizer:
    """Text to tokens and back, by words or by characters; holds no state but its kind and direction.

    Attributes:
        kind: ``"word"``: the tokens of `ptb_tokenize`. ``"char"``: every character of the lower-cased text, runs of white space
            as one blank.
        direction: ``"right-to-left"``: the last token of the text is the first.
    """

    kind: TokenizerKind = "word"
    direction: Direction = "left-to-right"

    def __post_init__(self) -> None:
        for what, given, kinds in (
            ("kind", self.kind, get_args(TokenizerKind)),
            ("direction", self.direction, get_args(Direction)),
        ):
            if given not in kinds:
                raise UsageError(f"The tokenizer {what} {given!r} is unknown; choose one of: {', '.join(kinds)}.")

    def tokenize(self, text: str) -> list[str]:
        """Splits text into tokens; text without any gives an empty list."""
        tokens = list(" ".join(text.lower().split())) if self.kind == "char" else ptb_tokenize(text)
        return self._turned(tokens)

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Writes tokens as one sentence: capital, full stop, "a" or "an" by sound, no space before punctuation and clitics.

        Args:
            tokens: what `tokenize` gives, or a model wrote; none of the special tokens.

        Returns:
            The sentence, or the empty string if there is no letter and no digit in the tokens.
        """
        tokens = self._turned(tokens)
        text = "".join(tokens) if self.kind == "char" else _join_words(with_articles(tokens))
        return as_sentence(_LONE_I.sub("I", text))

    def _turned(self, tokens: Sequence[str]) -> list[str]:
        return list(tokens if self.direction == "left-to-right" else reversed(tokens))


# ----------------------------------------------------------------------------------------------------------- vocabulary


@dataclass(frozen=True)
class Vocabulary:
    """Tokens and their ids: a token's id is its place in `tokens`. Immutable, so it may be shared between threads.

    Attributes:
        tokens: the special tokens ``<pad> <bos> <eos> <unk>`` (ids 0 to 3), then all others, each once.

    Raises:
        ModelError: special tokens missing or not in front, a token twice, empty, or not a string.
    """

    tokens: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for token in self.tokens:
            if not isinstance(token, str) or not token:
                raise ModelError(f"The vocabulary holds {token!r}; every token must be a string that is not empty.")
        if self.tokens[: len(SPECIAL_TOKENS)] != SPECIAL_TOKENS:
            raise ModelError(
                f"The vocabulary begins with {list(self.tokens[:4])}; it must begin with {list(SPECIAL_TOKENS)}."
            )
        ids = {token: index for index, token in enumerate(self.tokens)}
        if len(ids) != len(self.tokens):
            twice = next(token for index, token in enumerate(self.tokens) if ids[token] != index)
            raise ModelError(f"The vocabulary holds {twice!r} twice; every token must be there once.")
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def build(cls, token_lists: Iterable[Sequence[str]], *, min_count: int = 1) -> Self:
        """Collects the tokens of a training set.

        Args:
            token_lists: one list of tokens a caption.
            min_count: at least 1; tokens seen less often become ``<unk>``.

        Returns:
            The vocabulary, the commonest tokens first, equally common ones in the order of their code points.

        Raises:
            UsageError: `min_count` below 1.
        """
        if min_count < 1:
            raise UsageError(f"min_count is {min_count}; it must be at least 1.")
        counts = Counter(token for tokens in token_lists for token in tokens)
        for token in SPECIAL_TOKENS:  # a caption that spells one of them must not take its id
            counts.pop(token, None)
        kept = sorted((token for token, count in counts.items() if count >= min_count), key=lambda t: (-counts[t], t))
        return cls((*SPECIAL_TOKENS, *kept))

    def extended(self, other: "Vocabulary") -> "Vocabulary":
        """This vocabulary, ids unchanged, and behind it the tokens that only `other` has."""
        return Vocabulary((*self.tokens, *(token for token in other.tokens if token not in self)))

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Ids of tokens, without ``<bos>`` and ``<eos>``; unknown tokens, and text that spells a special one, give `UNK`."""
        ids = (self._ids.get(token, UNK) for token in tokens)
        return [index if index > UNK else UNK for index in ids]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Tokens of ids up to the first `EOS`; other special ids are left out.

        Raises:
            IndexError: an id outside the vocabulary.
        """
        tokens = []
        for index in ids:
            if index == EOS:
                break
            if not 0 <= index < len(self.tokens):
                raise IndexError(f"id {index} is outside a vocabulary of {len(self.tokens)} tokens")
            if index > UNK:
                tokens.append(self.tokens[index])
        return tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def to_json(self) -> dict[str, list[str]]:
        """What `from_json` reads: one object with the list of all tokens."""
        return {"tokens": list(self.tokens)}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Reads what `to_json` wrote.

        Args:
            data: parsed JSON.

        Raises:
            ModelError: another structure, or tokens that a vocabulary refuses.
        """
        if not isinstance(data, dict) or set(data) != {"tokens"} or not isinstance(data["tokens"], list):
            raise ModelError(
                'The vocabulary is not an object {"tokens": [...]}; the file is damaged or made for something else.'
            )
        return cls(tuple(data["tokens"]))
