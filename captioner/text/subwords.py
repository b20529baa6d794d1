"""Subwords: pieces of words that a vocabulary of a few thousand writes every word with (byte-pair encoding).

Case, accents and punctuation stay. The pieces are learned and found by sentencepiece (Kudo and Richardson 2018; the
encoding: Sennrich et al. 2016); its model is a file of plain data.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Self

import sentencepiece

from captioner.errors import ModelError, UsageError
from captioner.text import EOS, SPECIAL_TOKENS, UNK

SPACE = "▁"
"""What a piece begins with where a word begins."""


class Subwords:
    """The pieces of one vocabulary and their ids: text → ids → text. Immutable, so it may be shared between threads."""

    def __init__(self, model: bytes) -> None:
        """Read a model.

        Args:
            model: sentencepiece's.

        Raises:
            ModelError: it is none, or has other special tokens in front.
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
            size: pieces at most, special ones included.
            languages: for each of them there is a token that text never spells, see `language_token`.

        Raises:
            UsageError: so few pieces cannot spell the corpus.
        """
        model = bytearray()

        class Writer:
            def write(self, data: bytes) -> None:
                model.extend(data)

        pad, bos, eos, unk = SPECIAL_TOKENS
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=map(normalize, sentences),
                model_writer=Writer(),
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
        return cls(bytes(model))

    def __len__(self) -> int:
        return int(self._processor.GetPieceSize())

    def encode(self, text: str) -> list[int]:
        """Ids of a text's pieces; a character never seen gives `UNK`, empty text nothing."""
        ids: list[int] = self._processor.EncodeAsIds(normalize(text))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of pieces; what is no text is left out."""
        return as_text(self.pieces[index] for index in ids if not self.is_control(index))

    def is_control(self, index: int) -> bool:
        """Whether a piece stands for something else than text."""
        return bool(self._processor.IsControl(index) or self._processor.IsUnknown(index))

    def language_token(self, language: str) -> int:
        """The id that a sentence in that language begins with.

        Raises:
            ModelError: there is none.
        """
        index = int(self._processor.PieceToId(f"<{language}>"))
        if not self.is_control(index) or index == UNK:
            raise ModelError(f"the vocabulary has no token for language {language!r}.")
        return index


def as_text(pieces: Iterable[str]) -> str:
    """What pieces spell."""
    return "".join(pieces).replace(SPACE, " ").strip()


def normalize(text: str) -> str:
    """Text with its accents composed and single blanks for all white space."""
    return " ".join(unicodedata.normalize("NFC", text).split())
