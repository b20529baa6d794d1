"""Settings that all training runs share; `train.recipe` reads them."""

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from captioner.config import STRICT, Probability, to_mapping

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PhaseBase:
    """Settings of a training phase, whatever its objective. Each phase has its own optimizer and learning-rate schedule
    (linear warm-up, then half a cosine).

    Attributes:
        name: name of the phase in logs.
        epochs: passes over the training photos.
        batch_size: photos per step; each comes with all its captions.
        learning_rate: peak learning rate of the decoder.
        encoder_learning_rate: peak learning rate of the encoder; 0 freezes it, and its features are computed once and
            cached.
        encoder_blocks: how many of the encoder's last blocks are trained; 0 for all.
        views: with a frozen encoder: number of cached views of each photo, differently cropped; one is the whole photo.
        size: with a trained encoder: side in pixels of the square that it sees in training; 0 for that of validation
            and inference (`image.size`). Random crops enlarge their content, so fewer pixels show it at the same scale
            (Touvron et al. 2019).
        crop: smallest share of a photo's area that a random crop keeps; 1 disables cropping.
        flip: mirror half of the crops, except of photos with a caption that says left or right.
        colour: largest relative change of brightness, contrast and saturation; only with a trained encoder.
        warmup: steps of linear warm-up; a tenth of the phase's steps if it is too short for that.
        weight_decay: weight decay of AdamW, applied to matrices only.
    """

    name: str
    epochs: Count
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

    def refuse(self, *names: str, reason: str) -> None:
        """Refuse settings that were given but would have no effect.

        Raises:
            ValueError: one of them differs from its default.
        """
        for field in dataclasses.fields(self):
            if field.name in names and getattr(self, field.name) != field.default:
                raise ValueError(f"phase {self.name}: {field.name} has no effect {reason}")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LoopSettings:
    """Settings that apply to all phases.

    Attributes:
        seed: random seed; with the same machine and number of threads, the same seed gives the same weights.
        clip_norm: threshold of gradient clipping: ĝ = (threshold / ‖g‖) · g if ‖g‖ is larger (Pascanu et al. 2013).
            The norm is logged.
        label_smoothing: share of probability spread over all words (Szegedy et al. 2016).
        attention_regularisation: weight of doubly stochastic attention, the penalty on cells attended to more or less
            than once (Xu et al. 2015, equation 14).
        average_decay: decay per step of the moving average of the weights, which is validated and saved; 0 disables it.
        precision: precision of matrix products.
        threads: processor threads; 0 for PyTorch's default. Another number changes the order of sums.
        save_every: steps between saved states to resume from.
        select_by: validation score that selects the best checkpoint.
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


def without_places(config: object, *places: tuple[str, str]) -> dict[str, Any]:
    """A configuration as plain data, without the keys (section, key) that name paths on this machine."""
    settings = to_mapping(config)
    for section, key in places:
        del settings[section][key]
    return settings


def first_difference(then: Any, now: Any, key: str = "") -> str:
    """The first difference between two configurations, given as plain data."""
    if isinstance(then, list) and isinstance(now, list):
        then, now = dict(enumerate(then)), dict(enumerate(now))
    if not (isinstance(then, dict) and isinstance(now, dict)):
        return f"{key} was {then!r} and is {now!r}"
    name = next(name for name in then | now if then.get(name) != now.get(name))
    return first_difference(then.get(name), now.get(name), f"{key}.{name}" if key else str(name))
