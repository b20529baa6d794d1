"""The configuration of a run that trains a translator."""

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
    """Where the sentences and their translations are, and how they become subwords.

    Attributes:
        root: directory with `train.en`, `val.en` and the same in the other languages, one sentence a line, `.gz` or
            not; given on the command line (`--set data.root=DIR`).
        held_out: a file of captioned photos (see `train.photos.splits`); what describes one of its photos for
            validation or testing is left out, by the photos' names in `images_train.txt` and `images_val.txt`.
        also: directories with further sentences to train on: `train.en` and the same in one of the languages or more.
        source_size: subwords of the language that is read.
        target_size: subwords of all languages that are written, together.
        subword_dropout: probability that a merge of two pieces is left out, at each reading anew (Provilkov et al.
            2020).
        max_length: sentences are cut off after so many subwords.
        limit: train on the first so many sentences only, 0 for all.
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
    """A whole run that trains a translator.

    Attributes:
        name: what the run is called.
        languages: those it learns to write, two letters each.
        start: a translator (directory, or name of an embedded one) whose weights and subwords the run begins with.
            Settings of its model that are left out (`encoder`, `decoder`) are the checkpoint's. Empty: random weights,
            and subwords of what is in `data.root`.
        source: the language that is read.
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
            raise ValueError('training.select_by: of translations there is only "Bleu_4"')
        if not (self.start or self.phase[0].encoder_learning_rate):
            raise ValueError(
                f"phase {self.phase[0].name}: encoder_learning_rate is 0, but the encoder knows nothing yet"
            )
        for phase in self.phase:
            if phase.objective != "captions":
                raise ValueError(f"phase {phase.name}: a translator learns by objective 'captions' only")
            phase.refuse("crop", "flip", "colour", reason="where there are no photos")

    def model(self, source_size: int, target_size: int) -> TranslatorConfig:
        """The configuration of the model that this run trains."""
        return TranslatorConfig(
            encoder=TextEncoderConfig(vocabulary_size=source_size, **dataclasses.asdict(self.encoder)),
            decoder=DecoderConfig(vocabulary_size=target_size, **dataclasses.asdict(self.decoder)),
            languages=self.languages,
        )
