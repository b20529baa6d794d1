"""Text: sentences → tokens → ids, and back to properly written sentences.

This package exports the tokenizer and the vocabulary; the rest is in `english`, `penn`, `sentences` and `subwords`.
"""

from captioner.text.penn import ptb_tokenize
from captioner.text.sentences import CLOSING, as_sentence, split_sentences
from captioner.text.tokenizer import Direction, Tokenizer
from captioner.text.vocabulary import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, Vocabulary

ENGLISH = "en"
"""The language of captioning models and of the input of translators; other languages are translations."""

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
    "Vocabulary",
    "as_sentence",
    "ptb_tokenize",
    "split_sentences",
]
