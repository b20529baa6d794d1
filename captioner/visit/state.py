"""A snapshot of a visit, for the page to draw."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captioner.visit.photos import Plan, VisitPhoto
    from captioner.visit.refusals import Refused
    from captioner.visit.work import Explanation


@dataclass(frozen=True)
class State:
    """An immutable snapshot of a visit.

    Attributes:
        photos: captioned photos by key, in the order in which they were added.
        waiting: names of files that are not captioned yet, by key.
        refused: files that could not be captioned.
        explained: the explanations that were requested, by key.
        explaining: keys of photos that are being explained.
        done: number of photos captioned in this batch, or in the redo.
        total: number of photos in this batch, or in the redo.
        redoing: plan of the current redo, if any.
        paused: whether captioning is paused.
        position: position in the queue of all visitors; 0 if it is this visitor's turn.
        deleted: number of photos that were deleted last and can be restored.
        problem: why the model cannot be used; empty if it can.
        unsaved: whether captions have changed since the last download.
        undone: number of redos that were canceled or failed, which restored the earlier plan.
    """

    photos: "Mapping[int, VisitPhoto]"
    waiting: Mapping[int, str]
    refused: "Sequence[Refused]"
    explained: "Mapping[int, Explanation]"
    explaining: Collection[int]
    done: int
    total: int
    redoing: "Plan | None"
    paused: bool
    position: int
    deleted: int
    problem: str
    unsaved: bool
    undone: int

    @property
    def busy(self) -> bool:
        """Whether the state will change without any action of the visitor."""
        working = bool(self.waiting or self.redoing) and not self.paused and not self.problem
        return working or bool(self.explaining)
