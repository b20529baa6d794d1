"""From a sentence to tokens, and back to a sentence that a person would write."""

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
    """Text to tokens and back, by words or by characters; holds no state but its kind and direction.

    Attributes:
        kind: ``"word"``: the tokens of `ptb_tokenize`. ``"char"``: every character of the lower-cased text, runs of
            white space as one blank.
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
        """Writes tokens as one sentence: capital, full stop, "a" or "an" by sound, no space before punctuation and
        clitics.

        Args:
            tokens: what `tokenize` gives, or a model wrote; none of the special tokens.

        Returns:
            The sentence, or the empty string if there is no letter and no digit in the tokens.
        """
        tokens = self._turned(tokens)
        text = "".join(tokens) if self.kind == "char" else join_words(with_articles(tokens))
        return as_sentence(_LONE_I.sub("I", text))

    def _turned(self, tokens: Sequence[str]) -> list[str]:
        return list(tokens if self.direction == "left-to-right" else reversed(tokens))
