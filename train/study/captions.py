"""Captioned photos for the studies of decoders: a part of Flickr8k, encoded by the embedded model, or toy scenes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor

from captioner import checkpoint, datasets
from captioner.checkpoint.weights import load_model
from captioner.config import DecoderConfig, DecoderSettings
from captioner.datasets import CaptionedPhoto
from captioner.decoding import DecodingOptions
from captioner.evaluation.bleu import bleu, bleu_statistics
from captioner.inference import generate, pad
from captioner.models.decoder import RecurrentDecoder
from captioner.models.interfaces import Encoder, Vectors
from captioner.text import Tokenizer, Vocabulary
from train.batches import encode
from train.objectives.cross_entropy import cross_entropy
from train.photos.data import load_photos
from train.photos.features import load_features, weights_key
from train.photos.places import IMAGES
from train.study import toy
from train.study.learning import learn
from train.study.setting import Setting

CACHE = Path("cache")
SIDE = 3
"""The encoder's grid is averaged to 3 × 3 cells, which makes a small decoder's step five times as fast."""

MAX_LENGTH = 20
PHOTOS, EACH = 16, 2
"""Photos per training step, and captions of each. On one core, small steps learn more in the same time."""

OPTIONS = DecodingOptions(beam_size=3, max_length=MAX_LENGTH, no_repeat_ngram=3)
SETTINGS = DecoderSettings(hidden_size=128, embedding_size=128, heads=4, dropout=0.2)
"""The decoder of all these studies; each study changes the setting under test."""


@dataclass(frozen=True)
class Captions:
    """Photos as a decoder sees them, and their captions by people.

    Attributes:
        vectors: (P, N, D).
        words: captions of each photo as tokens.
    """

    vectors: Tensor
    words: list[list[list[str]]]


@dataclass(frozen=True)
class CaptionData:
    """Training and test photos, and the words of the former."""

    train: Captions
    test: Captions
    vocabulary: Vocabulary


def read_captions(setting: Setting) -> CaptionData:
    """The captions for a study: Flickr8k's training and validation photos, or toy scenes.

    Raises:
        UsageError: Flickr8k is not found in the setting's data directory.
    """
    photos, tests = setting.pick(full=(1000, 250), quick=(300, 50), tiny=(12, 4))
    if setting.data:
        root = setting.data / "flickr8k"
        found = datasets.read(root)
        facts = checkpoint.read()
        encoder = load_model(facts).encoder.eval()
        size = facts.config.image.size
        train, test = (
            _read(list(found.select(split).photos[:count]), root, split, encoder, size)
            for split, count in (("train", photos), ("dev", tests))
        )
    else:
        train, test = (
            _captions(toy.to_vectors(scenes, seed), [toy.caption(scene) for scene in scenes])
            for seed, scenes in ((1, toy.draw_scenes(photos, 1)), (2, toy.draw_scenes(tests, 2)))
        )
    words = (words for captions in train.words for words in captions)
    return CaptionData(train, test, Vocabulary.build(words, min_count=3 if setting.data else 1))


def _read(photos: list[CaptionedPhoto], root: Path, split: str, encoder: Encoder, size: int) -> Captions:
    loaded = load_photos(photos, root / IMAGES, size=size, cache=CACHE, name=split)

    @torch.inference_mode()
    def grid(images: Tensor) -> Tensor:
        values = encoder(images).values.transpose(1, 2)  # (B, D, N)
        square = values.reshape(*values.shape[:2], int(values.shape[2] ** 0.5), -1)
        return F.adaptive_avg_pool2d(square, SIDE).flatten(2).transpose(1, 2)

    features = load_features(
        loaded,
        grid,
        key=f"{weights_key(encoder)}/{SIDE}",
        views=1,
        crop=1.0,
        mirror=None,
        seed=0,
        cache=CACHE,
        name=split,
    )
    vectors = torch.from_numpy(features[:, 0].astype("float32"))
    return _captions(vectors, [list(photo.captions) for photo in loaded.photos])


def _captions(vectors: Tensor, captions: list[list[str]]) -> Captions:
    tokenize = Tokenizer().tokenize
    return Captions(vectors, [[tokenize(text) for text in texts] for texts in captions])


def build_decoder(
    data: CaptionData, settings: DecoderSettings, seed: int, *, kind: type[RecurrentDecoder] = RecurrentDecoder
) -> RecurrentDecoder:
    """An untrained decoder for these captions; `kind` may be a variant of the library's."""
    torch.manual_seed(seed)
    config = DecoderConfig(**vars(settings), vocabulary_size=len(data.vocabulary))
    return kind(config, data.train.vectors.shape[2])


def to_batch(captions: Captions, vocabulary: Vocabulary, *, backwards: bool = False) -> Tensor:
    """All captions as ids (P, K, T); with `backwards`, from their last word to their first."""
    return pad(_to_ids(captions, vocabulary, backwards))


def _some(captions: list[list[int]], chance: torch.Generator) -> list[list[int]]:
    return [captions[place] for place in torch.randperm(len(captions), generator=chance)[:EACH].tolist()]


def _to_ids(captions: Captions, vocabulary: Vocabulary, backwards: bool) -> list[list[list[int]]]:
    step = -1 if backwards else 1
    return [[encode(words[::step], vocabulary, MAX_LENGTH) for words in texts] for texts in captions.words]


def teach(
    decoder: RecurrentDecoder,
    data: CaptionData,
    *,
    steps: int,
    seed: int,
    title: str,
    backwards: bool = False,
    loss: Callable[[Vectors, Tensor, int], Tensor] | None = None,
) -> list[float]:
    """Train a decoder on two captions of each of 16 photos per step.

    Args:
        decoder: decoder to train.
        data: training data.
        steps: number of steps.
        seed: random seed of the choice of photos and captions.
        title: title of the progress bar.
        backwards: read captions from their last word to their first.
        loss: loss from vectors, tokens (B, K, T) and the step's number; by default teacher-forced cross-entropy.

    Returns:
        The loss of each step.
    """
    chance = torch.Generator().manual_seed(seed)
    ids = _to_ids(data.train, data.vocabulary, backwards)

    def step(number: int) -> Tensor:
        photos = torch.randperm(len(ids), generator=chance)[:PHOTOS]
        vectors = Vectors(data.train.vectors[photos])
        tokens = pad([_some(ids[photo], chance) for photo in photos.tolist()])
        return loss(vectors, tokens, number) if loss else cross_entropy(decoder, vectors, tokens)[0].value

    losses = learn(decoder.train().parameters(), step, steps=steps, title=title, rate=2e-3)
    decoder.eval()
    return losses


@torch.inference_mode()
def write_captions(decoder: RecurrentDecoder, data: CaptionData, options: DecodingOptions = OPTIONS) -> list[list[str]]:
    """A trained decoder's captions of the test photos, from a free-running beam search."""
    found = (
        hypotheses[0]
        for vectors in torch.split(data.test.vectors, 50)
        for hypotheses in generate(decoder, Vectors(vectors), options)
    )
    return [data.vocabulary.decode(one.tokens) for one in found]


def score(captions: list[list[str]], data: CaptionData) -> float:
    """BLEU-4 of captions of the test photos, in percent."""
    return 100 * float(bleu(bleu_statistics(captions, data.test.words).total())[3])
