"""The page where photos get captions."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st
from closer import show_certainty, show_closely
from resources import load_model, photo_gate
from settings import Settings, ask_settings
from sources import Incoming, ask_for_photos

from captioner import CaptionerError
from captioner.visit.export import to_coco_results, to_csv, to_json_lines, to_zip
from captioner.visit.photos import MAX_FILES, Refused, Visit, describe, describe_again

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_ACROSS = 3  # photos in a row of the gallery


def main() -> None:
    """Draw the page."""
    visit: Visit = st.session_state.setdefault("visit", Visit())
    turn: int = st.session_state.setdefault("turn", 0)
    waiting: list[Incoming] = st.session_state.setdefault("waiting", [])
    st.title("What is in your photo?")
    st.write("Each photo gets a sentence. Check it, change it, take it home.")
    try:
        settings, again = ask_settings()
        incoming = ask_for_photos(turn, first=not visit.photos and not waiting)
        if incoming:
            waiting += incoming
            st.session_state.turn = turn + 1
            st.rerun()
        if waiting:
            take(visit, waiting, settings)
            st.rerun()
        if again:
            take_again(visit, settings)
        show_refused(visit)
        if visit.photos:
            show(visit)
        else:
            st.caption(
                f"Up to {MAX_FILES} photos. They are described on the computer that runs this page, and forgotten when you leave."
            )
        load_model(settings.model)  # now, while the visitor looks for a photo
    except CaptionerError as problem:
        st.error("The model cannot be used.")
        st.text(str(problem))


def take(visit: Visit, waiting: list[Incoming], settings: Settings) -> None:
    """Describe what waits, one after the other, and show each as soon as it is done.

    Whoever clicks meanwhile interrupts this, and the next run goes on with what still waits.
    """
    many = len(waiting)
    bar = st.progress(0.0, text="One moment…")
    captioner = load_model(settings.model)
    columns = st.columns(_ACROSS) if many > 1 else []
    for number in range(many):
        file = waiting[0]
        bar.progress(number / many, text=f"Photo {number + 1} of {many}")
        try:
            visit.check_room(file.size)
            photo = photo_gate().run(
                lambda file=file: describe(captioner, file.name, file.read(), settings.options, settings.language),  # type: ignore[misc]
                queue_teller(bar, number / many),
            )
        except CaptionerError as problem:
            visit.refused.append(Refused(file.name, str(problem)))
            key = None
        else:
            key = visit.add(photo, size=file.size)
        waiting.pop(0).forget()
        if key and number == 0:
            st.session_state.chosen = key
        if key and columns:
            with columns[number % _ACROSS]:
                show_tile(visit, key)
    bar.progress(1.0)


def queue_teller(bar: "DeltaGenerator", done: float) -> Callable[[int], object]:
    """What tells a visitor who must wait the position in the queue, on a progress bar that stands at `done`."""
    return lambda position: bar.progress(done, text=f"Many visitors: you are number {position} in the queue")


def take_again(visit: Visit, settings: Settings) -> None:
    """Describe all photos anew, with other settings."""
    bar = st.progress(0.0, text="One moment…")
    captioner = load_model(settings.model)
    for number, (key, photo) in enumerate(visit.photos.items()):
        bar.progress(number / len(visit.photos), text=f"Photo {number + 1} of {len(visit.photos)}")
        visit.photos[key] = photo_gate().run(
            lambda photo=photo: describe_again(captioner, photo, settings.options, settings.language),  # type: ignore[misc]
            queue_teller(bar, number / len(visit.photos)),
        )
    bar.empty()


def show(visit: Visit) -> None:
    """Draw the chosen photo, all of them, and the ways to take them home."""
    chosen = st.session_state.get("chosen")
    show_closely(visit, chosen if chosen in visit.photos else max(visit.photos))
    if len(visit.photos) > 1:
        st.subheader(f"Your {len(visit.photos)} photos")
        for start in range(0, len(visit.photos), _ACROSS):
            row = list(visit.photos)[start : start + _ACROSS]
            for column, key in zip(st.columns(_ACROSS), row, strict=False):
                with column:
                    show_tile(visit, key)
    show_exports(visit)


def show_tile(visit: Visit, key: int) -> None:
    """Draw one photo of the gallery."""
    photo = visit.photos[key]
    with st.container(key=f"tile-{key}"):
        st.image(photo.picture, alt=photo.text, width="stretch")
        st.text(photo.text)
        show_certainty(photo)
        if st.button("Look closer", key=f"closer/{key}", width="stretch"):
            st.session_state.chosen = key
            st.rerun()


def show_refused(visit: Visit) -> None:
    """Say which files have no caption, and why."""
    if not visit.refused:
        return
    with st.container(border=True, key="refused"):
        st.error(
            "No caption for one file." if len(visit.refused) == 1 else f"No caption for {len(visit.refused)} files."
        )
        for refused in visit.refused:
            st.text(f"{refused.name}: {refused.reason}")
        if st.button("Understood"):
            visit.refused.clear()
            st.rerun()


def show_exports(visit: Visit) -> None:
    """Offer the captions as files."""
    photos = list(visit.photos.values())
    st.subheader("Take home")
    files: tuple[tuple[str, str, str, str, str | bytes], ...] = (
        ("CSV", "A table for Excel and the like", "captions.csv", "text/csv", to_csv(photos)),
        ("ZIP", "A text file for each photo", "captions.zip", "application/zip", to_zip(photos)),
        ("JSON lines", "For programs", "captions.jsonl", "application/jsonl", to_json_lines(photos)),
        ("COCO", "For evaluation: COCO's results JSON", "results.json", "application/json", to_coco_results(photos)),
    )
    for column, (label, help_, name, kind, data) in zip(st.columns(len(files)), files, strict=True):
        column.download_button(label, data, name, kind, help=help_, on_click="ignore", width="stretch")
    if st.button("Forget these photos", type="tertiary"):
        st.session_state.visit = Visit()
        st.rerun()


main()
