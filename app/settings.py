"""How photos are captioned: the language stands on the page, the rest in a menu."""

import dataclasses

import streamlit as st
from resources import decoding_defaults, offered_languages, offered_models

from captioner.visit.photos import Plan
from captioner.visit.visit import Visit

KEPT = ("language", "model", "suggestions", "beam", "longest")
"""Keys of widgets whose values outlive a visit to another page."""


def ask_plan() -> Plan:
    """Draw the language and the settings; returns what is chosen.

    Raises:
        ModelError: the chosen model's directory is no checkpoint.
    """
    spoken = offered_languages()
    # A keyword for the width: the label stands above, and the box must not fill the row.
    language = spoken[st.selectbox("Captions in", spoken, key="language", width=150)]
    with st.popover("Settings"):
        st.caption("These apply to the photos that you add next.")
        offered = offered_models()
        if st.session_state.get("model") not in offered:
            st.session_state.pop("model", None)
        model = offered[st.selectbox("Model", offered, key="model", help="“About the model” says what each can do.")]
        defaults = decoding_defaults(model)
        suggestions = _slider("Suggestions per photo", 1, 5, 3, key="suggestions")
        beam = _slider(
            "Beam size",
            1,
            max(10, defaults.beam_size),
            defaults.beam_size,
            key="beam",
            help_="How many sentences the model compares as it writes. More is slower and often a little better.",
        )
        longest = _slider(
            "Longest caption, in words", 5, max(40, defaults.max_length), max(5, defaults.max_length), key="longest"
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
            st.button("Redo all captions", on_click=visit.redo, help="Your own words stay.")
    return Plan(model, language, options)


def _slider(label: str, least: int, most: int, default: int, *, key: str, help_: str | None = None) -> int:
    """A slider whose value is in the session's state alone, where it outlives a visit to another page."""
    st.session_state[key] = min(most, max(least, st.session_state.get(key, default)))
    return st.slider(label, least, most, key=key, help=help_)


def show_language(code: str) -> None:
    """Have the language's box say what is true after a redo was undone; to be called before the box is drawn."""
    names = {letters: name for name, letters in offered_languages().items()}
    if code in names:
        st.session_state.language = names[code]
