"""What users hold: a `Captioner` that turns photos into sentences. It keeps nothing between calls and may be shared by
threads.
"""

import dataclasses
import math
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.checkpoint.weights import load_model
from captioner.confidence import Signals, signals_of_picture, signals_of_search
from captioner.decoding import DecodingOptions, Hypothesis
from captioner.errors import ModelError
from captioner.images import ImageLimits, Source, open_image, to_pixels
from captioner.inference import (
    Precision,
    attention_of,
    confidence_of,
    find_device,
    find_precision,
    generate,
    guesses_of,
    log_probs_of,
    log_probs_unseen,
    reread,
    word_constraints,
)
from captioner.models.interfaces import Vectors
from captioner.text import ENGLISH, Tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from captioner.models.encoder_decoder import EncoderDecoder
    from captioner.translation.translator import Translation, Translator

ENCODED_AT_ONCE = 4
"""Photos that a processor encodes together: with more, the largest grids leave its cache, and malloc fetches each anew.
"""


@dataclass(frozen=True, kw_only=True)
class PreparedPhoto:
    """A photo as a model wants it, which takes far less memory than the photo.

    Attributes:
        pixels: (S, S, 3), RGB, uint8.
        width: of the upright photo in pixels.
        height: of the upright photo in pixels.
    """

    pixels: "NDArray[np.uint8]"
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One sentence and how probable the model holds it.

    Attributes:
        text: the sentence, for people.
        tokens: the raw tokens, in the order in which the model wrote them.
        log_prob: natural logarithm of the sentence's probability, its end included; at most 0.
        steps: the same of each token and, last, of the end.
    """

    text: str
    tokens: tuple[str, ...]
    log_prob: float
    steps: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TokenGuess:
    """How probable the model held a token, and which others it held possible in its place.

    Attributes:
        log_prob: natural logarithm of the token's probability, given the tokens before it; at most 0.
        others: other tokens with their probabilities, the most probable first.
    """

    log_prob: float
    others: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What the model says about a photo.

    Attributes:
        text: the best sentence, for people, in the language that was asked for.
        tokens: the raw tokens of the English sentence.
        log_prob: natural logarithm of its probability, its end included; at most 0.
        confidence: in [0, 1]: the probability that the caption is close to people's (see `captioner.confidence`), or,
            where the checkpoint has no calibration, the geometric mean of the probabilities of its tokens, its end
            included.
        alternatives: the best sentences, the first of them this one; as many as were asked for.
        attention: a row for each token, the shares of attention on the grid's cells, row by row, less what a sentinel
            got; None if not asked for.
        grid: rows and columns of that grid.
        width: of the upright photo in pixels.
        height: of the upright photo in pixels.
        translation: what became of the English sentence; None if English was asked for.
        steps: natural logarithms of the probabilities of the raw tokens and, last, of the sentence's end.
        guesses: one for each token; None if attention was not asked for.
    """

    text: str
    tokens: tuple[str, ...]
    log_prob: float
    confidence: float
    alternatives: tuple[Alternative, ...]
    attention: tuple[tuple[float, ...], ...] | None
    grid: tuple[int, int] | None
    width: int
    height: int
    translation: "Translation | None" = None
    steps: tuple[float, ...] = ()
    guesses: tuple[TokenGuess, ...] | None = None

    @property
    def language(self) -> str:
        """Of `text`, two letters."""
        return self.translation.language if self.translation else ENGLISH

    @property
    def source(self) -> str:
        """The English sentence."""
        return self.translation.source if self.translation else self.text


