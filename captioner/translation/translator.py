"""What users hold for sentences: a `Translator` from English. It keeps nothing between calls and may be shared by
threads.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from captioner import checkpoint
from captioner.checkpoint import TranslatorCheckpoint
from captioner.checkpoint.weights import load_model
from captioner.decoding import DecodingOptions, Hypothesis
from captioner.errors import ModelError, SentenceError
from captioner.inference import attention_of, confidence_of, find_device, generate, reread
from captioner.text import CLOSING, EOS, PAD, as_sentence, split_sentences
from captioner.text.subwords import SPACE, as_text, normalize
from captioner.translation.copying import hide, put_back

if TYPE_CHECKING:
    from captioner.models.encoder_decoder import EncoderDecoder

LONGEST = 60
"""Subwords of a source sentence at most: some four captions. The embedded model has learned from no longer ones."""
AT_ONCE = 64
"""Sentences in a batch at most."""


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A sentence in another language.

    Attributes:
        text: the best translation, for people.
        source: the sentence as the model read it.
        language: of `text`, two letters.
        log_prob: natural logarithm of the translation's probability, its end included; at most 0.
        confidence: in [0, 1]: the geometric mean of the probabilities of its tokens, its end included.
        alternatives: the best translations, the first of them `text`; as many as were asked for.
        words: of `text`, punctuation with its word.
        source_words: the same of `source`.
        attention: a row for each of `words`, the shares of attention on `source_words`; None if not asked for.
    """

    text: str
    source: str
    language: str
    log_prob: float
    confidence: float
    alternatives: tuple[str, ...]
    words: tuple[str, ...]
    source_words: tuple[str, ...]
    attention: tuple[tuple[float, ...], ...] | None


class Translator:
    """A model ready to translate English sentences."""

    def __init__(
        self, model: "EncoderDecoder", checkpoint: TranslatorCheckpoint, *, device: torch.device, language: str = ""
    ) -> None:
        """Keep a model.

        Args:
            model: of the checkpoint.
            checkpoint: what belongs to the model.
            device: where the model is.
            language: what `translate` writes where it is not told; the checkpoint's first if empty.

        Raises:
            UsageError: the model does not know that language.
        """
        self._model = model
        self._device = device
        self.checkpoint = checkpoint
        self._starts = {name: checkpoint.target.language_token(name) for name in checkpoint.config.languages}
        self.language = language or checkpoint.config.languages[0]
        checkpoint.check_language(self.language)

    @classmethod
    def load(
        cls,
        name: str | os.PathLike[str] | TranslatorCheckpoint | None = None,
        *,
        language: str = "",
        device: str = "auto",
    ) -> Self:
        """Load a checkpoint directory, an embedded model by name, or (None) the default embedded translator.

        Args:
            name: directory or name, or what `checkpoint.read_translator` gave.
            language: what `translate` writes where it is not told; the model's first if empty.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            ModelError: there is no usable model of that name.
            UsageError: the model does not know that language, or this machine has no such device.
        """
        place = find_device(device)
        read = name if isinstance(name, TranslatorCheckpoint) else checkpoint.read_translator(name)
        model = load_model(read).to(place)
        model.settle()
        return cls(model, read, device=place, language=language)

    @property
    def languages(self) -> tuple[str, ...]:
        """What it can write, two letters each."""
        return self.checkpoint.config.languages

    @property
    def decoding(self) -> DecodingOptions:
        """The checkpoint's decoding defaults."""
        return self.checkpoint.decoding

    def translate(
        self, sentence: str, options: DecodingOptions | None = None, *, to: str = "", attention: bool = False
    ) -> Translation:
        """Translate one sentence.

        Args:
            sentence: in English, or several, each of which is translated by itself; a capital in front and a full stop
                are added where they are missing.
            options: what to search for; the checkpoint's own defaults if None.
            to: the language; `self.language` if empty.
            attention: also say which words it looked at for each word.

        Raises:
            UsageError: the language is unknown.
            SentenceError: the sentence is empty, too long or not UTF-8.
        """
        return self.translate_batch([sentence], options, to=to, attention=attention)[0]

    def translate_batch(
        self,
        sentences: Sequence[str],
        options: DecodingOptions | None = None,
        *,
        to: str = "",
        attention: bool = False,
    ) -> list[Translation]:
        """Translate several sentences at once. The batch changes nothing but speed. See `translate`."""
        language = to or self.language
        self.checkpoint.check_language(language)
        if not sentences:
            return []
        read = [self._read(sentence) for sentence in sentences]
        found = self._translate(
            [part for parts in read for part in parts], options or self.decoding, language, attention
        )
        return [_joined([next(found) for _ in parts]) for parts in read]

    def _translate(
        self, read: Sequence["_Read"], options: DecodingOptions, language: str, attention: bool
    ) -> Iterator[tuple[Translation, int]]:
        """Translations of single sentences, and how many tokens each has with its end."""
        bos = self._starts[language]
        for start in range(0, len(read), AT_ONCE):
            some = read[start : start + AT_ONCE]
            with torch.inference_mode():
                vectors = self._model.encoder(self._pad([sentence.ids for sentence in some]))
                found = generate(
                    self._model.decoder,
                    vectors,
                    options,
                    bos=bos,
                    banned=self._starts.values(),
                    unknown=torch.tensor([len(sentence.copied) for sentence in some]),
                )
                if not all(found):
                    where = self.checkpoint.path
                    raise ModelError(f"{where}: the model produced NaN; the checkpoint is probably corrupt.")
                best = [hypotheses[0] for hypotheses in found]
                forced = reread(self._model.decoder, vectors, best, bos=bos) if attention else None
                maps = attention_of(forced, best) if forced else None
            for row, sentence in enumerate(some):
                shown = None if maps is None else maps[row]
                yield (
                    self._translation(sentence, found[row], language, shown),
                    len(best[row].tokens) + best[row].finished,
                )

    def check_sentence(self, sentence: str) -> None:
        """Check that a sentence can be translated.

        Raises:
            SentenceError: it is empty, too long or not UTF-8.
        """
        self._read(sentence)

    def _read(self, text: str) -> list["_Read"]:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise SentenceError(f"{text[:40]!a} is not valid UTF-8; convert it.") from None
        return [self._read_one(sentence) for sentence in split_sentences(normalize(text))]

    def _read_one(self, sentence: str) -> "_Read":
        written = as_sentence(sentence)
        hidden, copied = hide(written, self.checkpoint.source)
        ids = self.checkpoint.source.encode(hidden)
        shown = sentence if len(sentence) <= 40 else f"{sentence[:40]}…"
        if not ids:
            raise SentenceError(f"{shown!r} contains no words to translate.")
        if len(ids) > LONGEST:
            raise SentenceError(
                f"{shown!r} is too long ({len(ids)} subwords, at most {LONGEST}); split it into shorter sentences."
            )
        return _Read(written, [*ids, EOS], copied)

    def _pad(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """(B, N), filled up with `PAD`."""
        rows = [torch.tensor(one, device=self._device) for one in ids]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)

    def _translation(
        self, read: "_Read", hypotheses: Sequence[Hypothesis], language: str, attention: list[list[float]] | None
    ) -> Translation:
        source, target = self.checkpoint.source, self.checkpoint.target
        best = hypotheses[0]
        written = [put_back([target.pieces[index] for index in one.tokens], read.copied) for one in hypotheses]
        end = read.sentence.rstrip(CLOSING)[-1]
        texts = tuple(_ended(as_text(pieces), end, language) for pieces in written)
        pieces = written[0]
        return Translation(
            text=texts[0],
            source=read.sentence,
            language=language,
            log_prob=best.log_prob,
            confidence=confidence_of(best),
            alternatives=texts,
            words=tuple(as_text(pieces[place] for place in places) for places in _words(pieces)),
            source_words=tuple(read.sentence.split()),
            attention=None
            if attention is None
            else _by_word(attention, _words(pieces), _words([source.pieces[index] for index in read.ids])),
        )


