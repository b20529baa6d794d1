"""Translations of sentences as a run's task."""

import gzip
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from captioner.checkpoint import TranslatorCheckpoint
from captioner.errors import UsageError
from captioner.evaluation.data import read_captioned_photos
from captioner.evaluation.scores import score
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.predict import Caption
from captioner.subwords import Subwords, normalize
from captioner.text import EOS, PAD
from captioner.translator import Translator
from train.config import PairSettings, PhaseSettings, TranslationConfig, without_places
from train.data import batches, hash_of, pad
from train.feed import Batch
from train.objective import Objective
from train.segmenter import Segmenter
from train.splits import find_captions
from train.task import Encode

SOURCE = "en"
"""The language that is read."""


@dataclass(frozen=True)
class Pair:
    """A sentence and its translations.

    Attributes:
        source: in English.
        targets: by language.
    """

    source: str
    targets: dict[str, str]


def read_pairs(
    root: Path, split: str, languages: Sequence[str], *, without: frozenset[str] = frozenset()
) -> list[Pair]:
    """Sentences of a split and their translations, line by line.

    Args:
        root: the directory.
        split: `train`, `val` or a test set's name.
        languages: those wanted; all must be there.
        without: photos (`photo_number`) whose sentences are left out.

    Raises:
        UsageError: a file is missing or the files have different numbers of lines.
    """
    source, *targets = (read_lines(root, f"{split}.{language}") for language in (SOURCE, *languages))
    photos = read_lines(root, f"images_{split}.txt") if without else [""] * len(source)
    for name, lines in zip((*languages, "images"), (*targets, photos), strict=True):
        if len(lines) != len(source):
            raise UsageError(f"{root}: {split} has {len(source)} sentences, but {len(lines)} lines in {name!r}.")
    return [
        Pair(sentence, dict(zip(languages, translations, strict=True)))
        for photo, sentence, *translations in zip(photos, source, *targets, strict=True)
        if photo_number(photo) not in without
    ]


def photo_number(file: str) -> str:
    """What names a Flickr photo in every collection: what stands before the first `_` or `.` of its file's name."""
    return file.partition(".")[0].partition("_")[0]


def held_out_photos(file: Path) -> frozenset[str]:
    """The photos (`photo_number`) of a file of captioned photos that are neither for training nor unused."""
    photos = read_captioned_photos(find_captions(file) if file.is_dir() else file)
    return frozenset(photo_number(photo.file) for photo in photos if photo.split in {"dev", "val", "test"})


