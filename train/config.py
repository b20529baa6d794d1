"""The configuration of a training run: one TOML file, checked whole before anything runs."""

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from captioner.config import (
    STRICT,
    DecoderConfig,
    DecoderSettings,
    ImageConfig,
    ImageEncoderConfig,
    Language,
    Languages,
    ModelConfig,
    Probability,
    TextConfig,
    TextEncoderConfig,
    TextEncoderSettings,
    TranslatorConfig,
    to_mapping,
)
from captioner.decoding.options import DecodingOptions
from captioner.text import ENGLISH
from train.objectives import OBJECTIVES, ObjectiveName, ObjectiveSettings

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DataSettings:
    """Where the photos and captions are, and which captions count.

    Attributes:
        root: directory with the captions (see `train.photos.splits`) and the photos, or the file of captions itself; given on the
            command line (`--set data.root=DIR`).
        images: directory of the photos; empty where they are in `images/` beside the captions, or in a place that
            `train.photos.places` finds by itself.
        also: further files of captioned photos, for training whatever their split; the photos are in `images/` beside each file.
        validation: further files like these, for validation whatever their split: each is scored by itself, and the best
            checkpoint is that with the best mean score over the data's validation photos and these files.
        text: files of captions without photos, for phases whose objective is `text`: one a line, or JSON lines with the
            key `captions`; `.gz` is unpacked.
        cache: directory for features and pixels computed from the photos; safe to delete.
        min_count: a word that stands in fewer training captions becomes `<unk>`.
        max_length: captions are cut off after so many tokens.
        limit: train on the first so many photos only, 0 for all.
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
    """The encoder, and where its pretrained weights come from.

    Attributes:
        weights: a safetensors file, a checkpoint (directory, or name of an embedded model) whose encoder is taken, or
            `torchvision` for torchvision's own default weights (downloaded once).
    """

    weights: str = "torchvision"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PhaseSettings(ObjectiveSettings):
    """One phase of training, with its own optimiser and learning-rate schedule (linear warm-up, then half a cosine).

    Attributes:
        name: what the log calls it.
        epochs: passes over the training photos.
        objective: what it minimizes; see `train.objectives`, also for the settings that only one objective has.
        batch_size: photos in a step; each comes with all its captions.
        learning_rate: the decoder's highest.
        encoder_learning_rate: the encoder's highest; 0 freezes it, and its features are computed once and cached.
        encoder_blocks: how many of the encoder's last blocks learn; 0 is all of them.
        views: of a frozen encoder: how many differently cropped views of a photo are cached, the whole one included.
        size: where the encoder learns: side in pixels of the square that it sees in training, 0 for that of validation
            and inference (`image.size`). Random crops enlarge what they show, so fewer pixels show it at the same scale
            (Touvron et al. 2019).
        crop: smallest share of a photo's area that a random crop keeps; 1 switches cropping off.
        flip: mirror every other crop, but never a photo with a caption that says left or right.
        colour: greatest relative change of brightness, contrast and saturation; only where the encoder learns.
        warmup: steps over which the learning rate rises; in a phase too short for that, a tenth of its steps.
        weight_decay: of AdamW, on matrices only.
        scheduled_sampling: share of the words read that are the model's own guesses instead of a person's: from 0 at the
            beginning of the phase in a straight line to this (Bengio et al. 2015).
    """

    name: str
    epochs: Count
    objective: ObjectiveName = "captions"
    batch_size: Count = 32
    learning_rate: Positive = 1e-3
    encoder_learning_rate: Annotated[float, Field(ge=0)] = 0.0
    encoder_blocks: Annotated[int, Field(ge=0)] = 0
    views: Count = 1
    size: Annotated[int, Field(ge=0, le=1024)] = 0
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    flip: bool = False
    colour: Annotated[float, Field(ge=0, lt=1)] = 0.0
    warmup: Annotated[int, Field(ge=0)] = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    scheduled_sampling: Annotated[float, Field(ge=0, le=1)] = 0.0

    def __post_init__(self) -> None:
        """Check the fields against each other.

        Raises:
            ValueError: where two fields exclude each other, or one would do nothing.
        """
        OBJECTIVES[self.objective].check(self)
        if self.encoder_learning_rate:
            self.refuse("views", reason="where the encoder learns: every pass sees other crops")
        else:
            self.refuse("colour", "encoder_blocks", "size", reason="where encoder_learning_rate is 0")
            if self.views == 1:
                self.refuse("crop", "flip", reason="where encoder_learning_rate is 0 and views is 1")
        for name, other in OBJECTIVES.items():
            if name != self.objective:
                self.refuse(*other.own_settings(), reason=f"unless objective is {name!r}")

    def refuse(self, *names: str, reason: str) -> None:
        """Refuse settings that were made and would do nothing.

        Raises:
            ValueError: one of them has another value than if it were left out.
        """
        for field in dataclasses.fields(self):
            if field.name in names and getattr(self, field.name) != field.default:
                raise ValueError(f"phase {self.name}: {field.name} does nothing {reason}")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LoopSettings:
    """What holds for all phases.

    Attributes:
        seed: same seed, same machine, same number of threads: same weights.
        clip_norm: ĝ = (threshold / ‖g‖) · g where ‖g‖ is above this threshold (Pascanu et al. 2013); the norm is logged.
        label_smoothing: share of probability spread over all words (Szegedy et al. 2016).
        attention_regularisation: weight of the penalty on cells looked at more or less than once (Xu et al. 2015,
            equation 14).
        average_decay: decay per step of the weights' moving average that is validated and saved; 0 switches it off.
        precision: arithmetic of the matrix products.
        threads: of the processor; 0 takes what PyTorch takes. Sums come in another order with another number.
        save_every: steps between two saved states to resume from.
        select_by: the validation score by which the best checkpoint is chosen.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    clip_norm: Positive = 1.0
    label_smoothing: Probability = 0.1
    attention_regularisation: Annotated[float, Field(ge=0)] = 0.0
    average_decay: Probability = 0.995
    precision: Literal["float32", "bf16"] = "float32"
    threads: Annotated[int, Field(ge=0)] = 0
    save_every: Count = 200
    select_by: Literal["Bleu_4", "CIDEr"] = "CIDEr"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DistillationSettings:
    """Models to learn from, in phases whose objective is `captions`.

    Attributes:
        teachers: checkpoints (directories, or names of embedded models) of one vocabulary, which a new student takes over.
        weight: of what they say; that of people's captions is what is left to 1.
    """

    teachers: tuple[str, ...] = ()
    weight: Annotated[float, Field(ge=0, le=1)] = 0.5


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainConfig:
    """A whole run.

    Attributes:
        name: what the run is called.
        start: a checkpoint (directory, or name of an embedded model) whose weights the run begins with; its vocabulary is
            kept and the data's other words are added. Settings of its model that are left out (`encoder.backbone`, `decoder`,
            `image`, `text`) are the checkpoint's. Empty: a new decoder behind the encoder's pretrained weights.
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
        """Check the fields against each other.

        Raises:
            ValueError: the search would forbid a model of characters to write what every sentence repeats.
        """
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


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PairSettings:
    """Where the sentences and their translations are, and how they become subwords.

    Attributes:
        root: directory with `train.en`, `val.en` and the same in the other languages, one sentence a line, `.gz` or not;
            given on the command line (`--set data.root=DIR`).
        held_out: a file of captioned photos (see `train.photos.splits`); what describes one of its photos for validation or
            testing is left out, by the photos' names in `images_train.txt` and `images_val.txt`.
        also: directories with further sentences to train on: `train.en` and the same in one of the languages or more.
        source_size: subwords of the language that is read.
        target_size: subwords of all languages that are written, together.
        subword_dropout: probability that a merge of two pieces is left out, at each reading anew (Provilkov et al. 2020).
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
        start: a translator (directory, or name of an embedded one) whose weights and subwords the run begins with. Settings
            of its model that are left out (`encoder`, `decoder`) are the checkpoint's. Empty: random weights, and subwords of what is in `data.root`.
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
        """Check the fields against each other.

        Raises:
            ValueError: a phase is of a kind that sentences do not have, the encoder would stay random, or the best checkpoint
                cannot be chosen by that score.
        """
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


def without_places(config: object, *places: tuple[str, str]) -> dict[str, Any]:
    """A configuration as plain data, without keys (section, key) that name places on this machine."""
    settings = to_mapping(config)
    for section, key in places:
        del settings[section][key]
    return settings


def first_difference(then: Any, now: Any, key: str = "") -> str:
    """Where two configurations, as plain data, differ first, and how."""
    if isinstance(then, list) and isinstance(now, list):
        then, now = dict(enumerate(then)), dict(enumerate(now))
    if not (isinstance(then, dict) and isinstance(now, dict)):
        return f"{key} was {then!r} and is {now!r}"
    name = next(name for name in then | now if then.get(name) != now.get(name))
    return first_difference(then.get(name), now.get(name), f"{key}.{name}" if key else str(name))
