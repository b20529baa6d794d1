"""What a run is about: the loop is the same for captions of photos and for translations of sentences."""

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
"""Images (B, 3, S, S), uint8 → grid (B, N, D), by an encoder that does not learn."""


class Feed(Protocol):
    """The batches of a phase. They follow from seeds alone."""

    def groups(self, key: str) -> list[list[int]]:
        """The batches of one pass, as numbers; the same key, the same batches."""
        ...

    def batch(self, numbers: list[int], step: int) -> Batch:
        """What the step of that number reads."""
        ...


class Task(Protocol):
    """All of a run that depends on what is learned from."""

    @property
    def config(self) -> TrainConfig | TranslationConfig:
        """Of the run."""
        ...

    @property
    def key(self) -> str:
        """A hash of all that is learned from and measured on."""
        ...

    @property
    def facts(self) -> Mapping[str, object]:
        """How much data there is, for people."""
        ...

    @property
    def vocabulary(self) -> Vocabulary | tuple[Subwords, Subwords]:
        """What a checkpoint keeps of the text."""
        ...

    def settings(self) -> dict[str, object]:
        """The configuration without places on this machine, which are nobody else's business and may change."""
        ...

    def build(self) -> EncoderDecoder:
        """A model with random weights."""
        ...

    def start(self, model: EncoderDecoder) -> None:
        """Give it those that the run begins with."""
        ...

    def feed(self, phase: PhaseSettings, model: EncoderDecoder, encode: Encode) -> Feed:
        """What a phase reads."""
        ...

    def objective(self, phase: PhaseSettings) -> Objective:
        """What a phase minimizes."""
        ...

    def steps(self, phase: PhaseSettings) -> int:
        """How many batches a pass of a phase has, about."""
        ...

    def validate(self, model: EncoderDecoder, arithmetic: AbstractContextManager[object]) -> dict[str, float]:
        """Scores of a free-running search on the validation data."""
        ...

    def samples(self, model: EncoderDecoder) -> tuple[Sequence[NDArray[np.uint8]], Sequence[Caption]]:
        """Photos (S, S, 3) and captions to look at, if there are any."""
        ...


def hash_of(*parts: object) -> str:
    """A short name for whatever JSON can say."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
