"""What all objectives have in common: the next word of people's captions under teacher forcing."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol

from torch import Tensor

from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.interfaces import Forced, Vectors
from captioner.text import Direction, Vocabulary
from train.batches import Batch
from train.config import LoopSettings, PhaseBase
from train.objectives.cross_entropy import Loss, attention_penalty, cross_entropy
from train.objectives.distillation import Teachers


class Material(Protocol):
    """What objectives know of captioned photos; see `train.photos.corpus.Corpus`."""

    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def direction(self) -> Direction: ...
    @property
    def words(self) -> Sequence[Sequence[Sequence[str]]]: ...
    @property
    def captions(self) -> list[list[list[int]]]: ...
    @property
    def texts(self) -> list[list[int]]: ...
    @property
    def lengths(self) -> list[int]: ...


class Objective(ABC):
    """The loss of one phase, and which captions its batches hold.

    Attributes:
        settings: dataclass of the settings that this objective has.
        photos: whether its captions are about photos.
        together: captions without photos that are taken for those of one photo.
    """

    settings: ClassVar[type[PhaseBase]] = PhaseBase
    photos: ClassVar[bool] = True
    together: ClassVar[int] = 1

    def __init__(
        self,
        training: LoopSettings,
        phase: PhaseBase,
        *,
        max_length: int,
        corpus: Material | None = None,
        teachers: Teachers | None = None,
    ) -> None:
        """Prepare for a phase.

        Args:
            training: settings of all phases.
            phase: those of this one.
            max_length: most tokens that a search writes.
            corpus: photos and captions; None where sentences are translated.
            teachers: other models to learn from, if there are any.
        """
        self.training = training
        self.phase = phase
        self.max_length = max_length
        self.corpus = corpus
        self.teachers = teachers

    @classmethod  # noqa: B027 - most objectives have nothing to check
    def check(cls, phase: PhaseBase) -> None:
        """Check a phase's settings for what this objective cannot do.

        Raises:
            ValueError: a setting contradicts the objective, or would do nothing.
        """

    @classmethod
    def own_settings(cls) -> tuple[str, ...]:
        """Names of the settings that only this objective has."""
        common = {field.name for field in dataclasses.fields(PhaseBase)}
        return tuple(field.name for field in dataclasses.fields(cls.settings) if field.name not in common)

    @classmethod
    def lengths(cls, corpus: Material) -> list[int]:
        """Tokens of the longest caption of all that one pass reads, photo by photo."""
        return corpus.lengths

    @classmethod
    def captions(cls, corpus: Material, numbers: Sequence[int], seed: str) -> list[list[list[int]]]:
        """The captions of a batch as ids, photo by photo.

        Args:
            corpus: what there is to read.
            numbers: places in `lengths`.
            seed: of what is chosen at random.
        """
        del seed
        return [corpus.captions[photo] for photo in numbers]

    @abstractmethod
    def loss(self, model: EncoderDecoder, batch: Batch, *, seed: int) -> Loss:
        """What one step minimizes.

        Args:
            model: the student.
            batch: on the model's device.
            seed: of what is drawn at random.
        """

    def imitate(self, model: EncoderDecoder, batch: Batch) -> tuple[Loss, Forced, Vectors]:
        """Cross-entropy of people's captions, what the decoder said, and what it looked at; see `loss`."""
        vectors = Vectors(batch.inputs.float()) if batch.inputs.dim() == 3 else model.encoder(batch.inputs)
        loss, forced = cross_entropy(model.decoder, vectors, batch.tokens, smoothing=self.training.label_smoothing)
        return loss, forced, vectors

    def penalty(self, forced: Forced, batch: Batch) -> Tensor | float:
        """The weighted penalty on attention; 0 where it is switched off."""
        weight = self.training.attention_regularisation
        return weight * attention_penalty(forced.attention, batch.tokens) if weight else 0.0
