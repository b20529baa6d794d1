"""The work of a visit: every photo is captioned exactly once, whatever the user does in the meantime."""

import dataclasses
import gc
import random
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import captioner
from captioner import Captioner, DecodingOptions, ModelError
from captioner.visit import visit as visits
from captioner.visit import work
from captioner.visit.gate import Gate
from captioner.visit.photos import Plan
from captioner.visit.visit import Visit
from captioner.visit.work import Incoming
from tests.image_files import encode

PLAN = Plan("small", "en", DecodingOptions(beam_size=1, max_length=4))
MORE = Plan("small", "en", DecodingOptions(beam_size=3, num_captions=3, max_length=4))


@pytest.fixture
def visit(small_checkpoint: Path) -> Visit:
    model = Captioner.load(small_checkpoint, device="cpu")
    return Visit(PLAN, load=lambda name: model, gate=Gate(2))


class Files:
    """Small photos whose bytes can be read only after `let` has allowed it."""

    def __init__(self, count: int, *, closed: bool = False) -> None:
        self.forgotten: list[str] = []
        self._gate = threading.Semaphore(0 if closed else 10_000)
        self.files = [self._file(f"{number}.jpg", picture(number)) for number in range(count)]

    def _file(self, name: str, content: bytes) -> Incoming:
        return Incoming(name, len(content), lambda: self._read(content), lambda: self.forgotten.append(name))

    def _read(self, content: bytes) -> bytes:
        assert self._gate.acquire(timeout=20)
        return content

    def let(self, count: int = 10_000) -> None:
        self._gate.release(count)


def picture(number: int) -> bytes:
    return encode(Image.new("RGB", (32, 24), (7 * number % 256, 90, 200)), "JPEG")


