"""The sidebar: which model, and how it searches for words."""

from dataclasses import dataclass

import streamlit as st
from resources import decoding_defaults, offered_languages, offered_models

from captioner import DecodingOptions


@dataclass(frozen=True)
class Settings:
    """How photos are to be described.

    Attributes:
        model: what `captioner.load` takes.
        language: of the captions, two letters.
        options: what to search for.
    """

    model: str
    language: str
    options: DecodingOptions


def ask_settings() -> tuple[Settings, bool]:
    """Draw the sidebar; returns what was chosen, and whether all photos shall be described again.

    Raises:
        ModelError: the chosen model's directory is no checkpoint.
    """
    with st.sidebar:
        st.header("Settings")
        st.caption("Good as they are. They count for the photos that come next.")
        spoken = offered_languages()
        language = spoken[
            st.selectbox("Language", spoken, help="Captions are written in English first and then translated.")
        ]
        offered = offered_models()
        model = offered[
            st.selectbox("Model", offered, help="Who describes. The page About the model says what it can do.")
        ]
        defaults = decoding_defaults(model)
        choices = st.slider("Captions to choose from", 1, 5, 3, help="The best one, and the next best ones below it.")
        beam = st.slider(
            "Beam size",
            1,
            max(10, defaults.beam_size),
            defaults.beam_size,
            help="How many sentences the model follows at once. More is slower and often a little better.",
        )
        longest = st.slider(
            "Longest caption",
            5,
            max(40, defaults.max_length),
            max(5, defaults.max_length),
            help="In words, which it rarely reaches.",
        )
        again = st.button("Describe all photos again", width="stretch")
    options = DecodingOptions(
        beam_size=max(beam, choices),
        num_captions=choices,
        max_length=longest,
        min_length=min(defaults.min_length, longest),
        length_penalty=defaults.length_penalty,
        no_repeat_ngram=defaults.no_repeat_ngram,
    )
    return Settings(model, language, options), again
