"""What the steps of one phase read: which photos, which view of them, which captions. It follows from seeds alone."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from captioner.models.encoders import ImageEncoder
from train.config import PhaseSettings, TrainConfig
from train.photos.augmentation import crops, jitter
from train.photos.corpus import Corpus
from train.photos.data import batches, pad
from train.photos.features import Grids, load_features, weights_key

SENTENCES = 5
"""Captions without photos that make a set, as if they were about one photo."""

Encode = Callable[[ImageEncoder, Tensor], Tensor]
"""Images (B, 3, S, S), uint8 → grid (B, N, D), by an encoder that does not learn."""


@dataclass(frozen=True)
class Batch:
    """What a step reads.

    Attributes:
        inputs: images (B, 3, S, S) or grids (B, N, D).
        tokens: (B, K, T), the captions.
        photos: (B,), their numbers in the corpus; empty where captions have no photo.
        taught: where `inputs` are grids, those of each teacher's encoder of the same views.
    """

    inputs: Tensor
    tokens: Tensor
    photos: list[int]
    taught: tuple[Tensor, ...] = ()


class PhotoFeed:
    """The batches of a phase: photos or their grids, with captions; see `train.task.Feed`."""

    def __init__(
        self,
        corpus: Corpus,
        config: TrainConfig,
        phase: PhaseSettings,
        *,
        encoder: ImageEncoder,
        teachers: Sequence[ImageEncoder] = (),
        encode: Encode,
    ) -> None:
        """Compute the grids of encoders that do not learn, or find them in the cache.

        Args:
            corpus: what there is to read.
            config: of the run.
            phase: one of its phases.
            encoder: the student's.
            teachers: each teacher's, if there are any.
            encode: runs an encoder.
        """
        self.corpus = corpus
        self.phase = phase
        self.seed = config.training.seed
        self.nothing = (1, encoder.output_size)  # the grid of a caption without a photo
        self.grids: list[Grids] = []
        if phase.objective != "text" and not phase.encoder_learning_rate:
            self.grids = [self._load(one, config, encode) for one in (encoder, *teachers)]

    def groups(self, key: str) -> list[list[int]]:
        """The batches of one pass as numbers of photos, or of captions without photos; the same key, the same batches."""
        seed = f"{self.seed}/{key}"
        if self.phase.objective == "text":
            return batches(list(map(len, self.corpus.texts)), SENTENCES * self.phase.batch_size, seed)
        return batches(self.corpus.lengths, self.phase.batch_size, seed)

    def batch(self, numbers: list[int], step: int) -> Batch:
        """What the step of that number reads about these photos or captions."""
        seed, phase = f"{self.seed}/{step}", self.phase
        if phase.objective == "text":
            texts = [self.corpus.texts[number] for number in numbers]
            tokens = pad([texts[start : start + SENTENCES] for start in range(0, len(texts), SENTENCES)])
            return Batch(torch.zeros(len(tokens), *self.nothing), tokens, [])
        captions = [self.corpus.captions[photo] for photo in numbers]
        if phase.objective == "self-critical":  # one of people's is enough beside the samples
            captions = [[random.Random(f"{seed}/{place}").choice(choices)] for place, choices in enumerate(captions)]
        tokens = pad(captions)
        if self.grids:
            own, *taught = (grids.choose(numbers, seed) for grids in self.grids)
            return Batch(own, tokens, numbers, tuple(taught))
        seeds = [f"{seed}/{photo}" for photo in numbers]
        mirror = [self.corpus.mirrored[photo] for photo in numbers] if phase.flip else None
        cut = crops(self.corpus.train.pixels[numbers], seeds, smallest=phase.crop, mirror=mirror, side=phase.size)
        return Batch(jitter(cut, seed, strength=phase.colour), tokens, numbers)

    def _load(self, encoder: ImageEncoder, config: TrainConfig, encode: Encode) -> Grids:
        features = load_features(
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
        return Grids(features)
