"""The web page: upload a photo, read a sentence about it."""

import sys
from pathlib import Path

import streamlit as st

# `streamlit run app/main.py` puts only this directory on the path; the package may not be installed.
sys.path.append(str(Path(__file__).parent.parent))

import captioner


@st.cache_resource(show_spinner="Loading the model…")
def load_model() -> captioner.Captioner:
    """One model for all visitors; it keeps nothing between calls."""
    return captioner.load()


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="captioner", page_icon="🖼")
    st.title("What is in your photo?")
    uploads = st.file_uploader(
        "Photos",
        accept_multiple_files=True,
        help="Photos stay on this computer: they are captioned here and not kept.",
    )
    for upload in uploads:
        show(upload.name, upload.getvalue())


def show(name: str, content: bytes) -> None:
    """Caption one photo, or say why it cannot be captioned; names and captions are shown as plain text."""
    try:
        caption = load_model().caption(content)
    except captioner.ImageError as problem:
        st.error("This file cannot be captioned.")
        st.text(f"{name}: {problem}")
        return
    st.image(content, alt=caption.text)
    st.text(caption.text)
    st.download_button("Save the caption", caption.text + "\n", f"{Path(name).stem}.txt", key=f"{name}-{hash(content)}")


if __name__ == "__main__":
    main()
