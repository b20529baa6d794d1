"""The batches of a phase: which photos, which views of them, and which captions. They depend only on seeds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from captioner.inference import pad
from captioner.models.interfaces import Encoder
from train.batches import Batch, batches
from train.objectives import OBJECTIVES, PhaseSettings
from train.photos.augmentation import crops, jitter
from train.photos.config import TrainConfig
from train.photos.corpus import Corpus
from train.photos.features import choose_views, load_features, weights_key
from train.task import Encode


class PhotoFeed:
    """The batches of a phase: photos or their grids, with captions; see `train.task.Feed`."""

    def __init__(
        self,
        corpus: Corpus,
        config: TrainConfig,
        phase: PhaseSettings,
        *,
        encoder: Encoder,
        teachers: Sequence[Encoder] = (),
        encode: Encode,
    ) -> None:
        """Compute the grids of frozen encoders, or load them from the cache.

        Args:
            corpus: training and validation data.
            config: configuration of the run.
            phase: one of its phases.
            encoder: encoder of the model that is trained.
            teachers: encoder of each teacher.
            encode: runs an encoder on images.
        """
        self.corpus = corpus
        self.phase = phase
        self.objective = OBJECTIVES[phase.objective]
        self.seed = config.training.seed
        self.nothing = (1, encoder.output_size)  # the grid of a caption without a photo
        self.grids: list[NDArray[np.float16]] = []
        if self.objective.photos and not phase.encoder_learning_rate:
            self.grids = [self._load(one, config, encode) for one in (encoder, *teachers)]

    def groups(self, key: str) -> list[list[int]]:
        """The batches of one epoch, as indices of photos or of captions without photos; the same key gives the same
        batches.
        """
        size = self.objective.together * self.phase.batch_size
        return batches(self.objective.lengths(self.corpus), size, f"{self.seed}/{key}")

    def batch(self, numbers: list[int], step: int) -> Batch:
        """The input of the given step, for these photos or captions."""
        seed, phase = f"{self.seed}/{step}", self.phase
        tokens = pad(self.objective.captions(self.corpus, numbers, seed))
        if not self.objective.photos:
            return Batch(torch.zeros(len(tokens), *self.nothing), tokens, [])
        if self.grids:
            own, *taught = (choose_views(grids, numbers, seed) for grids in self.grids)
            return Batch(own, tokens, numbers, tuple(taught))
        seeds = [f"{seed}/{photo}" for photo in numbers]
        mirror = [self.corpus.mirrored[photo] for photo in numbers] if phase.flip else None
        cut = crops(self.corpus.train.pixels[numbers], seeds, smallest=phase.crop, mirror=mirror, side=phase.size)
        return Batch(jitter(cut, seed, strength=phase.colour), tokens, numbers)

    def _load(self, encoder: Encoder, config: TrainConfig, encode: Encode) -> NDArray[np.float16]:
        return load_features(
            self.corpus.train,
            lambda images: encode(encoder, images),
            key=f"{weights_key(encoder)}-{config.training.precision}",
            views=self.phase.views,
            crop=self.phase.crop,
            mirror=self.corpus.mirrored if self.phase.flip else None,
            seed=self.seed,
            cache=Path(config.data.cache),
            name="train",
        )
