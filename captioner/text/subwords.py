"""Subwords (byte-pair encoding): a vocabulary of a few thousand pieces that can spell every word.

Case, accents and punctuation are kept. The pieces are learned and applied by sentencepiece (Kudo and Richardson 2018;
the encoding: Sennrich et al. 2016), whose model files contain only data.
"""

import io
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Self

import sentencepiece

from captioner.errors import ModelError, UsageError
from captioner.text import EOS, SPECIAL_TOKENS, UNK

SPACE = "▁"
"""The first character of a piece that begins a word."""


class Subwords:
    """The pieces of one vocabulary and their ids: text → ids → text. Immutable, so it may be shared between threads."""

    def __init__(self, model: bytes) -> None:
        """Read a model.

        Args:
            model: a sentencepiece model.

        Raises:
            ModelError: the model is invalid, or does not begin with the special tokens.
        """
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError:
            raise ModelError("not a sentencepiece model; the file is damaged or belongs to another program.") from None
        self.pieces: tuple[str, ...] = tuple(self._processor.IdToPiece(list(range(len(self)))))
        if self.pieces[: len(SPECIAL_TOKENS)] != SPECIAL_TOKENS:
            raise ModelError(f"the pieces begin with {list(self.pieces[:4])}; expected {list(SPECIAL_TOKENS)}.")

    @classmethod
    def learn(cls, sentences: Iterable[str], *, size: int, languages: Sequence[str] = ()) -> Self:
        """Learn the pieces of a corpus.

        Args:
            sentences: the corpus.
            size: maximum number of pieces, including special ones.
            languages: languages to add a special token for; see `language_token`.

        Raises:
            UsageError: `size` is too small to spell the corpus.
        """
        model = io.BytesIO()
        pad, bos, eos, unk = SPECIAL_TOKENS
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=map(normalize, sentences),
                model_writer=model,
                model_type="bpe",
                vocab_size=size,
                hard_vocab_limit=False,
                character_coverage=1.0,
                normalization_rule_name="identity",
                split_digits=True,
                control_symbols=[f"<{language}>" for language in languages],
                pad_id=0,
                bos_id=1,
                eos_id=EOS,
                unk_id=UNK,
                pad_piece=pad,
                bos_piece=bos,
                eos_piece=eos,
                unk_piece=unk,
                minloglevel=2,
            )
        except RuntimeError:
            raise UsageError(
                f"{size} subwords are too few to spell these sentences; choose a larger vocabulary."
            ) from None
        return cls(model.getvalue())

    def __len__(self) -> int:
        return int(self._processor.GetPieceSize())

    def encode(self, text: str) -> list[int]:
        """Ids of the pieces of a text. Unknown characters become `UNK`; an empty text has no pieces."""
        ids: list[int] = self._processor.EncodeAsIds(normalize(text))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Join pieces to text, without special pieces."""
        return as_text(self.pieces[index] for index in ids if not self.is_control(index))

    def is_control(self, index: int) -> bool:
        """Whether a piece is special and does not represent text."""
        return bool(self._processor.IsControl(index) or self._processor.IsUnknown(index))

    def language_token(self, language: str) -> int:
        """The id of the first token of sentences in a language.

        Raises:
            ModelError: the vocabulary has no token for this language.
        """
        index = int(self._processor.PieceToId(f"<{language}>"))
        if not self.is_control(index) or index == UNK:
            raise ModelError(f"the vocabulary has no token for language {language!r}.")
        return index


def as_text(pieces: Iterable[str]) -> str:
    """Join pieces to text."""
    return "".join(pieces).replace(SPACE, " ").strip()


def normalize(text: str) -> str:
    """Compose accents (NFC), and replace runs of white space by single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())