class Captioner:
    """A model ready to describe photos."""

    def __init__(
        self,
        model: "EncoderDecoder",
        checkpoint: Checkpoint,
        *,
        device: torch.device,
        precision: Precision = "float32",
        language: str = ENGLISH,
    ) -> None:
        """Keep a model.

        Args:
            model: of the checkpoint.
            checkpoint: what belongs to the model.
            device: where the model is.
            precision: what the model computes in.
            language: what `caption` writes where it is not told.

        Raises:
            UsageError: the embedded translator does not know that language.
        """
        self._model = model
        self._device = device
        self._tokenizer = Tokenizer(checkpoint.config.text.tokens, checkpoint.config.text.direction)
        self._translator: Translator | None = None  # loaded when it is first needed
        self._loading = threading.Lock()
        self.checkpoint = checkpoint
        self.precision = precision
        self.language = language
        if language != ENGLISH:
            self._load_translator().checkpoint.check_language(language)

    @classmethod
    def load(
        cls,
        name: str | os.PathLike[str] | Checkpoint | None = None,
        *,
        device: str = "auto",
        precision: str = "auto",
        language: str = ENGLISH,
    ) -> Self:
        """Load a checkpoint directory, an embedded model by name, or (None) the default embedded model.

        Args:
            name: directory or name, or what `checkpoint.read` gave.
            device: `auto`, `cpu`, `cuda` or `mps`; `auto` takes the first of the other three that is there.
            precision: `auto`, `int8` or `float32`; `auto` takes int8 where it is faster: on an x86 processor with VNNI
                instructions, for a checkpoint that was prepared for it.
            language: what `caption` writes where it is not told; all but English by the embedded translator.

        Raises:
            ModelError: there is no usable model of that name.
            UsageError: this machine has no such device or no such precision, or the language is unknown.
        """
        place = find_device(device)
        read = checkpoint.read(name)
        chosen = find_precision(precision, place, prepared=bool(read.ranges))
        model = load_model(read, quantized=chosen == "int8").to(place)
        model.settle(read.ranges if chosen == "int8" else None)
        return cls(model, read, device=place, precision=chosen, language=language)

    @property
    def decoding(self) -> DecodingOptions:
        """The checkpoint's decoding defaults."""
        return self.checkpoint.decoding

    def caption(
        self,
        image: Source,
        options: DecodingOptions | None = None,
        *,
        language: str = "",
        attention: bool = False,
        limits: ImageLimits | None = None,
    ) -> Caption:
        """Describe one photo.

        Args:
            image: a path, the bytes of a file, an open binary file, or a PIL image.
            options: what to search for; the checkpoint's own defaults if None.
            language: of the sentence, two letters; `self.language` if empty.
            attention: also say where the model looked at each token of the English sentence, and how probable each was.
            limits: greatest sizes accepted.

        Raises:
            ImageError: the photo cannot be read.
            UsageError: the language is unknown.
        """
        return self.caption_batch([image], options, language=language, attention=attention, limits=limits)[0]

    def caption_batch(
        self,
        images: Iterable[Source | PreparedPhoto],
        options: DecodingOptions | None = None,
        *,
        language: str = "",
        attention: bool = False,
        limits: ImageLimits | None = None,
    ) -> list[Caption]:
        """Describe several photos at once; all of them are in memory together. See `caption`.

        The batch changes nothing but speed: each photo is described as it would be alone.
        """
        photos = [image if isinstance(image, PreparedPhoto) else self.prepare(image, limits=limits) for image in images]
        if not photos:
            return []
        options = options or self.decoding
        with torch.inference_mode():
            vectors, found = self._search(photos, options)
            best = [hypotheses[0] for hypotheses in found]
            forced = reread(self._model.decoder, vectors, best) if attention else None
            maps, guesses = (attention_of(forced, best), guesses_of(forced, best)) if forced else (None, None)
            confidences = self._confidences(photos, best, vectors)
        captions = [
            self._caption(photo, hypotheses, confidence, None if maps is None else maps[row])
            for row, (photo, hypotheses, confidence) in enumerate(zip(photos, found, confidences, strict=True))
        ]
        if guesses:
            pairs = zip(captions, guesses, strict=True)
            captions = [dataclasses.replace(one, guesses=self._guesses(some)) for one, some in pairs]
        language = language or self.language
        return captions if language == ENGLISH else self._translated(captions, language, attention=attention)

    def log_probs(
        self, images: Iterable[Source | PreparedPhoto], sentences: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """How probable the model holds given sentences about photos.

        Args:
            images: photos, as for `caption`.
            sentences: for each photo at least one English sentence; a word that the model does not know is an unknown
                one.

        Returns:
            For each sentence the natural logarithm of its probability, its end included.

        Raises:
            ImageError: a photo cannot be read.
        """
        photos = [image if isinstance(image, PreparedPhoto) else self.prepare(image) for image in images]
        encode, tokenize = self.checkpoint.vocabulary.encode, self._tokenizer.tokenize
        ids = [[encode(tokenize(text)) for text in texts] for texts in sentences]
        with torch.inference_mode():
            return log_probs_of(self._model.decoder, self._encode(photos), ids)

    def prepare(self, image: Source, *, limits: ImageLimits | None = None) -> PreparedPhoto:
        """Read a photo for `caption_batch`, which may happen in another thread; see `caption`."""
        size = self.checkpoint.config.image.size
        photo = open_image(image, limits=limits or ImageLimits(), draft=size)
        return PreparedPhoto(pixels=to_pixels(photo.image, size), width=photo.width, height=photo.height)

    def _search(
        self, photos: Sequence[PreparedPhoto], options: DecodingOptions
    ) -> tuple[Vectors, list[list[Hypothesis]]]:
        vectors = self._encode(photos)
        constraints = word_constraints(options, self.checkpoint.vocabulary)
        found = generate(self._model.decoder, vectors, options, constraints=constraints)
        if not all(found):
            raise ModelError(f"{self.checkpoint.path}: the model produced NaN; the checkpoint is probably corrupt.")
        return vectors, found

    def _encode(self, photos: Sequence[PreparedPhoto]) -> Vectors:
        """Encode a batch; a processor takes it in handfuls, whose grids stay in its cache."""
        size = ENCODED_AT_ONCE if self._device.type == "cpu" else len(photos)
        parts = [photos[start : start + size] for start in range(0, len(photos), size)]
        return Vectors(torch.cat([self._model.encoder(self._images(part)).values for part in parts]))

    def _images(self, photos: Sequence[PreparedPhoto]) -> Tensor:
        """The encoder's input (B, 3, S, S), uint8."""
        pixels = torch.stack([torch.from_numpy(photo.pixels) for photo in photos])
        return pixels.permute(0, 3, 1, 2).to(self._device)

    def signals(self, photos: Sequence[PreparedPhoto]) -> list[tuple[str, Signals]]:
        """The sentence about each photo, and what its confidence follows from; for fitting a calibration."""
        with torch.inference_mode():
            vectors, found = self._search(photos, self.decoding)
            best = [hypotheses[0] for hypotheses in found]
            signals = self._signals(photos, best, vectors)
        return [(self._alternative(one).text, both) for one, both in zip(best, signals, strict=True)]

    def _signals(self, photos: Sequence[PreparedPhoto], best: Sequence[Hypothesis], vectors: Vectors) -> list[Signals]:
        unseen = log_probs_unseen(self._model.decoder, vectors, best)
        return [
            (signals_of_search(one, log_prob), signals_of_picture(photo.pixels))
            for photo, one, log_prob in zip(photos, best, unseen, strict=True)
        ]

    def _confidences(
        self, photos: Sequence[PreparedPhoto], best: Sequence[Hypothesis], vectors: Vectors
    ) -> list[float]:
        calibration = self.checkpoint.calibration
        if calibration is None:
            return [confidence_of(one) for one in best]
        return [calibration.confidence(*both) for both in self._signals(photos, best, vectors)]

    def _caption(
        self,
        photo: PreparedPhoto,
        hypotheses: Sequence[Hypothesis],
        confidence: float,
        attention: list[list[float]] | None,
    ) -> Caption:
        sentences = tuple(self._alternative(one) for one in hypotheses)
        side = math.isqrt(len(attention[0])) if attention else 0
        return Caption(
            **{field.name: getattr(sentences[0], field.name) for field in dataclasses.fields(Alternative)},
            confidence=confidence,
            alternatives=sentences,
            attention=None if attention is None else tuple(map(tuple, attention)),
            grid=(side, side) if attention else None,
            width=photo.width,
            height=photo.height,
        )

    def _guesses(self, found: Sequence[tuple[float, Sequence[tuple[int, float]]]]) -> tuple[TokenGuess, ...]:
        words = self.checkpoint.vocabulary.decode
        return tuple(
            TokenGuess(log_prob=log_prob, others=tuple((words([id_])[0], share) for id_, share in others if share > 0))
            for log_prob, others in found
        )

    def _translated(self, captions: Sequence[Caption], language: str, *, attention: bool) -> list[Caption]:
        """The same captions in another language, their alternatives too."""
        translator = self._load_translator()
        # Each once, and none without a word, which a strange vocabulary may give: there is nothing to translate in it.
        sentences = list(dict.fromkeys(one.text for caption in captions for one in caption.alternatives if one.text))
        found = translator.translate_batch(sentences, to=language, attention=attention)
        by_text = dict(zip(sentences, found, strict=True))
        return [
            dataclasses.replace(
                caption,
                text=by_text[caption.text].text if caption.text else "",
                alternatives=tuple(
                    dataclasses.replace(one, text=by_text[one.text].text) if one.text else one
                    for one in caption.alternatives
                ),
                translation=by_text.get(caption.text),
            )
            for caption in captions
        ]

    def _load_translator(self) -> "Translator":
        from captioner.translation.translator import Translator

        with self._loading:
            if self._translator is None:
                self._translator = Translator.load(device=self._device.type)
            return self._translator

    def _alternative(self, hypothesis: Hypothesis) -> Alternative:
        tokens = tuple(self.checkpoint.vocabulary.decode(hypothesis.tokens))
        text = self._tokenizer.detokenize(tokens)
        return Alternative(text=text, tokens=tokens, log_prob=hypothesis.log_prob, steps=hypothesis.steps)
