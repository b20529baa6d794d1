"""Configuration of a run that trains a captioner."""

import dataclasses
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from captioner.config import (
    STRICT,
    DecoderConfig,
    DecoderSettings,
    ImageConfig,
    ImageEncoderConfig,
    ModelConfig,
    TextConfig,
)
from captioner.decoding.options import DecodingOptions
from train.config import Count, LoopSettings
from train.objectives import PhaseSettings
from train.objectives.distillation import DistillationSettings


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DataSettings:
    """Where the photos and captions are, and which of them are used.

    Attributes:
        root: directory with the captions (see `train.photos.splits`) and the photos, or the file of captions itself;
            given on the command line (`--set data.root=DIR`).
        images: directory of the photos; empty if they are in `images/` beside the captions, or in a place that
            `train.photos.places` finds.
        also: further files of captioned photos to train on, whatever their split; their photos are in `images/` beside
            each file.
        validation: further files of captioned photos to validate on, whatever their split. Each is scored separately;
            the best checkpoint has the best mean score over the data's validation photos and these files.
        text: files of captions without photos, for phases whose objective is `text`: one per line, or JSON Lines with
            the key `captions`; `.gz` is unpacked.
        cache: directory for cached features and pixels of the photos; safe to delete.
        min_count: words that occur in fewer training captions become `<unk>`.
        max_length: captions are truncated to this many tokens.
        limit: train on the first N photos only; 0 for all.
        validation_limit: the same for validation.
    """

    root: str = ""
    images: str = ""
    also: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    cache: str = "cache"
    min_count: Count = 5
    max_length: Annotated[int, Field(ge=2)] = 25
    limit: Annotated[int, Field(ge=0)] = 0
    validation_limit: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class EncoderSettings(ImageEncoderConfig):
    """The encoder and the source of its pretrained weights.

    Attributes:
        weights: a safetensors file, a checkpoint (directory or embedded model) whose encoder is used, or
            `torchvision` for torchvision's own default weights (downloaded once).
    """

    weights: str = "torchvision"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainConfig:
    """Configuration of a whole run.

    Attributes:
        name: name of the run.
        start: checkpoint (directory or embedded model) whose weights the run starts from. Its vocabulary is kept, and
            new words of the data are added. Omitted settings of the model (`encoder.backbone`, `decoder`, `image`,
            `text`) are those of the checkpoint. Empty for a new decoder behind a pretrained encoder.
    """

    name: str
    start: str = ""
    data: DataSettings
    phase: Annotated[tuple[PhaseSettings, ...], Field(min_length=1)]
    encoder: EncoderSettings = dataclasses.field(default_factory=EncoderSettings)
    decoder: DecoderSettings = dataclasses.field(default_factory=DecoderSettings)
    image: ImageConfig = dataclasses.field(default_factory=ImageConfig)
    text: TextConfig = dataclasses.field(default_factory=TextConfig)
    decoding: DecodingOptions = dataclasses.field(default_factory=DecodingOptions)
    training: LoopSettings = dataclasses.field(default_factory=LoopSettings)
    distillation: DistillationSettings = dataclasses.field(default_factory=DistillationSettings)

    def __post_init__(self) -> None:
        if self.text.tokens == "char" and self.decoding.no_repeat_ngram:
            raise ValueError("decoding.no_repeat_ngram counts tokens, which are characters here; set it to 0")

    def model(self, vocabulary_size: int) -> ModelConfig:
        """The configuration of the model that this run trains."""
        return ModelConfig(
            encoder=ImageEncoderConfig(backbone=self.encoder.backbone),
            decoder=DecoderConfig(vocabulary_size=vocabulary_size, **dataclasses.asdict(self.decoder)),
            image=self.image,
            text=self.text,
        )
