"""What the configurations of all training runs have in common; `train.recipe` reads them."""

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from captioner.config import (
    STRICT,
    Probability,
    to_mapping,
)

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PhaseBase:
    """What every phase of training has, whatever its objective, with its own optimiser and learning-rate schedule
    (linear warm-up, then half a cosine).

    Attributes:
        name: what the log calls it.
        epochs: passes over the training photos.
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
        clip_norm: ĝ = (threshold / ‖g‖) · g where ‖g‖ is above this threshold (Pascanu et al. 2013); the norm is
            logged.
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