@dataclass(frozen=True)
class _Read:
    """A sentence as the model reads it.

    Attributes:
        sentence: with its capital and its full stop.
        ids: of its subwords, its end included.
        copied: the words that stand there as unknown tokens.
    """

    sentence: str
    ids: list[int]
    copied: list[str]


def _ended(text: str, end: str, language: str) -> str:
    """A sentence that ends as its source does (`end`), if it has no end: captions, from which the model has learned,
    neither ask nor shout.
    """
    if not text[-1:].isalnum():
        return text
    return f"{text}\N{NO-BREAK SPACE}{end}" if language == "fr" and end in "!?" else text + end


def _joined(parts: Sequence[tuple[Translation, int]]) -> Translation:
    """The translations of sentences that came together as one; each looks at its own sentence alone."""
    first, _ = parts[0]
    if len(parts) == 1:
        return first
    each = [part for part, _ in parts]
    log_prob = sum(part.log_prob for part in each)
    source_words = tuple(word for part in each for word in part.source_words)
    rows = []
    before = 0
    for part in each:
        after = len(source_words) - before - len(part.source_words)
        rows += [(0.0,) * before + row + (0.0,) * after for row in part.attention or ()]
        before += len(part.source_words)
    alternatives = tuple(" ".join(texts) for texts in zip(*(part.alternatives for part in each), strict=False))
    return Translation(
        text=alternatives[0],
        source=" ".join(part.source for part in each),
        language=first.language,
        log_prob=log_prob,
        confidence=math.exp(log_prob / sum(tokens for _, tokens in parts)),
        alternatives=alternatives,
        words=tuple(word for part in each for word in part.words),
        source_words=source_words,
        attention=None if first.attention is None else tuple(rows),
    )


def _words(pieces: Sequence[str]) -> list[list[int]]:
    """The places of each word's pieces; the end of the sentence counts to its last word."""
    words: list[list[int]] = []
    for place, piece in enumerate(pieces):
        if piece.startswith(SPACE) or not words:
            words.append([])
        words[-1].append(place)
    return words


def _by_word(
    attention: list[list[float]], words: list[list[int]], source: list[list[int]]
) -> tuple[tuple[float, ...], ...]:
    """Attention between words: added up over what was looked at, the mean over the pieces that looked."""
    return tuple(
        tuple(sum(attention[row][column] for row in rows for column in columns) / len(rows) for columns in source)
        for rows in words
    )
