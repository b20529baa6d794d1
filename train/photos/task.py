"""The task of captioning photos."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.evaluation.scores import score
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.interfaces import Encoder
from captioner.predict import Caption
from captioner.text import Vocabulary
from train.config import without_places
from train.objectives import OBJECTIVES, PhaseSettings
from train.objectives.distillation import Teachers
from train.objectives.objective import Objective
from train.photos.config import TrainConfig
from train.photos.corpus import Corpus
from train.photos.feed import PhotoFeed
from train.photos.validation import caption_photos, sample_captions
from train.start import load_start
from train.task import Encode


class Captioning:
    """Trains a model to caption photos; see `Task`."""

    def __init__(
        self, config: TrainConfig, corpus: Corpus, start: Checkpoint | Encoder | None, device: torch.device
    ) -> None:
        """Keep the data, and load the teachers if there are any.

        Args:
            config: configuration of the run.
            corpus: training and validation data.
            start: checkpoint or encoder that the run starts from; None when resuming.
            device: device of the teachers.
        """
        self.config = config
        self.corpus = corpus
        self._start = start
        names = config.distillation.teachers
        self._teachers = (
            Teachers(
                [checkpoint.read(name) for name in names],
                corpus.vocabulary,
                config.text,
                device,
                weight=config.distillation.weight,
            )
            if names
            else None
        )

    @property
    def key(self) -> str:
        return self.corpus.key

    @property
    def facts(self) -> Mapping[str, object]:
        return {"photos": len(self.corpus.train), "captions": sum(map(len, self.corpus.captions))}

    @property
    def vocabulary(self) -> Vocabulary:
        return self.corpus.vocabulary

    def settings(self) -> dict[str, Any]:
        data = (("data", key) for key in ("root", "images", "also", "validation", "text", "cache"))
        settings = without_places(self.config, *data, ("encoder", "weights"))
        settings["distillation"]["teachers"] = [Path(name).name for name in self.config.distillation.teachers]
        return settings | {"start": Path(self.config.start).name}

    def build(self) -> EncoderDecoder:
        return EncoderDecoder(self.config.model(len(self.corpus.vocabulary)))

    def start(self, model: EncoderDecoder) -> None:
        """Load the weights of a checkpoint or of an encoder.

        Raises:
            UsageError: the weights belong to another network.
            ModelError: the checkpoint's weights are missing or damaged.
        """
        if isinstance(self._start, Checkpoint):
            load_start(model, self._start)
        elif self._start:
            model.encoder.load_state_dict(self._start.state_dict())

    def feed(self, phase: PhaseSettings, model: EncoderDecoder, encode: Encode) -> PhotoFeed:
        """Views of the photos (with a frozen encoder, their grids) and captions."""
        return PhotoFeed(
            self.corpus,
            self.config,
            phase,
            encoder=model.encoder,
            teachers=self._teachers.encoders if self._teachers else (),
            encode=encode,
        )

    def objective(self, phase: PhaseSettings) -> Objective:
        return OBJECTIVES[phase.objective](
            self.config.training,
            phase,
            max_length=self.config.decoding.max_length,
            corpus=self.corpus,
            teachers=self._teachers,
        )

    def steps(self, phase: PhaseSettings) -> int:
        kind = OBJECTIVES[phase.objective]
        return math.ceil(len(kind.lengths(self.corpus)) / (kind.together * phase.batch_size))

    def validate(self, model: EncoderDecoder, arithmetic: AbstractContextManager[object]) -> dict[str, float]:
        """BLEU, ROUGE-L and CIDEr-D of the validation photos' captions.

        With further files to validate on: the mean over all, and each file's own scores, such as `CIDEr_NAME`.
        """
        corpus = self.corpus
        sets = {Path(self.config.data.root).name: corpus.validation, **corpus.further}
        scores = {}
        for name, photos in sets.items():
            predictions = caption_photos(model, photos, self.config, corpus.vocabulary, arithmetic)
            scores[name] = score(predictions, {photo.id: photo.captions for photo in photos.photos}).as_dict()
        means = {metric: fmean(one[metric] for one in scores.values()) for metric in next(iter(scores.values()))}
        if corpus.further:
            means |= {f"{metric}_{name}": value for name, one in scores.items() for metric, value in one.items()}
        return means

    def samples(self, model: EncoderDecoder) -> tuple[Sequence[NDArray[np.uint8]], Sequence[Caption]]:
        return sample_captions(model, self.corpus.validation, self.config, self.corpus.vocabulary)
