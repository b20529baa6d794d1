"""What stands in a visit at one moment, for a page to show."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captioner.visit.photos import Plan, VisitPhoto
    from captioner.visit.refusals import Refused
    from captioner.visit.work import Explanation


@dataclass(frozen=True)
class State:
    """What the page shows of a visit: a copy, which nobody changes.

    Attributes:
        photos: with captions, by their keys, in the order in which they came.
        waiting: names of files without captions yet, by their keys.
        refused: files that got no caption.
        explained: why photos have their captions, as far as that was asked for, by their keys.
        explaining: keys of photos whose captions are being explained.
        done: photos of this batch that have been captioned, or of the redo.
        total: photos of this batch, or of the redo.
        redoing: the plan of a redo that is going on.
        paused: whether the work stands still until it is continued.
        position: in the queue of all visitors; 0 if it is this visitor's turn.
        deleted: how many photos were deleted last and can be brought back.
        problem: why the model cannot be used; empty if it can.
        unsaved: whether captions have changed since they were last downloaded.
        undone: how many times a redo was undone, by the visitor or because it failed, so that an earlier plan stands.
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
        """Whether something will change without the visitor."""
        working = bool(self.waiting or self.redoing) and not self.paused and not self.problem
        return working or bool(self.explaining)
