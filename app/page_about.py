"""The page "About the model": model cards with scores and license."""

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
        st.error("The model could not be loaded.")
        st.text(str(problem))
    st.caption(
        f"captioner {__version__}. The code is under the MIT license. The training data was released for research use."
    )


def show(model: str) -> None:
    """Draw the model card, as plain text if the model is not embedded: its Markdown could load remote images."""
    directory = checkpoint.read_any(model).path
    card = directory / checkpoint.CARD
    text = card.read_text(encoding="utf-8") if card.is_file() else "This model has no model card."
    if model in checkpoint.embedded_models():
        # Leave out the training commands, and make the card's title a subtitle.
        text = text.replace("\n| | |\n", "\n| Part | Details |\n")  # screen readers need a table header
        st.markdown(re.sub(r"^# ", "## ", re.sub(r"^```.*?^```\n", "", text, flags=re.MULTILINE | re.DOTALL)))
    else:
        st.text(text)


main()
