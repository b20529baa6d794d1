"""Configuration of a run that trains a translator."""

import dataclasses
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from captioner.config import (
    STRICT,
    DecoderConfig,
    DecoderSettings,
    Language,
    Languages,
    Probability,
    TextEncoderConfig,
    TextEncoderSettings,
    TranslatorConfig,
)
from captioner.decoding.options import DecodingOptions
from captioner.text import ENGLISH
from train.config import LoopSettings
from train.objectives import PhaseSettings


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PairSettings:
    """Where the sentences and their translations are, and how they are split into subwords.

    Attributes:
        root: directory with `train.en`, `val.en` and the same in the other languages, one sentence per line, optionally
            as `.gz`; given on the command line (`--set data.root=DIR`).
        held_out: file of captioned photos (see `train.photos.splits`). Sentences about its validation or test photos
            are left out, by the photos' names in `images_train.txt` and `images_val.txt`.
        also: directories with further training sentences: `train.en` and the same in one or more of the languages.
        source_size: number of subwords of the source language.
        target_size: number of subwords of all target languages together.
        subword_dropout: probability of skipping a merge of two pieces, drawn again each time (BPE-dropout, Provilkov et
            al. 2020).
        max_length: sentences are truncated to this many subwords.
        limit: train on the first N sentences only; 0 for all.
        validation_limit: the same for validation.
    """

    root: str = ""
    held_out: str = ""
    also: tuple[str, ...] = ()
    source_size: Annotated[int, Field(ge=5)] = 4000
    target_size: Annotated[int, Field(ge=5)] = 8000
    subword_dropout: Probability = 0.0
    max_length: Annotated[int, Field(ge=2)] = 80
    limit: Annotated[int, Field(ge=0)] = 0
    validation_limit: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TranslationConfig:
    """Configuration of a whole run that trains a translator.

    Attributes:
        name: name of the run.
        languages: target languages, as two-letter codes.
        start: translator (directory or embedded model) whose weights and subwords the run starts from. Omitted settings
            of the model (`encoder`, `decoder`) are those of the checkpoint. Empty for random weights, and subwords
            learned from `data.root`.
        source: source language.
    """

    name: str
    start: str = ""
    languages: Languages
    data: PairSettings
    phase: Annotated[tuple[PhaseSettings, ...], Field(min_length=1)]
    encoder: TextEncoderSettings = dataclasses.field(default_factory=TextEncoderSettings)
    decoder: DecoderSettings = dataclasses.field(default_factory=DecoderSettings)
    decoding: DecodingOptions = dataclasses.field(default_factory=DecodingOptions)
    training: LoopSettings = dataclasses.field(default_factory=LoopSettings)
    source: Language = ENGLISH

    def __post_init__(self) -> None:
        if self.training.select_by != "Bleu_4":
            raise ValueError('training.select_by: must be "Bleu_4" for a translator')
        if not (self.start or self.phase[0].encoder_learning_rate):
            raise ValueError(
                f"phase {self.phase[0].name}: encoder_learning_rate is 0, but the encoder is not trained yet; "
                "set it above 0"
            )
        for phase in self.phase:
            if phase.objective != "captions":
                raise ValueError(f"phase {phase.name}: a translator supports only the objective 'captions'")
            phase.refuse("crop", "flip", "colour", reason="without photos")

    def model(self, source_size: int, target_size: int) -> TranslatorConfig:
        """The configuration of the model that this run trains."""
        return TranslatorConfig(
            encoder=TextEncoderConfig(vocabulary_size=source_size, **dataclasses.asdict(self.encoder)),
            decoder=DecoderConfig(vocabulary_size=target_size, **dataclasses.asdict(self.decoder)),
            languages=self.languages,
        )
