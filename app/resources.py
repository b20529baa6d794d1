"""What all visitors share: the models and the gates."""

import os
from typing import TYPE_CHECKING

import streamlit as st

from captioner.visit.gate import Gate
from captioner.visit.memory import give_back_large_blocks
from captioner.visit.photos import languages, models

if TYPE_CHECKING:
    from captioner import Captioner, DecodingOptions


def offered_models() -> dict[str, str]:
    """Name for people → what `captioner.load` takes."""
    return models(os.environ, separator=os.pathsep)


@st.cache_resource(show_spinner=False)
def offered_languages() -> dict[str, str]:
    """Name for people → two letters."""
    return languages()


@st.cache_resource(show_spinner="Loading the model…", max_entries=2)
def load_model(name: str) -> "Captioner":
    """One model for all visitors; it keeps nothing between calls. `name` is what `captioner.load` takes."""
    import captioner

    give_back_large_blocks()  # before the first of them is freed
    return captioner.load(name)


@st.cache_resource(show_spinner=False)
def decoding_defaults(name: str) -> "DecodingOptions":
    """What the model's makers found best; the model itself is not loaded."""
    from captioner import checkpoint

    return checkpoint.read(name).decoding


@st.cache_resource(show_spinner=False)
def photo_gate() -> Gate:
    """Two photos at once: while one is decoded the model works on the other, and the memory for pixels is bounded."""
    return Gate(2)


@st.cache_resource(show_spinner=False)
def scoring_gate() -> Gate:
    """One evaluation at a time: it keeps a core busy."""
    return Gate(1)
