"""How sure the model is of a caption, in words. The thresholds stand here and nowhere else."""

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captioner.predict import Caption

LOOKS_RIGHT = 0.95
"""Confidence from which a caption "looks right": where 9 of 10 are, as a person judges. No threshold reaches that yet:
of the 60 captions with the highest confidence (0.81 to 0.91) among 550 validation photos, 39 were right."""
PLEASE_CHECK = 0.25
"""Confidence below which the model is not sure, and the caption is only a suggestion."""
NOTHING_SEEN = 0.1
"""Confidence below which the page says that the model recognized nothing."""
MEASURED: tuple[int, int] | None = None
"""How many of how many captions that "look right" were right, as people judged them; None before it is measured."""
DOUBTFUL = 0.35
"""Probability of a word below which it is marked as doubtful."""


class Certainty(StrEnum):
    """What the page says about a caption of the model; the value stands in exports."""

    RIGHT = "looks right"
    CHECK = "please check"
    UNSURE = "not sure"


def certainty(caption: "Caption") -> Certainty:
    """How sure the model is of its caption."""
    if caption.confidence >= LOOKS_RIGHT:
        return Certainty.RIGHT
    return Certainty.CHECK if caption.confidence >= PLEASE_CHECK else Certainty.UNSURE


def explanation(word: Certainty) -> str:
    """What the word means, in a sentence or two for the page."""
    if word is Certainty.CHECK:
        return "Please check this caption: about 4 of 10 like it are wrong."  # 28 of 48 validation photos were right
    if word is Certainty.UNSURE:
        return "The model is not sure. Most captions like this one need a change."
    if MEASURED is None:
        return "The model is sure of this caption. It can still be wrong."
    right, judged = MEASURED
    share = f"{100 * right / judged:.0f} %"
    return f"The model is sure. Of {judged} captions like this one, people found {right} right ({share})."
