"""The page that captions photos. It draws the state of the visit, whose own thread does the work."""

import streamlit as st
from album import draw_album
from resources import load_ahead, load_model, photo_gate
from settings import ask_plan, show_language
from sources import ask_for_photos, ask_for_uploads, ask_for_way, offer_samples

from captioner import CaptionerError
from captioner.visit.photos import Plan, languages, samples
from captioner.visit.state import State
from captioner.visit.visit import MAX_FILES, Visit
from captioner.visit.work import Incoming

_POLL = 0.8  # seconds between redraws while there is work


def main() -> None:
    """Draw the page."""
    visit: Visit | None = st.session_state.get("visit")
    state = visit.state() if visit else None
    first = state is None or not (state.photos or state.waiting)
    # A new number in its key empties a file widget. The uploader has its own counter, which tells the browser that the
    # server has received its files.
    uploads: int = st.session_state.setdefault("uploads", 0)
    turn: int = st.session_state.setdefault("turn", 0)
    st.session_state.urls = {}  # Streamlit drops the image URLs at the start of each full run
    if visit and state and st.session_state.setdefault("undone", 0) != state.undone:
        st.session_state.undone = state.undone
        show_language(visit.plan.language)
    # Fixed containers keep the album's identity, whatever is drawn above it.
    top, middle, bottom = st.container(), st.container(), st.container()
    with top:
        plan, uploaded, incoming = ask(uploads, turn, first=first)
    if plan:
        visit = the_visit(plan)
        visit.use(plan)
    if visit and not (uploaded or incoming):
        with middle:
            show(visit, visit.state())
        if first:
            with bottom:
                incoming = greet(turn)
    if visit and uploaded:
        st.session_state.uploads = uploads + 1
        visit.add(uploaded)
    if visit and incoming:
        st.session_state.turn = turn + 1
        visit.add(incoming)
    if uploaded or incoming:
        st.rerun()
    if plan:
        load_ahead(plan.model)


def ask(uploads: int, turn: int, *, first: bool) -> tuple[Plan | None, list[Incoming], list[Incoming]]:
    """Draw the controls above the album.

    Returns:
        The captioning settings, None if the model cannot be used; uploaded files; and files from other sources.
    """
    st.title("Describe your photos")
    # Drawn even if empty, so that Streamlit does not redraw everything below.
    with st.container(key="intro"):
        if first:
            st.write(
                "Add photos to get a one-sentence caption for each. Captions can be wrong: check them before you share."
            )
    try:
        with st.container(key="bar", horizontal=True, vertical_alignment="bottom"):
            way = ask_for_way()
            plan = ask_plan()
    except CaptionerError as problem:
        st.error("The model could not be loaded.")
        st.text(str(problem))
        return None, [], []
    incoming = ask_for_photos(way, turn)
    return plan, ask_for_uploads(uploads, first=first), incoming


def greet(turn: int) -> list[Incoming]:
    """Draw the limits and the sample photos for new visitors; returns the selected sample.

    Placed below the album, so that nothing moves when it disappears.
    """
    with st.container(key="first"):
        st.caption(
            f"Up to {MAX_FILES} photos at a time, 100 MB each. "
            "They stay on the computer that runs this page and are deleted when you close or reload the page."
        )
        if st.session_state.get("way") == "Samples" or not samples():
            return []
        st.caption("No photo at hand? Try a sample.")
        return offer_samples(turn)


def the_visit(plan: Plan) -> Visit:
    """The visit of this session, created on first use."""
    if "visit" not in st.session_state:
        st.session_state.visit = Visit(plan, load=load_model, gate=photo_gate())
    visit: Visit = st.session_state.visit
    return visit


def show(visit: Visit, state: State) -> None:
    """Draw the album, and redraw it periodically while there is work."""
    names = {letters: name for name, letters in languages().items()}
    drawn = outline(state)

    @st.fragment(run_every=_POLL if state.busy else None)
    def album() -> None:
        draw_album(visit, names)
        if outline(visit.state()) != drawn:  # the controls around the album must change, too
            st.rerun()

    there = bool(state.photos or state.waiting)
    with st.container(key="photos" if there else "no-photos"):  # reserves height, so that nothing below moves
        album()


def outline(state: State) -> tuple[object, ...]:
    """The parts of the state that affect what is drawn outside the album."""
    return bool(state.photos or state.waiting), state.busy, bool(state.deleted), state.undone


main()
