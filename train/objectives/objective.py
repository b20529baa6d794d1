"""Base class of objectives: cross-entropy of people's captions under teacher forcing."""

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
    """The view that objectives have of captioned photos; see `train.photos.corpus.Corpus`."""

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
    """The loss of a phase, and the captions in its batches.

    Attributes:
        settings: dataclass of this objective's settings.
        photos: whether its captions have photos.
        together: number of captions without photos that are grouped like those of one photo.
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
            phase: settings of this phase.
            max_length: maximum number of tokens in a search.
            corpus: photos and captions; None for translators.
            teachers: models to distill from, if any.
        """
        self.training = training
        self.phase = phase
        self.max_length = max_length
        self.corpus = corpus
        self.teachers = teachers

    @classmethod  # noqa: B027 - most objectives have nothing to check
    def check(cls, phase: PhaseBase) -> None:
        """Validate a phase's settings for this objective.

        Raises:
            ValueError: a setting contradicts the objective, or would have no effect.
        """

    @classmethod
    def own_settings(cls) -> tuple[str, ...]:
        """Names of the settings specific to this objective."""
        common = {field.name for field in dataclasses.fields(PhaseBase)}
        return tuple(field.name for field in dataclasses.fields(cls.settings) if field.name not in common)

    @classmethod
    def lengths(cls, corpus: Material) -> list[int]:
        """Number of tokens in the longest caption of each photo, for all that an epoch reads."""
        return corpus.lengths

    @classmethod
    def captions(cls, corpus: Material, numbers: Sequence[int], seed: str) -> list[list[list[int]]]:
        """The captions of a batch, as ids by photo.

        Args:
            corpus: training data.
            numbers: indices into `lengths`.
            seed: random seed of any choice.
        """
        del seed
        return [corpus.captions[photo] for photo in numbers]

    @abstractmethod
    def loss(self, model: EncoderDecoder, batch: Batch, *, seed: int) -> Loss:
        """The loss of one step.

        Args:
            model: model that is trained.
            batch: batch on the model's device.
            seed: random seed of any sampling.
        """

    def imitate(self, model: EncoderDecoder, batch: Batch) -> tuple[Loss, Forced, Vectors]:
        """Cross-entropy of people's captions, the decoder's output, and the vectors it attends to; see `loss`."""
        vectors = Vectors(batch.inputs.float()) if batch.inputs.dim() == 3 else model.encoder(batch.inputs)
        loss, forced = cross_entropy(model.decoder, vectors, batch.tokens, smoothing=self.training.label_smoothing)
        return loss, forced, vectors

    def penalty(self, forced: Forced, batch: Batch) -> Tensor | float:
        """The weighted attention penalty; 0 if it is disabled."""
        weight = self.training.attention_regularisation
        return weight * attention_penalty(forced.attention, batch.tokens) if weight else 0.0
