"""The jobs of a visit, and the worker thread that runs them."""

import io
import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from captioner.errors import CaptionerError
from captioner.visit.covering import Covering, cover
from captioner.visit.gate import ClosedError, Gate
from captioner.visit.photos import Plan, VisitPhoto, describe, describe_again
from captioner.visit.refusals import reason

if TYPE_CHECKING:
    from captioner.predict import Caption, Captioner
    from captioner.visit.visit import Visit

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Incoming:
    """A file waiting for its caption; `forget` releases the memory that others hold for it."""

    name: str
    size: int
    read: Callable[[], bytes]
    forget: Callable[[], None]


@dataclass(frozen=True)
class Explanation:
    """Why a photo has its caption.

    Attributes:
        covering: the area of the photo that the caption depends on.
        translation: a PNG with the translator's attention over the English words; None for untranslated captions.
    """

    covering: Covering
    translation: bytes | None


def explain(model: "Captioner", photo: VisitPhoto) -> Explanation:
    """Run the occlusion analysis for a photo, and draw the translator's attention if its caption was translated."""
    covering, translation = cover(model, photo.picture, photo.caption.source), photo.caption.translation
    if translation is None or translation.attention is None:
        return Explanation(covering, None)
    from captioner.translation.picture import draw_words

    out = io.BytesIO()
    draw_words(translation).save(out, "PNG")
    return Explanation(covering, out.getvalue())


@dataclass(frozen=True)
class Job:
    """One unit of work, independent of its visit."""

    kind: str  # "caption", "redo" or "explain"
    key: int
    plan: Plan
    photo: VisitPhoto | None = None
    file: Incoming | None = None

    def run(self, model: "Captioner") -> "VisitPhoto | Caption | Explanation":
        if self.file is not None:
            return describe(model, self.file.name, self.file.read(), self.plan)
        assert self.photo is not None
        if self.kind == "explain":
            return explain(model, self.photo)
        return describe_again(model, self.photo, self.plan)


def _step(job: Job, model: "Captioner", tell: Callable[[int], None]) -> "VisitPhoto | Caption | Explanation":
    tell(0)
    return job.run(model)


class _GoneError(Exception):
    """Raised when the visitor has left."""


def work(visit: "weakref.ref[Visit]", load: "Callable[[str], Captioner]", gate: Gate) -> None:
    """Run the jobs of a visit. The visit is referenced only between jobs, so that it can be freed during one."""

    def ask() -> Job | None:
        here = visit()
        return here.take() if here else None

    def tell(position: int) -> None:
        here = visit()
        if here is None:
            raise _GoneError
        here.tell(position)

    while job := ask():
        try:
            model = load(job.plan.model)
        except Exception as problem:
            if here := visit():
                here.fail(reason(problem))
            return
        try:
            result: object = gate.run(partial(_step, job, model, tell), tell)
        except (_GoneError, ClosedError):
            return
        except Exception as problem:
            if not isinstance(problem, CaptionerError):
                _LOG.exception("A photo could not be captioned")
            result = problem
        here = visit()
        if here:
            here.put(job, result)
        del here
