"""What differs between training a captioner and a translator; the training loop is the same for both."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.interfaces import Encoder
from captioner.predict import Caption
from captioner.text import Vocabulary
from captioner.text.subwords import Subwords
from train.batches import Batch
from train.objectives import PhaseSettings
from train.objectives.objective import Objective
from train.photos.config import TrainConfig
from train.sentences.config import TranslationConfig

Encode = Callable[[Encoder, Tensor], Tensor]
"""Images (B, 3, S, S), uint8 → grid (B, N, D), by a frozen encoder."""


class Feed(Protocol):
    """The batches of a phase, which depend only on seeds."""

    def groups(self, key: str) -> list[list[int]]:
        """The batches of one epoch, as indices; the same key gives the same batches."""

    def batch(self, numbers: list[int], step: int) -> Batch:
        """The input of the given step."""


class Task(Protocol):
    """The parts of a run that depend on its data."""

    @property
    def config(self) -> TrainConfig | TranslationConfig:
        """The configuration of the run."""

    @property
    def key(self) -> str:
        """A hash of all training and validation data."""

    @property
    def facts(self) -> Mapping[str, object]:
        """Amounts of data, to show to people."""

    @property
    def vocabulary(self) -> Vocabulary | tuple[Subwords, Subwords]:
        """The vocabulary, or the subword models, that checkpoints store."""

    def settings(self) -> dict[str, object]:
        """The configuration without paths on this machine, which are private and may change."""

    def build(self) -> EncoderDecoder:
        """A model with random weights."""

    def start(self, model: EncoderDecoder) -> None:
        """Load the weights that the run starts from."""

    def feed(self, phase: PhaseSettings, model: EncoderDecoder, encode: Encode) -> Feed:
        """The batches of a phase."""

    def objective(self, phase: PhaseSettings) -> Objective:
        """The objective of a phase."""

    def steps(self, phase: PhaseSettings) -> int:
        """The approximate number of batches in an epoch of a phase."""

    def validate(self, model: EncoderDecoder, arithmetic: AbstractContextManager[object]) -> dict[str, float]:
        """Scores of a free-running search on the validation data."""

    def samples(self, model: EncoderDecoder) -> tuple[Sequence[NDArray[np.uint8]], Sequence[Caption]]:
        """Sample photos (S, S, 3) and their captions, to look at; may be empty."""


def hash_of(*parts: object) -> str:
    """A short hash of anything that JSON can represent."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
