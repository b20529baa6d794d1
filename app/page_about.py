"""The page about the models: their cards, scores and licence."""

import re

import streamlit as st
from resources import offered_models

from captioner import CaptionerError, __version__, checkpoint


def main() -> None:
    """Draw the page."""
    st.title("About the model")
    translators = filter(checkpoint.translates, checkpoint.embedded_models())
    offered = offered_models() | {f"{name} (translator)": name for name in translators}
    name = st.selectbox("Model", offered)
    try:
        show(offered[name])
    except CaptionerError as problem:
        st.error("The model cannot be read.")
        st.text(str(problem))
    st.caption(
        f"captioner {__version__}. The code is under the MIT license; the data that the model learned from was "
        "released for research."
    )


def show(model: str) -> None:
    """Draw the model's card; that of a model from elsewhere is plain text, for it may name pictures of other
    machines.
    """
    directory = checkpoint.read_any(model).path
    card = directory / checkpoint.CARD
    text = card.read_text(encoding="utf-8") if card.is_file() else "This model has no card."
    if model in checkpoint.embedded_models():
        # Commands are for those who train, and the page has a title of its own.
        text = text.replace(
            "\n| | |\n", "\n| Part | Details |\n"
        )  # a table's head must not be empty for screen readers
        st.markdown(re.sub(r"^# ", "## ", re.sub(r"^```.*?^```\n", "", text, flags=re.MULTILINE | re.DOTALL)))
    else:
        st.text(text)


main()
