"""What a phase of training minimizes: one file an objective, which all stand in the table here.

A new objective is one file, its name in `OBJECTIVES` and, if it has settings of its own, a base of `ObjectiveSettings`.
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
class ObjectiveSettings(SelfCriticalSettings):
    """The settings of all objectives, as a phase names them."""
