"""One photo looked at closely. Captions and file names are plain text everywhere, never markdown."""

import streamlit as st
from copy_button import copy_button

from captioner.visit.attention import heat_map, place, word_map
from captioner.visit.photos import Visit, VisitPhoto, alt_text_hint, certainty

_COLOURS = {"sure": "green", "fairly sure": "blue", "a guess": "gray"}


def show_closely(visit: Visit, key: int) -> None:
    """Draw the photo, its caption and what can be done with it, and where the model looked."""
    photo = visit.photos[key]
    left, right = st.columns(2, gap="medium")
    with left, st.container(key="photo"):
        st.image(photo.picture, alt=photo.text, width="stretch")
    with right:
        with st.container(key="caption"):
            st.text(photo.text)
        show_certainty(photo)
        hint = alt_text_hint(photo.text)
        if hint:
            st.info(hint)
        _actions(visit, key)
        _next_best(visit, key)
    _attention(key, photo)
    _translation(photo)


def show_certainty(photo: VisitPhoto) -> None:
    """Say who wrote the caption and, if it was the model, how sure it is."""
    if photo.edit is not None:
        st.badge("your words", color="violet")
        return
    word = certainty(photo.caption.confidence)
    st.badge(
        f"{word} · {photo.caption.confidence:.2f}",
        color=_COLOURS[word],  # type: ignore[arg-type]
        help="How much the model believes in its own words, from 0 to 1. Check what it is not sure of, and the rest too.",
    )


def _actions(visit: Visit, key: int) -> None:
    photo = visit.photos[key]
    copy, edit = st.columns(2, wrap=False)
    with copy:
        copy_button(photo.text, key=f"copy/{key}")
    with edit.popover("Edit", width="stretch"), st.form(f"edit/{key}", border=False):
        # The key changes with the text, so that the box begins with what stands.
        words = st.text_area("Your words", photo.text, key=f"words/{key}/{photo.text}", max_chars=1000)
        if st.form_submit_button("Keep", type="primary"):
            _keep(visit, key, words or "")
    if photo.edit is not None:
        st.caption("The model's words:")
        st.text(photo.caption.text)
        if st.button("Take the model's words back", key=f"back/{key}"):
            _keep(visit, key, "")


def _next_best(visit: Visit, key: int) -> None:
    caption = visit.photos[key].caption
    # Each once: two English sentences may have one translation.
    others = [text for text in dict.fromkeys(one.text for one in caption.alternatives) if text != caption.text]
    if not others:
        return
    st.caption("Or rather one of these?")
    for number, text in enumerate(others):
        words, take = st.columns([4, 1], vertical_alignment="center", wrap=False)
        words.text(text)
        if take.button("Use", key=f"use/{key}/{number}", help="Make this the caption", width="stretch"):
            _keep(visit, key, text)


def _keep(visit: Visit, key: int, text: str) -> None:
    visit.photos[key] = visit.photos[key].edited(text)
    st.rerun()


def _translation(photo: VisitPhoto) -> None:
    """Show what was translated, and which words the translator looked at."""
    translation = photo.caption.translation
    if translation is None:
        return
    st.subheader("How it was translated")
    with st.container(key="english"):
        st.text(translation.source)
    picture = word_map(translation)
    if picture:
        alt = f"A table: darker where the translator looked at a word of “{translation.source}” for one of “{translation.text}”"
        st.image(picture, alt=alt)
        st.caption("A row for each word it wrote: darker where it looked at an English word.")


def _attention(key: int, photo: VisitPhoto) -> None:
    caption = photo.caption
    if not caption.attention or caption.grid is None:
        return
    st.subheader(
        "Where the model looked" if photo.caption.translation is None else "Where the model looked, in English"
    )
    left, right = st.columns(2, gap="medium")
    with right:
        number = 1
        if len(caption.tokens) > 1:
            number = st.slider("Word by word", 1, len(caption.tokens), key=f"word/{key}")
        with st.container(key="words", horizontal=True, gap="xsmall"):
            for position, token in enumerate(caption.tokens, start=1):
                with st.container(key="lit" if position == number else f"unlit-{position}", width="content"):
                    st.text(token)
        shares = caption.attention[number - 1]
        where = place(shares, caption.grid)
        st.caption(f"Most of all at the {where}, before it wrote the marked word. Yellow is most, red is less.")
        st.caption("A hint, not a reason: often the brightest spot is a corner with nothing in it.")
    with left, st.container(key="heat"):
        alt = f"The photo, coloured where the model looked before it wrote “{caption.tokens[number - 1]}”: the {where}"
        st.image(heat_map(photo.picture, shares, caption.grid), alt=alt, width="stretch")
