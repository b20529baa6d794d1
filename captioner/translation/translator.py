"""The `Translator` from English. It is stateless and may be shared between threads."""

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
"""Maximum number of subwords in a source sentence, about four captions; the longest in the training data."""
AT_ONCE = 64
"""Maximum number of sentences per batch."""


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A translated sentence.

    Attributes:
        text: the best translation.
        source: the source sentence as read by the model.
        language: two-letter code of the language of `text`.
        log_prob: natural logarithm of the translation's probability, including its end; at most 0.
        confidence: in [0, 1], the geometric mean of the probabilities of its tokens, including its end.
        alternatives: the requested number of best translations, starting with `text`.
        words: words of `text`, with attached punctuation.
        source_words: words of `source`.
        attention: for each of `words`, the attention weights of `source_words`; None if not requested.
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
    """A loaded model that translates English sentences."""

    def __init__(
        self, model: "EncoderDecoder", checkpoint: TranslatorCheckpoint, *, device: torch.device, language: str = ""
    ) -> None:
        """Wrap a loaded model.

        Args:
            model: the model of the checkpoint.
            checkpoint: the checkpoint of the model.
            device: device of the model.
            language: default target language; the first of the checkpoint if empty.

        Raises:
            UsageError: the model does not support this language.
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
            name: directory, name, or result of `checkpoint.read_translator`.
            language: default target language; the first of the model if empty.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            ModelError: there is no usable model with that name.
            UsageError: the model does not support this language, or the device is not available.
        """
        place = find_device(device)
        read = name if isinstance(name, TranslatorCheckpoint) else checkpoint.read_translator(name)
        model = load_model(read).to(place)
        model.settle()
        return cls(model, read, device=place, language=language)

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter codes of the target languages."""
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
            sentence: one or more English sentences, which are translated separately. A missing initial capital or final
                full stop is added.
            options: decoding options; the checkpoint's defaults if None.
            to: target language; `self.language` if empty.
            attention: also return attention weights.

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
        """Translate several sentences. Batches affect only speed. See `translate`."""
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
        """Yield translations of single sentences and their numbers of tokens, including the end."""
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
        """(B, N), padded with `PAD`."""
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
    """A source sentence, prepared for the model.

    Attributes:
        sentence: with initial capital and full stop.
        ids: ids of its subwords, including the end.
        copied: the words replaced by unknown tokens.
    """

    sentence: str
    ids: list[int]
    copied: list[str]


def _ended(text: str, end: str, language: str) -> str:
    """Add the ending of the source (`end`) if there is none, because the training captions have no "?" or "!"."""
    if not text[-1:].isalnum():
        return text
    return f"{text}\N{NO-BREAK SPACE}{end}" if language == "fr" and end in "!?" else text + end


def _joined(parts: Sequence[tuple[Translation, int]]) -> Translation:
    """Join the translations of the sentences of one text. Each attends only to its own sentence."""
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
    """The indices of the pieces of each word; the end of the sentence belongs to the last word."""
    words: list[list[int]] = []
    for place, piece in enumerate(pieces):
        if piece.startswith(SPACE) or not words:
            words.append([])
        words[-1].append(place)
    return words


def _by_word(
    attention: list[list[float]], words: list[list[int]], source: list[list[int]]
) -> tuple[tuple[float, ...], ...]:
    """Attention between words: the sum over source pieces, and the mean over target pieces."""
    return tuple(
        tuple(sum(attention[row][column] for row in rows for column in columns) / len(rows) for columns in source)
        for rows in words
    )
