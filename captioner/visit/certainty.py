"""The confidence of a caption in words. All thresholds are defined here."""

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captioner.predict import Caption

LOOKS_RIGHT = 0.95
"""Minimum confidence of a caption that "looks right". The target is that a person judges 9 in 10 of them right. No
threshold reaches it yet: of the 60 validation captions with the highest confidence (0.81 to 0.91, 550 photos), 39 were
right."""
PLEASE_CHECK = 0.25
"""Minimum confidence of a caption that the user should check; below it, the caption is only a suggestion. A person
judged 28 of 48 validation captions between this and `LOOKS_RIGHT` right."""
NOTHING_SEEN = 0.1
"""Confidence below which the page says that the model recognized nothing."""
MEASURED: tuple[int, int] | None = None
"""Of the captions that "look right": the number that people judged right, and the number judged. None if unknown."""
DOUBTFUL = 0.35
"""Probability below which a word is marked as doubtful."""


class Certainty(StrEnum):
    """The rating of a model's caption. The values are written to exports."""

    RIGHT = "looks right"
    CHECK = "please check"
    UNSURE = "not sure"


def certainty(caption: "Caption") -> Certainty:
    """Rate a caption by its confidence."""
    if caption.confidence >= LOOKS_RIGHT:
        return Certainty.RIGHT
    return Certainty.CHECK if caption.confidence >= PLEASE_CHECK else Certainty.UNSURE


def explanation(caption: "Caption") -> str:
    """Explain the rating in one or two sentences that agree with the calibrated confidence."""
    rating = certainty(caption)
    if rating is Certainty.CHECK:
        tenths = round(10 * caption.confidence)
        return f"Estimated chance that people would describe it like this: about {tenths} in 10."
    if rating is Certainty.UNSURE:
        return "Estimated chance that people would describe it like this: less than 1 in 4."
    if MEASURED is None:
        return "The model is confident in this caption. It can still be wrong."
    right, judged = MEASURED
    share = f"{100 * right / judged:.0f} %"
    return f"The model is confident. Of {judged} captions like this one, people judged {right} right ({share})."
