"""What users hold: a `Captioner` that turns photos into sentences. It keeps nothing between calls and may be shared by threads."""

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.decoding import DecodingOptions, Hypothesis, beam_search
from captioner.errors import ModelError, UsageError
from captioner.images import ImageLimits, Source, open_image, to_pixels
from captioner.models.decoder import Decoder
from captioner.models.encoders import Vectors
from captioner.text import BOS, EOS, PAD, UNK, Tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from captioner.models.encoder_decoder import EncoderDecoder

ENCODED_AT_ONCE = 4
"""Photos that a processor encodes together: with more, the largest grids leave its cache, and malloc fetches each anew."""


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
        tokens: the raw tokens.
        log_prob: natural logarithm of the sentence's probability, its end included; at most 0.
    """

    text: str
    tokens: tuple[str, ...]
    log_prob: float


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What the model says about a photo.

    Attributes:
        text: the best sentence, for people.
        tokens: its raw tokens.
        log_prob: natural logarithm of its probability, its end included; at most 0.
        confidence: in [0, 1]: the geometric mean of the probabilities of its tokens, its end included. It says how much
            of its belief the model put into each word on average; it is no probability that the caption is right, but
            captions above a value are better on average than those below it (see the model card).
        alternatives: the best sentences, the first of them this one; as many as were asked for.
        attention: a row for each token, the shares of attention on the grid's cells, row by row; None if not asked for.
        grid: rows and columns of that grid.
        width: of the upright photo in pixels.
        height: of the upright photo in pixels.
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


def generate(decoder: Decoder, vectors: Vectors, options: DecodingOptions) -> list[list[Hypothesis]]:
    """Search for sentences about B sets of vectors; see `beam_search`."""
    return beam_search(
        decoder.step,
        decoder.init_state(vectors),
        batch_size=len(vectors.values),
        bos=BOS,
        eos=EOS,
        options=options,
        banned=(PAD, BOS, UNK),
        device=vectors.values.device,
    )


class Captioner:
    """A model ready to describe photos."""

    def __init__(self, model: "EncoderDecoder", checkpoint: Checkpoint, *, device: torch.device) -> None:
        self._model = model.to(device)
        self._device = device
        self._tokenizer = Tokenizer(checkpoint.config.text.tokens)
        self.checkpoint = checkpoint

    @classmethod
    def load(cls, name: str | os.PathLike[str] | Checkpoint | None = None, *, device: str = "auto") -> Self:
        """Load a checkpoint directory, an embedded model by name, or (None) the default embedded model.

        Args:
            name: directory or name, or what `checkpoint.read` gave.
            device: `auto`, `cpu`, `cuda` or `mps`; `auto` takes the first of the other three that is there.

        Raises:
            ModelError: there is no usable model of that name.
            UsageError: this machine has no such device.
        """
        place = find_device(device)
        read = name if isinstance(name, Checkpoint) else checkpoint.read(name)
        model = checkpoint.load_model(read)
        model.encoder.fold()
        return cls(model, read, device=place)

    @property
    def decoding(self) -> DecodingOptions:
        """The checkpoint's decoding defaults."""
        return self.checkpoint.decoding

    def caption(
        self,
        image: Source,
        options: DecodingOptions | None = None,
        *,
        attention: bool = False,
        limits: ImageLimits | None = None,
    ) -> Caption:
        """Describe one photo.

        Args:
            image: a path, the bytes of a file, an open binary file, or a PIL image.
            options: what to search for; the checkpoint's own defaults if None.
            attention: also say where the model looked at each token.
            limits: greatest sizes accepted.

        Raises:
            ImageError: the photo cannot be read.
        """
        return self.caption_batch([image], options, attention=attention, limits=limits)[0]

    def caption_batch(
        self,
        images: Iterable[Source | PreparedPhoto],
        options: DecodingOptions | None = None,
        *,
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
            vectors = self._encode(photos)
            found = generate(self._model.decoder, vectors, options)
            if not all(found):
                raise ModelError(f"{self.checkpoint.path}: the model's probabilities are no numbers; it is damaged.")
            maps = self._attention(vectors, [hypotheses[0] for hypotheses in found]) if attention else None
        return [
            self._caption(photo, hypotheses, None if maps is None else maps[row])
            for row, (photo, hypotheses) in enumerate(zip(photos, found, strict=True))
        ]

    def prepare(self, image: Source, *, limits: ImageLimits | None = None) -> PreparedPhoto:
        """Read a photo for `caption_batch`, which may happen in another thread; see `caption`."""
        size = self.checkpoint.config.image.size
        photo = open_image(image, limits=limits or ImageLimits(), draft=size)
        return PreparedPhoto(pixels=to_pixels(photo.image, size), width=photo.width, height=photo.height)

    def _encode(self, photos: Sequence[PreparedPhoto]) -> Vectors:
        """Encode a batch; a processor takes it in handfuls, whose grids stay in its cache."""
        size = ENCODED_AT_ONCE if self._device.type == "cpu" else len(photos)
        parts = [photos[start : start + size] for start in range(0, len(photos), size)]
        return Vectors(torch.cat([self._model.encoder(self._images(part)).values for part in parts]))

    def _images(self, photos: Sequence[PreparedPhoto]) -> Tensor:
        """The encoder's input (B, 3, S, S), uint8."""
        pixels = torch.stack([torch.from_numpy(photo.pixels) for photo in photos])
        return pixels.permute(0, 3, 1, 2).to(self._device)

    def _attention(self, vectors: Vectors, hypotheses: Sequence[Hypothesis]) -> list[list[list[float]]]:
        """Where the model looked at each token: the search forgets it, so the sentences are read once more."""
        length = max(len(one.tokens) for one in hypotheses)
        rows = [[BOS, *one.tokens, *[PAD] * (length - len(one.tokens))] for one in hypotheses]
        tokens = torch.tensor(rows, device=self._device)[:, None]
        weights = self._model.decoder(vectors, tokens).attention[:, 0].tolist()
        return [weight[: len(one.tokens)] for weight, one in zip(weights, hypotheses, strict=True)]

    def _caption(
        self, photo: PreparedPhoto, hypotheses: Sequence[Hypothesis], attention: list[list[float]] | None
    ) -> Caption:
        sentences = tuple(self._alternative(one) for one in hypotheses)
        best = hypotheses[0]
        side = math.isqrt(len(attention[0])) if attention else 0
        return Caption(
            **{field.name: getattr(sentences[0], field.name) for field in dataclasses.fields(Alternative)},
            confidence=math.exp(best.log_prob / (len(best.tokens) + int(best.finished))),
            alternatives=sentences,
            attention=None if attention is None else tuple(map(tuple, attention)),
            grid=(side, side) if attention else None,
            width=photo.width,
            height=photo.height,
        )

    def _alternative(self, hypothesis: Hypothesis) -> Alternative:
        tokens = tuple(self.checkpoint.vocabulary.decode(hypothesis.tokens))
        return Alternative(text=self._tokenizer.detokenize(tokens), tokens=tokens, log_prob=hypothesis.log_prob)


def find_device(name: str) -> torch.device:
    """Find a device by name; `auto` prefers cuda, then mps, then cpu.

    Raises:
        UsageError: there is none of that name here.
    """
    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        return torch.device(next(device for device, present in there.items() if present()))
    if name not in there:
        raise UsageError(f"device {name!r} is unknown; known: auto, {', '.join(sorted(there))}.")
    if not there[name]():
        raise UsageError(f"device {name!r}: this machine has none that PyTorch can use; try cpu.")
    return torch.device(name)
