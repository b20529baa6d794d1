"""Convert sentences to tokens, and tokens to properly written sentences."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from captioner.errors import UsageError
from captioner.text.english import with_articles
from captioner.text.penn import ptb_tokenize
from captioner.text.sentences import as_sentence, join_words

TokenizerKind = Literal["word", "char"]
Direction = Literal["left-to-right", "right-to-left"]
_LONE_I = re.compile(r"(?<![\w'-])i(?![\w-]|\.\w)")


@dataclass(frozen=True)
class Tokenizer:
    """Converts text to tokens and back, by words or by characters.

    Attributes:
        kind: ``"word"``: the tokens of `ptb_tokenize`. ``"char"``: the characters of the lower-cased text, with runs
            of white space as one space.
        direction: with ``"right-to-left"``, the tokens are in reverse order.
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
        """Split text into tokens, possibly none."""
        tokens = list(" ".join(text.lower().split())) if self.kind == "char" else ptb_tokenize(text)
        return self._turned(tokens)

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Join tokens to a sentence, with capital, full stop, "a" or "an" by sound, and correct spaces.

        Args:
            tokens: from `tokenize` or from a model, without special tokens.

        Returns:
            The sentence; empty if the tokens contain no letter and no digit.
        """
        tokens = self._turned(tokens)
        text = "".join(tokens) if self.kind == "char" else join_words(with_articles(tokens))
        return as_sentence(_LONE_I.sub("I", text))

    def _turned(self, tokens: Sequence[str]) -> list[str]:
        return list(tokens if self.direction == "left-to-right" else reversed(tokens))