class Translation:
    """Learning to translate sentences; see `Task`."""

    def __init__(self, config: TranslationConfig) -> None:
        """Read the sentences and learn the subwords.

        Raises:
            UsageError: there is no data where the settings say.
        """
        self.config = config
        data = config.data
        if not data.root:
            raise UsageError("data.root is not set; name the data's directory with --set data.root=DIR.")
        without = held_out_photos(Path(data.held_out)) if data.held_out else frozenset()
        self.train = read_pairs(Path(data.root), "train", config.languages, without=without)[: data.limit or None]
        self.validation = read_pairs(Path(data.root), "val", config.languages, without=without)
        self.validation = self.validation[: data.validation_limit or None]
        if not (self.train and self.validation):
            raise UsageError(f"{data.root}: no sentences to learn from, or none to validate on.")
        self.source = Subwords.learn((pair.source for pair in self.train), size=data.source_size)
        self.target = Subwords.learn(
            (target for pair in self.train for target in pair.targets.values()),
            size=data.target_size,
            languages=config.languages,
        )

    @property
    def key(self) -> str:
        """A hash of all that is learned from and measured on."""
        pairs = [[pair.source, pair.targets] for pair in (*self.train, *self.validation)]
        return hash_of(pairs, self.source.pieces, self.target.pieces)

    @property
    def facts(self) -> Mapping[str, object]:
        """How many sentences there are."""
        return {"sentences": len(self.train), "translations": sum(len(pair.targets) for pair in self.train)}

    @property
    def vocabulary(self) -> tuple[Subwords, Subwords]:
        """The subwords that are read, and those that are written."""
        return self.source, self.target

    def settings(self) -> dict[str, Any]:
        """The configuration without places on this machine."""
        return without_places(self.config, ("data", "root"), ("data", "held_out"))

    def build(self) -> EncoderDecoder:
        """A model with random weights."""
        return EncoderDecoder(self.config.model(len(self.source), len(self.target)))

    def start(self, model: EncoderDecoder) -> None:
        """It begins with random weights."""

    def feed(self, phase: PhaseSettings, model: EncoderDecoder, encode: Encode) -> "PairFeed":  # noqa: ARG002
        """Sentences with their translations."""
        return PairFeed(self, phase)

    def objective(self, phase: PhaseSettings) -> Objective:
        """Cross-entropy."""
        return Objective(self.config.training, phase)

    def validate(self, model: EncoderDecoder, arithmetic: AbstractContextManager[object]) -> dict[str, float]:
        """BLEU of the validation sentences, lower-cased, for all languages together and, as `Bleu_4_de`, for each."""
        model.eval()
        translator = Translator(
            model,
            TranslatorCheckpoint(
                path=Path(),
                config=self.config.model(len(self.source), len(self.target)),
                source=self.source,
                target=self.target,
                decoding=self.config.decoding,
            ),
            device=next(model.parameters()).device,
        )
        sentences = [pair.source for pair in self.validation]
        order = sorted(range(len(sentences)), key=lambda number: len(sentences[number]))
        predictions: dict[str, dict[int, str]] = {language: {} for language in self.config.languages}
        work = [(language, order[start : start + 64]) for language in predictions for start in range(0, len(order), 64)]
        with arithmetic:
            for language, numbers in tqdm(work, "validation", leave=False, unit="batch"):
                found = translator.translate_batch([sentences[number] for number in numbers], to=language)
                predictions[language].update(zip(numbers, (one.text for one in found), strict=True))
        references = {
            language: {number: [pair.targets[language]] for number, pair in enumerate(self.validation)}
            for language in predictions
        }
        alone = {
            f"Bleu_4_{language}": score(predictions[language], references[language]).as_dict()["Bleu_4"]
            for language in predictions
        }
        together = score(
            {(language, number): text for language, texts in predictions.items() for number, text in texts.items()},
            {(language, number): texts for language, all_of in references.items() for number, texts in all_of.items()},
        ).as_dict()
        return {name: together[name] for name in ("Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4")} | alone

    def samples(self, model: EncoderDecoder) -> tuple[Sequence[NDArray[np.uint8]], Sequence[Caption]]:  # noqa: ARG002
        """No photos."""
        return [], []


class PairFeed:
    """The batches of a phase: sentences of about one length, each with its translations; see `train.task.Feed`."""

    def __init__(self, task: Translation, phase: PhaseSettings) -> None:
        self._data: PairSettings = task.config.data
        self._seed = task.config.training.seed
        self._batch_size = phase.batch_size
        self._pairs = task.train
        self._source, self._target = Segmenter(task.source), Segmenter(task.target)
        self._starts = {language: task.target.language_token(language) for language in task.config.languages}
        # Of the longest translation: that is what a step takes time for.
        self._lengths = [max(len(task.target.encode(text)) for text in pair.targets.values()) for pair in self._pairs]

    def groups(self, key: str) -> list[list[int]]:
        """The batches of one pass as numbers of sentences; the same key, the same batches."""
        return batches(self._lengths, self._batch_size, f"{self._seed}/{key}")

    def batch(self, numbers: list[int], step: int) -> Batch:
        """Sentences (B, N) and their translations (B, K, T), cut into pieces anew at each step."""
        chance = random.Random(f"{self._seed}/{step}")
        sources, targets = [], []
        for number in numbers:
            pair = self._pairs[number]
            sources.append(torch.tensor([*self._cut(self._source, pair.source, chance), EOS]))
            targets.append(
                [
                    [self._starts[language], *self._cut(self._target, text, chance), EOS]
                    for language, text in pair.targets.items()
                ]
            )
        inputs = torch.nn.utils.rnn.pad_sequence(sources, batch_first=True, padding_value=PAD)
        return Batch(inputs, pad(targets), numbers)

    def _cut(self, segmenter: Segmenter, text: str, chance: random.Random) -> list[int]:
        pieces = segmenter.segment(text, dropout=self._data.subword_dropout, chance=chance)
        return pieces[: self._data.max_length]


def read_lines(root: Path, name: str) -> list[str]:
    """The lines of a file of text, normalised; unpacked where it stands there as `.gz`.

    Raises:
        UsageError: it is missing or damaged.
    """
    for path in (root / name, root / f"{name}.gz"):
        if path.is_file():
            try:
                content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                return [normalize(line) for line in content.decode("utf-8").splitlines()]
            except (OSError, EOFError, ValueError) as problem:
                raise UsageError(f"{path}: cannot be read ({problem}).") from None
    raise UsageError(f"{root / name}: there is no such file, with or without .gz.")
