"""`Captioner`, which captions photos. It is stateless and thread-safe."""

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
"""Photos per encoder batch on a CPU. With more, feature maps exceed its cache, and each needs a new allocation."""


@dataclass(frozen=True, kw_only=True)
class PreparedPhoto:
    """A photo resized for the model; it takes far less memory than the original.

    Attributes:
        pixels: (S, S, 3), RGB, uint8.
        width: width of the upright photo in pixels.
        height: height of the upright photo in pixels.
    """

    pixels: "NDArray[np.uint8]"
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """A sentence and its log-probability.

    Attributes:
        text: the sentence, with capitals and punctuation.
        tokens: the raw tokens, in the order in which the model generated them.
        log_prob: natural log-probability of the sentence, including its end; at most 0.
        steps: natural log-probability of each token and, last, of the end of the sentence.
    """

    text: str
    tokens: tuple[str, ...]
    log_prob: float
    steps: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TokenGuess:
    """The log-probability of a token, and the most probable other tokens at its position.

    Attributes:
        log_prob: natural log-probability of the token, given the tokens before it; at most 0.
        others: other tokens and their probabilities, most probable first.
    """

    log_prob: float
    others: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Caption:
    """The caption of a photo.

    Attributes:
        text: the best sentence, in the requested language.
        tokens: the raw tokens of the English sentence.
        log_prob: natural log-probability of the English sentence, including its end; at most 0.
        confidence: in [0, 1]: the calibrated probability that the caption is close to captions by people (see
            `captioner.confidence`). Without calibration, the geometric mean of the token probabilities, including the
            end of the sentence.
        alternatives: the `num_captions` best sentences, starting with this one; fewer if the search found fewer.
        attention: for each token, the attention weights of the grid's cells, row by row. They sum to 1, less the
            sentinel's weight. None if not requested.
        grid: rows and columns of the attention grid; None if attention was not requested.
        width: width of the upright photo in pixels.
        height: height of the upright photo in pixels.
        translation: the translation of the English sentence; None if the language is English.
        steps: natural log-probability of each raw token and, last, of the end of the sentence.
        guesses: one per raw token; None if attention was not requested.
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
        """Language of `text`, as a two-letter code."""
        return self.translation.language if self.translation else ENGLISH

    @property
    def source(self) -> str:
        """The English sentence that `text` was translated from, or `text` itself."""
        return self.translation.source if self.translation else self.text


class Captioner:
    """A loaded model that captions photos."""

    def __init__(
        self,
        model: "EncoderDecoder",
        checkpoint: Checkpoint,
        *,
        device: torch.device,
        precision: Precision = "float32",
        language: str = ENGLISH,
    ) -> None:
        """Wrap a loaded model; `load` is the usual way to create a captioner.

        Args:
            model: the model.
            checkpoint: its checkpoint.
            device: the model's device.
            precision: the model's precision.
            language: default language of captions.

        Raises:
            UsageError: the embedded translator does not support the language.
        """
        self._model = model
        self._device = device
        self._tokenizer = Tokenizer(checkpoint.config.text.tokens, checkpoint.config.text.direction)
        self._translator: Translator | None = None  # loaded on first use
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
        """Load a model.

        Args:
            name: a checkpoint directory, the name of an embedded model, or the result of `checkpoint.read`; None for
                the default embedded model.
            device: `auto`, `cpu`, `cuda` or `mps`. `auto` prefers cuda, then mps, then cpu.
            precision: `auto`, `int8` or `float32`. `auto` chooses int8 where it is faster: on x86 processors with VNNI
                instructions, if the checkpoint has input ranges (`python -m train quantize`).
            language: default language of captions, as a two-letter code. Other languages than English are translated
                by the embedded translator.

        Raises:
            ModelError: there is no such model, or it is damaged.
            UsageError: the device or the precision is not available, or the language is not supported.
        """
        place = find_device(device)
        read = checkpoint.read(name)
        chosen = find_precision(precision, place, prepared=bool(read.ranges))
        model = load_model(read, quantized=chosen == "int8").to(place)
        model.settle(read.ranges if chosen == "int8" else None)
        return cls(model, read, device=place, precision=chosen, language=language)

    @property
    def precision_setting(self) -> str:
        """The value of `precision` that loads this model: `auto`, unless float32 was asked for where int8 is faster."""
        auto = self.precision == find_precision("auto", self._device, prepared=bool(self.checkpoint.ranges))
        return "auto" if auto else self.precision

    @property
    def decoding(self) -> DecodingOptions:
        """The checkpoint's default decoding options."""
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
        """Caption one photo.

        Args:
            image: a path, the bytes of a file, an open binary file, or a PIL image.
            options: decoding options; None for the checkpoint's defaults.
            language: language of the caption, as a two-letter code; `self.language` if empty.
            attention: also return the attention weights and the probability of each token of the English sentence.
            limits: limits on the size of the image.

        Raises:
            ImageError: the photo cannot be read.
            UsageError: the language is not supported.
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
        """Caption several photos as one batch, which is in memory as a whole; see `caption`.

        Batching affects only speed: each photo gets the same caption as alone.
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
        """Compute the log-probabilities of given sentences about photos.

        Args:
            images: photos, as for `caption`.
            sentences: at least one English sentence per photo. Words outside the vocabulary count as `<unk>`.

        Returns:
            For each photo and sentence, its natural log-probability, including the end of the sentence.

        Raises:
            ImageError: a photo cannot be read.
        """
        photos = [image if isinstance(image, PreparedPhoto) else self.prepare(image) for image in images]
        encode, tokenize = self.checkpoint.vocabulary.encode, self._tokenizer.tokenize
        ids = [[encode(tokenize(text)) for text in texts] for texts in sentences]
        with torch.inference_mode():
            return log_probs_of(self._model.decoder, self._encode(photos), ids)

    def prepare(self, image: Source, *, limits: ImageLimits | None = None) -> PreparedPhoto:
        """Read and resize a photo for `caption_batch`, possibly in another thread; see `caption`."""
        size = self.checkpoint.config.image.size
        photo = open_image(image, limits=limits or ImageLimits(), draft=size)
        return PreparedPhoto(pixels=to_pixels(photo.image, size), width=photo.width, height=photo.height)

    def _search(
        self, photos: Sequence[PreparedPhoto], options: DecodingOptions
    ) -> tuple[Vectors, list[list[Hypothesis]]]:
        vectors, constraints = self._encode(photos), word_constraints(options, self.checkpoint.vocabulary)
        found = generate(self._model.decoder, vectors, options, constraints=constraints)
        if not all(found):
            raise ModelError(f"{self.checkpoint.path}: the model produced NaN; the checkpoint is probably corrupt.")
        return vectors, found

    def _encode(self, photos: Sequence[PreparedPhoto]) -> Vectors:
        """Encode a batch; on a CPU in smaller batches, whose feature maps fit its cache."""
        size = ENCODED_AT_ONCE if self._device.type == "cpu" else len(photos)
        parts = [photos[start : start + size] for start in range(0, len(photos), size)]
        return Vectors(torch.cat([self._model.encoder(self._images(part)).values for part in parts]))

    def _images(self, photos: Sequence[PreparedPhoto]) -> Tensor:
        """The encoder's input (B, 3, S, S), uint8."""
        pixels = torch.stack([torch.from_numpy(photo.pixels) for photo in photos])
        return pixels.permute(0, 3, 1, 2).to(self._device)

    def signals(self, photos: Sequence[PreparedPhoto]) -> list[tuple[str, Signals]]:
        """Caption photos, and compute the signals that a calibration of confidence is fitted on."""
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
        """Translate captions and their alternatives."""
        translator = self._load_translator()
        # Translate each distinct sentence once. Empty ones, which an unusual vocabulary may produce, are left out.
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
