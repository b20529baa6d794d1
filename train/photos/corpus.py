"""The training and validation data of a run, read once: photos, captions as ids, captions without photos, and the
vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.datasets import CaptionedPhoto
from captioner.errors import UsageError
from captioner.text import SPECIAL_TOKENS, Direction, Tokenizer, Vocabulary
from train.batches import encode
from train.objectives import OBJECTIVES
from train.photos.augmentation import may_be_mirrored
from train.photos.config import TrainConfig
from train.photos.data import PhotoSet, load_photos, read_texts
from train.photos.places import IMAGES, home
from train.task import hash_of


@dataclass(frozen=True)
class Corpus:
    """The training and validation data of a run.

    Attributes:
        train: the P training photos.
        validation: the validation photos.
        further: further sets of validation photos, by name.
        vocabulary: frequent tokens of the training captions and texts, after those of the checkpoint that the run
            starts from; for a new student, the vocabulary of its teachers.
        direction: direction in which captions are written; `words`, `captions` and `texts` are already reversed for it.
        words: captions of each training photo, as tokens.
        captions: the same as ids, `<bos> … <eos>`, truncated to `data.max_length` tokens.
        mirrored: whether each training photo may be mirrored without contradicting its captions.
        texts: captions without photos, as ids.
    """

    train: PhotoSet
    validation: PhotoSet
    further: dict[str, PhotoSet]
    vocabulary: Vocabulary
    direction: Direction
    words: list[list[list[str]]]
    captions: list[list[list[int]]]
    mirrored: list[bool]
    texts: list[list[int]]

    @property
    def lengths(self) -> list[int]:
        """Number of tokens in the longest caption of each training photo."""
        return [max(map(len, captions)) for captions in self.captions]

    @property
    def key(self) -> str:
        """A hash of all training and validation data, independent of its location."""
        sets = [self.validation, *self.further.values()]
        measured = [photo.captions for one in sets for photo in one.photos]
        names = self.train.names, *(one.names for one in sets)
        return hash_of(*names, self.vocabulary.tokens, self.words, self.captions, self.texts, measured)


def read_corpus(
    config: TrainConfig, photos: dict[str, list[CaptionedPhoto]], start: Checkpoint | None, problems: list[str]
) -> Corpus:
    """Decode the photos (once; they are cached in `data.cache`) and encode the captions.

    Args:
        config: configuration of the run.
        photos: the splits `train` and `validation`, and further sets to validate on.
        start: the checkpoint that the run starts from.
        problems: receives a sentence for each unreadable photo and each caption without a word.

    Raises:
        UsageError: a split has no usable photo or caption, no word is frequent enough, or a phase has no text to read.
        ModelError: there is no such teacher.
    """
    data = config.data
    images, cache = home(Path(data.root)) / IMAGES, Path(data.cache)
    tokenize = Tokenizer(config.text.tokens, config.text.direction).tokenize
    texts = [tokens for tokens in map(tokenize, read_texts(data.text)) if tokens]
    reader = next((phase.name for phase in config.phase if not OBJECTIVES[phase.objective].photos), "")
    if reader and not texts:
        raise UsageError(
            f"phase {reader} reads captions without photos, but data.text contains none; set data.text to such files."
        )
    loaded = {
        split: load_photos(
            _with_words(chosen, tokenize, split, problems),
            images,
            size=config.image.size,
            cache=cache,
            name=split,
        )
        for split, chosen in photos.items()
    }
    train, validation = loaded.pop("train"), loaded.pop("validation")
    words = [[tokenize(caption) for caption in photo.captions] for photo in train.photos]
    problems += [sentence for one in (train, validation, *loaded.values()) for sentence in one.skipped]
    vocabulary = Vocabulary.build(
        [*texts, *(tokens for captions in words for tokens in captions)], min_count=data.min_count
    )
    if start:
        vocabulary = start.vocabulary.extended(vocabulary)
    elif config.distillation.teachers:
        vocabulary = checkpoint.read(config.distillation.teachers[0]).vocabulary
    if len(vocabulary) <= len(SPECIAL_TOKENS):
        raise UsageError(f"no word occurs in {data.min_count} captions; lower data.min_count.")
    return Corpus(
        train=train,
        validation=validation,
        further=loaded,
        vocabulary=vocabulary,
        direction=config.text.direction,
        words=words,
        captions=[[encode(tokens, vocabulary, data.max_length) for tokens in captions] for captions in words],
        mirrored=[may_be_mirrored(photo.captions) for photo in train.photos],
        texts=[encode(tokens, vocabulary, data.max_length) for tokens in texts],
    )


def _with_words(
    photos: Sequence[CaptionedPhoto], tokenize: Callable[[str], list[str]], split: str, problems: list[str]
) -> list[CaptionedPhoto]:
    """Photos with those captions that contain a word; other captions are reported in `problems`.

    Raises:
        UsageError: no photo is left.
    """
    usable = []
    for photo in photos:
        captions = tuple(filter(tokenize, photo.captions))
        if captions:
            usable.append(replace(photo, captions=captions))
        problems += [
            f"{photo.file}: the caption {caption!r} contains no word."
            for caption in photo.captions
            if caption not in captions
        ]
    if not usable:
        raise UsageError(f"{split}: no caption contains a word. The last problem: {problems[-1]}")
    return usable
