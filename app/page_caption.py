"""The page where photos get captions. It shows what stands in the visit; the work goes on in the visit's own thread."""

import streamlit as st
from album import draw_album
from resources import load_ahead, load_model, offered_languages, photo_gate
from settings import ask_plan, show_language
from sources import ask_for_photos, ask_for_uploads, ask_for_way, offer_samples

from captioner import CaptionerError
from captioner.visit.photos import Plan, samples
from captioner.visit.state import State
from captioner.visit.visit import MAX_FILES, Visit
from captioner.visit.work import Incoming

_LOOKED = 0.8  # seconds between two looks at the work


def main() -> None:
    """Draw the page."""
    visit: Visit | None = st.session_state.get("visit")
    state = visit.state() if visit else None
    first = state is None or not (state.photos or state.waiting)
    # Widgets for files are emptied by a new number in their names. The uploader has its own, which tells the browser
    # that its files have arrived.
    uploads: int = st.session_state.setdefault("uploads", 0)
    turn: int = st.session_state.setdefault("turn", 0)
    st.session_state.urls = {}  # Streamlit forgets the pictures' addresses at the start of each whole run
    if visit and state and st.session_state.setdefault("undone", 0) != state.undone:
        st.session_state.undone = state.undone
        show_language(visit.plan.language)
    # Each part has a place of its own, so that the album is the same one whatever stands above it.
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
    """Draw what stands above the album.

    Returns:
        How to caption, None if the model cannot be used; what was uploaded; and what came in another way.
    """
    st.title("Caption your photos")
    # Also when it is empty: then what is below stays the same to Streamlit, and is not drawn twice.
    with st.container(key="intro"):
        if first:
            st.write(
                "Add photos and get a one-sentence caption for each. It makes mistakes, so check before you share."
            )
    try:
        with st.container(key="bar", horizontal=True, vertical_alignment="bottom"):
            way = ask_for_way()
            plan = ask_plan()
    except CaptionerError as problem:
        st.error("The model cannot be used.")
        st.text(str(problem))
        return None, [], []
    incoming = ask_for_photos(way, turn)
    return plan, ask_for_uploads(uploads, first=first), incoming


def greet(turn: int) -> list[Incoming]:
    """Say what a newcomer wants to know, and offer samples; returns the one that was chosen.

    This stands below the album, so that nothing jumps when it goes.
    """
    with st.container(key="first"):
        st.caption(
            f"Up to {MAX_FILES} photos at a time, 100 MB each. "
            "They stay on the computer that runs this page and are deleted when you leave."
        )
        if st.session_state.get("way") == "Samples" or not samples():
            return []
        st.caption("No photo at hand? Try one of these.")
        return offer_samples(turn)


def the_visit(plan: Plan) -> Visit:
    """This visitor's photos."""
    if "visit" not in st.session_state:
        st.session_state.visit = Visit(plan, load=load_model, gate=photo_gate())
    visit: Visit = st.session_state.visit
    return visit


def show(visit: Visit, state: State) -> None:
    """Draw the photos, looking at the work again and again while there is some."""
    names = {letters: name for name, letters in offered_languages().items()}
    drawn = outline(state)

    @st.fragment(run_every=_LOOKED if state.busy else None)
    def album() -> None:
        draw_album(visit, names)
        if outline(visit.state()) != drawn:  # what stands around the album changes too
            st.rerun()

    there = bool(state.photos or state.waiting)
    with st.container(key="photos" if there else "no-photos"):  # with room, so that what follows is not pushed down
        album()


def outline(state: State) -> tuple[object, ...]:
    """What of a visit shows outside the album."""
    return bool(state.photos or state.waiting), state.busy, bool(state.deleted), state.undone


main()
