"""The task of translating sentences."""

import math
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from captioner import checkpoint
from captioner.checkpoint import TranslatorCheckpoint
from captioner.errors import UsageError
from captioner.evaluation.scores import score
from captioner.inference import pad
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.predict import Caption
from captioner.text import EOS, PAD
from captioner.text.subwords import Subwords
from captioner.translation.translator import Translator
from train.batches import Batch, batches
from train.config import without_places
from train.objectives import PhaseSettings
from train.objectives.captions import Captions
from train.objectives.objective import Objective
from train.sentences.config import PairSettings, TranslationConfig
from train.sentences.pairs import held_out_photos, read_further_pairs, read_pairs, with_copied_number, with_copied_words
from train.sentences.segmenter import Segmenter
from train.start import load_start
from train.task import Encode, hash_of

FIGURES = 0.5
"""Probability that a number written as a word is replaced by the mark of figures, which are copied."""


class Translating:
    """Trains a model to translate sentences; see `Task`."""

    def __init__(self, config: TranslationConfig) -> None:
        """Read the sentences and learn the subwords.

        Raises:
            UsageError: the data cannot be found, or `start` is a model of other languages.
            ModelError: the model of `start` is missing or damaged.
        """
        self.config = config
        self._start = checkpoint.read_translator(config.start) if config.start else None
        if self._start and self._start.config.languages != config.languages:
            known = ", ".join(self._start.config.languages)
            raise UsageError(f"start: {self._start.path} writes {known}; set languages to these, in this order.")
        data = config.data
        if not data.root:
            raise UsageError("data.root is not set; set it to the directory of the data with --set data.root=DIR.")
        without = held_out_photos(Path(data.held_out)) if data.held_out else frozenset()
        read = partial(read_pairs, Path(data.root), languages=config.languages, read=config.source, without=without)
        self.train = read("train")[: data.limit or None]
        self.validation = read("val")[: data.validation_limit or None]
        if not (self.train and self.validation):
            raise UsageError(f"{data.root}: no sentences for training, or none for validation.")
        if self._start:
            self.source, self.target = self._start.source, self._start.target
        else:
            self.source = Subwords.learn((pair.source for pair in self.train), size=data.source_size)
            self.target = Subwords.learn(
                (target for pair in self.train for target in pair.targets.values()),
                size=data.target_size,
                languages=config.languages,
            )
        for root in map(Path, data.also):
            self.train += read_further_pairs(root, config.languages, read=config.source, without=without)

    @property
    def key(self) -> str:
        pairs = [[pair.source, pair.targets] for pair in (*self.train, *self.validation)]
        return hash_of(pairs, self.source.pieces, self.target.pieces)

    @property
    def facts(self) -> Mapping[str, object]:
        return {"sentences": len(self.train), "translations": sum(len(pair.targets) for pair in self.train)}

    @property
    def vocabulary(self) -> tuple[Subwords, Subwords]:
        """The subword models of the source and of the target languages."""
        return self.source, self.target

    def settings(self) -> dict[str, Any]:
        places = (("data", key) for key in ("root", "held_out", "also"))
        return without_places(self.config, *places) | {"start": Path(self.config.start).name}

    def build(self) -> EncoderDecoder:
        return EncoderDecoder(self.config.model(len(self.source), len(self.target)))

    def start(self, model: EncoderDecoder) -> None:
        """Load the weights of `start`, if there is one.

        Raises:
            UsageError: the weights belong to another network.
            ModelError: the weights are missing or damaged.
        """
        if self._start:
            load_start(model, self._start)

    def feed(self, phase: PhaseSettings, model: EncoderDecoder, encode: Encode) -> "PairFeed":  # noqa: ARG002
        return PairFeed(self, phase)

    def objective(self, phase: PhaseSettings) -> Objective:
        return Captions(self.config.training, phase, max_length=self.config.decoding.max_length)

    def steps(self, phase: PhaseSettings) -> int:
        """The approximate number of batches in an epoch, by the number of translations."""
        translations = sum(len(pair.targets) for pair in self.train)
        return math.ceil(translations / (phase.batch_size * len(self.config.languages)))

    def translator(self, model: EncoderDecoder) -> Translator:
        """A translator with the model's current weights; this switches the model to evaluation mode."""
        model.eval()
        return Translator(
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

    def validate(self, model: EncoderDecoder, arithmetic: AbstractContextManager[object]) -> dict[str, float]:
        """BLEU on the lower-cased validation sentences, for all languages together and for each (`Bleu_4_de`)."""
        translator = self.translator(model)
        sentences = [pair.source for pair in self.validation]
        with arithmetic:
            written = {language: translate(translator, sentences, language) for language in self.config.languages}
        predictions = {language: dict(enumerate(texts)) for language, texts in written.items()}
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
        return [], []


class PairFeed:
    """The batches of a phase: sentences of similar length with their translations; see `train.task.Feed`."""

    def __init__(self, task: Translating, phase: PhaseSettings) -> None:
        self._data: PairSettings = task.config.data
        self._seed = task.config.training.seed
        self._batch_size = phase.batch_size * len(task.config.languages)  # translations
        self._pairs = [with_copied_words(pair, task.source) for pair in task.train]
        self._numbers = {
            number: pair
            for number, one in enumerate(self._pairs)
            if (pair := with_copied_number(one, task.config.source))
        }
        self._source, self._target = Segmenter(task.source), Segmenter(task.target)
        self._starts = {language: task.target.language_token(language) for language in task.config.languages}
        # Of the longest translation, which determines the time of a step.
        self._lengths = [max(len(task.target.encode(text)) for text in pair.targets.values()) for pair in self._pairs]

    def groups(self, key: str) -> list[list[int]]:
        """The batches of one epoch, as indices of sentences; the same key gives the same batches."""
        seed = f"{self._seed}/{key}"
        counts = [len(pair.targets) for pair in self._pairs]
        groups = []
        for count in sorted(set(counts)):  # all sentences of a batch have the same number of translations
            lengths = [length if own == count else 0 for length, own in zip(self._lengths, counts, strict=True)]
            groups += batches(lengths, self._batch_size // count, seed)
        if len(set(counts)) > 1:  # otherwise they are already in random order
            random.Random(seed).shuffle(groups)
        return groups

    def batch(self, numbers: list[int], step: int) -> Batch:
        """Sentences (B, N) and their translations (B, K, T), segmented again at each step."""
        chance = random.Random(f"{self._seed}/{step}")
        sources, targets = [], []
        for number in numbers:
            pair = self._pairs[number]
            if number in self._numbers and chance.random() < FIGURES:
                pair = self._numbers[number]
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


def translate(translator: Translator, sentences: Sequence[str], language: str) -> list[str]:
    """Translations in the order of the sentences; sentences of similar length are translated together."""
    order = sorted(range(len(sentences)), key=lambda number: len(sentences[number]))
    written = [""] * len(sentences)
    for start in tqdm(range(0, len(order), 64), f"translation into {language}", leave=False, unit="batch"):
        numbers = order[start : start + 64]
        found = translator.translate_batch([sentences[number] for number in numbers], to=language)
        for number, translation in zip(numbers, found, strict=True):
            written[number] = translation.text
    return written
