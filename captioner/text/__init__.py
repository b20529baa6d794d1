"""Text: from a sentence to tokens, to ids, and back to a sentence that a person would write.

The tokenizer and the vocabulary are here by name; `english`, `penn`, `sentences` and `subwords` have the rest.
"""

from captioner.text.penn import ptb_tokenize
from captioner.text.sentences import CLOSING, as_sentence, split_sentences
from captioner.text.tokenizer import Direction, Tokenizer, TokenizerKind
from captioner.text.vocabulary import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, Vocabulary

ENGLISH = "en"
"""What captioners write and translators read; all other languages are translations."""

__all__ = [
    "BOS",
    "CLOSING",
    "ENGLISH",
    "EOS",
    "PAD",
    "SPECIAL_TOKENS",
    "UNK",
    "Direction",
    "Tokenizer",
    "TokenizerKind",
    "Vocabulary",
    "as_sentence",
    "ptb_tokenize",
    "split_sentences",
]