def wait(until: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not until():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def idle(visit: Visit) -> None:
    wait(lambda: not visit.state().busy)


def names(visit: Visit) -> list[str]:
    return [photo.name for photo in visit.state().photos.values()]


def test_photos_are_captioned_in_their_order_and_their_files_are_let_go(visit: Visit) -> None:
    files = Files(4)
    visit.add(files.files)
    assert visit.state().total == 4
    idle(visit)
    assert names(visit) == files.forgotten == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    visit.add(Files(1).files)
    assert (visit.state().done, visit.state().total) in {(0, 1), (1, 1)}  # a new batch


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_clicked_meanwhile_no_photo_is_lost_or_doubled(visit: Visit, seed: int) -> None:
    clicks = random.Random(seed)
    visit.add(Files(12).files)
    for number in range(60):
        key = clicks.randint(1, 12)
        act = clicks.choice(
            [
                visit.pause,
                visit.go_on,
                visit.redo,
                visit.cancel_redo,
                visit.restore,
                visit.dismiss,
                visit.state,
                visit.mark_saved,
                lambda: visit.use(clicks.choice([PLAN, MORE])),
                lambda key=key: visit.write(key, "Mine."),
                lambda key=key: visit.choose(key, "A dog."),
                lambda key=key: visit.explain(key),
                lambda key=key: (visit.remove([key]), visit.restore()),
                lambda: (visit.remove(), visit.restore()),
            ]
        )
        act()
        time.sleep(clicks.random() * 0.01)
        state = visit.state()
        assert len(state.photos) + len(state.waiting) == 12, number
        assert not state.refused
    visit.go_on()
    idle(visit)
    assert names(visit) == [f"{number}.jpg" for number in range(12)]


def test_a_pause_stops_the_work_and_downloads_go_on(visit: Visit) -> None:
    files = Files(3, closed=True)
    visit.add(files.files)
    files.let(1)
    wait(lambda: names(visit) == ["0.jpg"])
    visit.pause()
    files.let()
    wait(lambda: visit.state().busy is False)
    time.sleep(0.1)
    state = visit.state()
    assert state.paused
    assert len(state.photos) + len(state.waiting) == 3
    assert state.waiting
    visit.go_on()
    idle(visit)
    assert names(visit) == ["0.jpg", "1.jpg", "2.jpg"]


def suggestions(visit: Visit) -> list[int]:
    return [len(photo.caption.alternatives) for photo in visit.state().photos.values()]


def test_a_redo_is_finished_or_undone_as_a_whole(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    visit.add(Files(4).files)
    idle(visit)
    visit.write(2, "Mine.")
    release, again = threading.Semaphore(0), work.describe_again
    monkeypatch.setattr(work, "describe_again", lambda *arguments: release.acquire(timeout=20) and again(*arguments))
    visit.use(MORE)
    visit.redo()
    release.release(2)
    wait(lambda: visit.state().done == 2)
    assert suggestions(visit) == [1, 1, 1, 1]
    visit.write(3, "Mine too.")
    visit.cancel_redo()
    assert visit.state().undone == 1
    release.release(10)
    idle(visit)
    assert suggestions(visit) == [1, 1, 1, 1]

    visit.redo()
    visit.remove([4])
    idle(visit)
    assert suggestions(visit) == [3, 3, 3]
    assert [photo.text for photo in visit.state().photos.values()][1:] == ["Mine.", "Mine too."]


def test_a_redo_in_another_language_that_fails_or_is_canceled_leaves_the_old_language(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit.add(Files(2).files)
    idle(visit)
    before = visit.state().photos
    german = dataclasses.replace(PLAN, language="xx")  # not a supported language
    visit.use(german)
    assert visit.plan == german
    idle(visit)
    state = visit.state()
    assert (state.photos, state.undone, visit.plan) == (before, 1, PLAN)
    assert state.refused[0].reason.startswith("No captions were changed. ")


def test_a_photo_that_is_restored_after_a_redo_began_is_part_of_it(visit: Visit) -> None:
    visit.add(Files(3).files)
    idle(visit)
    visit.remove([1])
    visit.use(MORE)
    visit.redo()
    visit.restore()
    idle(visit)
    assert names(visit) == ["0.jpg", "1.jpg", "2.jpg"]


def test_deleted_photos_come_back_in_their_places_those_that_wait_too(visit: Visit) -> None:
    files = Files(3, closed=True)
    visit.add(files.files)
    files.let(1)
    wait(lambda: names(visit) == ["0.jpg"])
    visit.remove()
    state = visit.state()
    assert (len(state.photos), len(state.waiting), state.deleted) == (0, 0, 3)
    visit.restore()
    files.let()
    idle(visit)
    assert names(visit) == ["0.jpg", "1.jpg", "2.jpg"]
    assert visit.state().deleted == 0


def test_photos_that_come_back_after_another_language_was_chosen_are_captioned_in_it(small_checkpoint: Path) -> None:
    model = captioner.load()
    visit = Visit(PLAN, load=lambda name: model, gate=Gate(1))
    visit.add(Files(1).files)
    idle(visit)
    visit.remove()
    visit.use(dataclasses.replace(PLAN, language="de"))
    visit.restore()
    idle(visit)
    assert [photo.caption.language for photo in visit.state().photos.values()] == ["de"]


def test_the_files_of_deleted_photos_are_let_go_when_they_can_no_longer_come_back(visit: Visit) -> None:
    visit.pause()
    files = Files(2)
    visit.add(files.files)
    visit.remove([1])
    assert files.forgotten == []
    visit.remove([2])
    assert files.forgotten == ["0.jpg"]
    visit.add(Files(1).files)
    assert files.forgotten == ["0.jpg", "1.jpg"]
    assert visit.state().deleted == 0


def test_what_cannot_be_read_is_named_and_the_others_go_on(visit: Visit) -> None:
    def fail() -> bytes:
        raise RuntimeError("out of luck")

    visit.add(
        [
            Incoming("invoice.pdf", 4, lambda: b"%PDF", lambda: None),
            *Files(1).files,
            Incoming("cut.jpg", 300, lambda: picture(1)[:300], lambda: None),
            Incoming("empty.jpg", 0, lambda: b"", lambda: None),
            Incoming("odd.jpg", 9, fail, lambda: None),
        ]
    )
    idle(visit)
    assert names(visit) == ["0.jpg"]
    reasons = {one.name: one.reason for one in visit.state().refused}
    assert reasons["invoice.pdf"] == "This is a PDF, not a photo."
    assert reasons["empty.jpg"] == "The file is empty. Download or copy it again."
    assert (
        reasons["odd.jpg"] == "An internal error occurred while captioning this photo. Other photos are not affected."
    )
    assert list(reasons) == ["invoice.pdf", "cut.jpg", "empty.jpg", "odd.jpg"]
    visit.dismiss()
    assert not visit.state().refused


def test_there_is_room_for_so_many_photos_and_bytes(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "MAX_FILES", 2)
    visit.pause()
    files = Files(3)
    visit.add(files.files)
    assert len(visit.state().waiting) == 2
    assert "limit is 2 photos" in visit.state().refused[0].reason
    assert files.forgotten == ["2.jpg"]
    monkeypatch.setattr(visits, "MAX_FILES", 50)
    monkeypatch.setattr(visits, "MAX_WAITING", 1000)
    visit.add(Files(1).files)
    assert visit.state().refused[1].reason.startswith("More than")


def test_a_model_that_cannot_be_used_stops_the_work_until_there_is_another(small_checkpoint: Path) -> None:
    model = Captioner.load(small_checkpoint, device="cpu")

    def load(name: str) -> Captioner:
        if name == "broken":
            raise ModelError("broken: the file is missing.")
        return model

    visit = Visit(Plan("broken", "en", DecodingOptions()), load=load, gate=Gate(1))
    visit.add(Files(2).files)
    wait(lambda: visit.state().problem)
    assert visit.state().problem == "Broken: the file is missing."
    assert not visit.state().busy
    visit.use(PLAN)
    idle(visit)
    assert names(visit) == ["0.jpg", "1.jpg"]


def test_the_covering_test_is_made_once_when_asked_for_even_in_a_pause(visit: Visit) -> None:
    visit.add(Files(2).files)
    idle(visit)
    visit.pause()
    visit.explain(2)
    visit.explain(2)
    visit.explain(99)
    idle(visit)
    state = visit.state()
    assert list(state.explained) == [2]
    assert len(state.explained[2].covering.drops) == 49


def test_captions_are_unsaved_until_they_are_taken_as_they_stand(visit: Visit) -> None:
    visit.add(Files(1).files)
    idle(visit)
    assert visit.state().unsaved
    visit.mark_saved()
    assert not visit.state().unsaved
    visit.write(1, "Mine.")
    assert visit.state().unsaved


def test_the_work_ends_when_its_visitor_has_left(small_checkpoint: Path) -> None:
    model, files = Captioner.load(small_checkpoint, device="cpu"), Files(5, closed=True)
    visit = Visit(PLAN, load=lambda name: model, gate=Gate(1))
    visit.add(files.files)
    files.let(1)
    wait(lambda: len(files.forgotten) == 1)
    gone, thread = weakref.ref(visit), visit._thread
    assert thread is not None
    del visit
    gc.collect()
    files.let(1)  # for the photo that was being captioned
    thread.join(20)
    assert not thread.is_alive()
    gc.collect()
    assert gone() is None
    assert len(files.forgotten) <= 2
