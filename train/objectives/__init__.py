"""What a phase of training minimizes: one file per objective, all listed in the table here.

A new objective needs one file, an entry in `OBJECTIVES` and, if it has settings of its own, a base of `PhaseSettings`.
"""

from typing import Literal

from pydantic.dataclasses import dataclass

from captioner.config import STRICT
from train.objectives.captions import Captions
from train.objectives.objective import Objective
from train.objectives.self_critical import SelfCritical, SelfCriticalSettings
from train.objectives.text import Text

ObjectiveName = Literal["captions", "self-critical", "text"]

OBJECTIVES: dict[ObjectiveName, type[Objective]] = {"captions": Captions, "self-critical": SelfCritical, "text": Text}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PhaseSettings(SelfCriticalSettings):
    """One phase of training, with the settings of all objectives side by side.

    Attributes:
        objective: what the phase minimizes; settings of other objectives are refused.
    """

    objective: ObjectiveName = "captions"

    def __post_init__(self) -> None:
        OBJECTIVES[self.objective].check(self)
        if self.encoder_learning_rate:
            self.refuse("views", reason="with a trained encoder: every epoch sees new crops anyway")
        else:
            self.refuse("colour", "encoder_blocks", "size", reason="while encoder_learning_rate is 0")
            if self.views == 1:
                self.refuse("crop", "flip", reason="while encoder_learning_rate is 0 and views is 1")
        for name, other in OBJECTIVES.items():
            if name != self.objective:
                self.refuse(*other.own_settings(), reason=f"unless objective is {name!r}")
