"""A visit to the page: its photos and the worker thread that captions them, independent of the page's redraws.

The page draws the visit's state and forwards the visitor's actions. Each visit has one worker thread, which captions
one photo at a time. It ends when there is no work left, or when the visitor has left and the visit is freed.
"""

import threading
import weakref
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from captioner.errors import ImageError
from captioner.visit.gate import Gate
from captioner.visit.photos import Plan, VisitPhoto
from captioner.visit.refusals import Refused, reason
from captioner.visit.state import State
from captioner.visit.work import Explanation, Incoming, Job, work

if TYPE_CHECKING:
    from captioner.predict import Caption, Captioner

MAX_FILES = 50
MAX_WAITING = 500_000_000
"""Maximum total size of waiting files, in bytes."""


@dataclass
class Redo:
    """Captioning all photos again. The old captions stay until the last new one is done."""

    plan: Plan
    done: "dict[int, Caption]" = field(default_factory=dict)


class Visit:
    """The photos of one visitor. Thread-safe.

    Args:
        plan: initial captioning settings; see `use`.
        load: returns the model for a name.
        gate: limits concurrent work over all visitors.
    """

    def __init__(self, plan: Plan, *, load: "Callable[[str], Captioner]", gate: Gate) -> None:
        self._plan = plan
        self._load = load
        self._gate = gate
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._last_key = 0
        self._photos: dict[int, VisitPhoto] = {}
        self._waiting: dict[int, Incoming] = {}
        self._refused: list[Refused] = []
        self._explained: dict[int, Explanation] = {}
        self._explaining: list[int] = []
        self._redo: Redo | None = None
        self._batch = 0  # files of this batch that are captioned, refused, or deleted
        self._paused = False
        self._position = 0
        self._deleted: tuple[dict[int, VisitPhoto], dict[int, Incoming]] = ({}, {})
        self._problem = ""
        self._changes, self._saved, self._undone = 0, 0, 0

    # ------------------------------------------------------------------------------------------------ for the page

    def state(self) -> State:
        """A snapshot of the current state."""
        with self._lock:
            redo = self._redo
            batch = self._batch + len(self._waiting)
            return State(
                photos=dict(self._photos),
                waiting={key: file.name for key, file in self._waiting.items()},
                refused=tuple(self._refused),
                explained=dict(self._explained),
                explaining=tuple(self._explaining),
                done=len(redo.done) if redo else self._batch,
                total=len(self._photos) if redo else batch,
                redoing=redo.plan if redo else None,
                paused=self._paused,
                position=self._position,
                deleted=len(self._deleted[0]) + len(self._deleted[1]),
                problem=self._problem,
                unsaved=bool(self._photos) and self._changes != self._saved,
                undone=self._undone,
            )

    @property
    def plan(self) -> Plan:
        """The current captioning settings, or those of the running redo."""
        with self._lock:
            return self._redo.plan if self._redo else self._plan

    def add(self, files: Sequence[Incoming]) -> None:
        """Queue files for captioning, up to the limits on number and size."""
        with self._lock:
            self._drop_deleted()
            if not self._waiting:
                self._batch = 0
            for file in files:
                try:
                    self._check_room(file)
                except ImageError as problem:
                    self._refused.append(Refused(file.name, str(problem)))
                    file.forget()
                else:
                    self._last_key += 1
                    self._waiting[self._last_key] = file
        self._wake()

    def refuse(self, name: str, why: str) -> None:
        """Record a file that could not be uploaded."""
        with self._lock:
            self._refused.append(Refused(name, why))

    def use(self, plan: Plan) -> None:
        """Use other captioning settings from now on. A new language starts a redo of all photos."""
        with self._lock:
            if plan == self.plan:
                return
            self._problem = ""
            if plan.language != self.plan.language and self._photos:
                self._redo = None if plan.language == self._plan.language else Redo(plan)
            if self._redo:
                self._redo = self._redo if self._redo.plan == plan else Redo(plan)
            else:
                self._plan = plan
        self._wake()

    def redo(self) -> None:
        """Caption all photos again with the current settings."""
        with self._lock:
            if self._photos:
                self._redo = Redo(self.plan)
        self._wake()

    def cancel_redo(self) -> None:
        """Cancel the redo and keep the old captions."""
        with self._lock:
            self._undo_redo()
        self._wake()

    def pause(self) -> None:
        """Pause after the current photo."""
        with self._lock:
            self._paused = True

    def go_on(self) -> None:
        """Resume after a pause or a problem with the model."""
        with self._lock:
            self._paused, self._problem = False, ""
        self._wake()

    def write(self, key: int, text: str) -> None:
        """Set the visitor's own caption for a photo; an empty text restores the model's caption."""
        self._change(key, lambda photo: photo.written(text))

    def choose(self, key: int, text: str) -> None:
        """Use a suggestion as the caption of a photo."""
        self._change(key, lambda photo: photo.choosing(text))

    def explain(self, key: int) -> None:
        """Request the occlusion analysis for a photo."""
        with self._lock:
            if key in self._photos and key not in self._explained and key not in self._explaining:
                self._explaining.append(key)
        self._wake()

    def remove(self, keys: Collection[int] | None = None) -> None:
        """Delete some photos, or all of them; `restore` undoes the last deletion."""
        with self._lock:
            self._drop_deleted()
            gone = set(self._photos) | set(self._waiting) if keys is None else set(keys)
            photos = {key: self._photos.pop(key) for key in sorted(gone & set(self._photos))}
            waiting = {key: self._waiting.pop(key) for key in sorted(gone & set(self._waiting))}
            self._batch += len(waiting)
            self._deleted = photos, waiting
            self._changes += bool(photos)
            for found in (self._explained, self._redo.done if self._redo else {}):
                for key in gone & set(found):
                    del found[key]
            self._explaining = [key for key in self._explaining if key not in gone]
        self._wake()

    def restore(self) -> None:
        """Undo the last deletion."""
        with self._lock:
            photos, waiting = self._deleted
            self._deleted = {}, {}
            self._photos = dict(sorted({**self._photos, **photos}.items()))
            self._waiting = dict(sorted({**self._waiting, **waiting}.items()))
            self._batch = max(0, self._batch - len(waiting))
            self._changes += bool(photos)
            if any(photo.caption.language != self._plan.language for photo in photos.values()):
                self._redo = self._redo or Redo(self._plan)  # the language has changed since they were deleted
        self._wake()

    def dismiss(self) -> None:
        """Clear the list of files that could not be captioned."""
        with self._lock:
            self._refused.clear()

    def mark_saved(self) -> None:
        """Record that the visitor has downloaded the current captions."""
        with self._lock:
            self._saved = self._changes

    def _change(self, key: int, change: Callable[[VisitPhoto], VisitPhoto]) -> None:
        with self._lock:
            if key in self._photos:
                self._photos[key] = change(self._photos[key])
                self._changes += 1

    def _check_room(self, file: Incoming) -> None:
        if len(self._photos) + len(self._waiting) >= MAX_FILES:
            raise ImageError(
                f"The limit is {MAX_FILES} photos at a time. Download the captions and delete photos to make room."
            )
        if sum(one.size for one in self._waiting.values()) + file.size > MAX_WAITING:
            raise ImageError(
                f"More than {MAX_WAITING // 10**6} MB are waiting. Add this photo again when the others are captioned."
            )

    def _drop_deleted(self) -> None:
        for file in self._deleted[1].values():
            file.forget()
        self._deleted = {}, {}

    # ------------------------------------------------------------------------------------------------ for the worker

    def _wake(self) -> None:
        with self._lock:
            if self._thread is None and self._next() is not None:
                arguments = (weakref.ref(self), self._load, self._gate)
                self._thread = threading.Thread(target=work, args=arguments, daemon=True, name="visit")
                self._thread.start()

    def _next(self) -> Job | None:
        """The next job: requested explanations first, then a redo, then new photos, so that languages never mix."""
        if self._problem:
            return None
        if self._explaining:
            key = self._explaining[0]
            return Job("explain", key, self._plan, photo=self._photos[key])
        if self._paused:
            return None
        if self._redo:
            left = (key for key in self._photos if key not in self._redo.done)
            key = next(left, 0)
            if key:
                return Job("redo", key, self._redo.plan, photo=self._photos[key])
            self._finish_redo(self._redo)
        if self._waiting:
            key, file = next(iter(self._waiting.items()))
            return Job("caption", key, self._plan, file=file)
        return None

    def take(self) -> Job | None:
        """Return the next job; None ends the worker thread."""
        with self._lock:
            job = self._next()
            if job is None:
                self._thread = None
            return job

    def put(self, job: Job, result: Any) -> None:
        """Store the result of a job, unless its photo was deleted or its redo canceled in the meantime."""
        with self._lock:
            self._position = 0
            if job.kind == "explain":
                self._explaining = [key for key in self._explaining if key != job.key]
                if job.key in self._photos and isinstance(result, Explanation):
                    self._explained[job.key] = result
            elif job.kind == "redo":
                self._put_redone(job, result)
            elif job.key in self._waiting:
                self._put_captioned(job, result)

    def _put_redone(self, job: Job, result: Any) -> None:
        if self._redo is None or self._redo.plan != job.plan:
            return
        if isinstance(result, Exception):
            self._undo_redo()
            self._refused.append(
                Refused(job.photo.name if job.photo else "", f"No captions were changed. {reason(result)}")
            )
        elif job.key in self._photos:
            self._redo.done[job.key] = result

    def _put_captioned(self, job: Job, result: Any) -> None:
        if job.plan.language != self._plan.language:
            return  # it stays in the queue and is captioned in the new language
        file = self._waiting.pop(job.key)
        file.forget()
        self._batch += 1
        if isinstance(result, Exception):
            self._refused.append(Refused(file.name, reason(result, file.name)))
        else:
            self._photos = dict(sorted({**self._photos, job.key: result}.items()))
            self._changes += 1

    def _undo_redo(self) -> None:
        self._undone += self._redo is not None
        self._redo = None

    def _finish_redo(self, redo: Redo) -> None:
        self._photos = {key: photo.captioned(redo.done[key]) for key, photo in self._photos.items()}
        self._explained.clear()
        self._plan, self._redo = redo.plan, None
        self._changes += 1

    def fail(self, problem: str) -> None:
        """Stop all work until the settings change or the visitor retries."""
        with self._lock:
            self._problem, self._thread = problem, None
            self._undo_redo()
            self._explaining.clear()

    def tell(self, position: int) -> None:
        """Record the position in the queue of all visitors."""
        with self._lock:
            self._position = position
