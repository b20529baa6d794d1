"""Captioning settings: the language is on the page, all others in a menu."""

import dataclasses

import streamlit as st
from resources import decoding_defaults, offered_models

from captioner.visit.photos import Plan, languages
from captioner.visit.visit import Visit

KEPT = ("language", "model", "suggestions", "beam", "longest")
"""Keys of widgets whose values are kept when the visitor opens another page."""


def ask_plan() -> Plan:
    """Draw the language selector and the settings menu; returns the selected settings.

    Raises:
        ModelError: the selected model is not a valid checkpoint.
    """
    spoken = languages()
    # A fixed width, or the box would fill the row.
    language = spoken[st.selectbox("Caption language", spoken, key="language", width=150)]
    with st.popover("Settings"):
        st.caption("Changes apply to photos that you add later.")
        offered = offered_models()
        if st.session_state.get("model") not in offered:
            st.session_state.pop("model", None)
        model = offered[st.selectbox("Model", offered, key="model", help="“About the model” describes each model.")]
        defaults = decoding_defaults(model)
        suggestions = _slider("Suggestions per photo", 1, 5, 3, key="suggestions")
        beam = _slider(
            "Beam size",
            1,
            max(10, defaults.beam_size),
            defaults.beam_size,
            key="beam",
            help_="Number of candidate sentences that the model compares. More is slower and often slightly better.",
        )
        longest = _slider(
            "Maximum length in words", 5, max(40, defaults.max_length), max(5, defaults.max_length), key="longest"
        )
        options = dataclasses.replace(
            defaults,
            beam_size=max(beam, suggestions),
            num_captions=suggestions,
            max_length=longest,
            min_length=min(defaults.min_length, longest),
        )
        visit: Visit | None = st.session_state.get("visit")
        if visit is not None and visit.state().photos:
            st.button("Redo all captions", on_click=visit.redo, help="Captions that you edited or replaced are kept.")
    return Plan(model, language, options)


def _slider(label: str, least: int, most: int, default: int, *, key: str, help_: str | None = None) -> int:
    """A slider whose value lives in the session state, so that it is kept when the visitor opens another page."""
    st.session_state[key] = min(most, max(least, st.session_state.get(key, default)))
    return st.slider(label, least, most, key=key, help=help_)


def show_language(code: str) -> None:
    """Reset the language selector after a redo was undone. Call it before the selector is drawn."""
    names = {letters: name for name, letters in languages().items()}
    if code in names:
        st.session_state.language = names[code]
