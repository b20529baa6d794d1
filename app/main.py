"""The web page: upload a photo, read a sentence about it."""

import sys
from pathlib import Path

import streamlit as st
from PIL.Image import Image

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
        help="They are captioned on the computer that runs this page, and not kept.",
    )
    for upload in uploads:
        if upload.file_id not in st.session_state:  # the page is drawn anew at every click
            st.session_state[upload.file_id] = describe(upload.getvalue())
        show(upload.file_id, upload.name, st.session_state[upload.file_id])


def describe(content: bytes) -> tuple[Image, str] | captioner.ImageError:
    """The photo as the model opened it, which every browser can show, and its caption; or what is wrong with it."""
    model = load_model()
    try:
        photo = model.open(content)
    except captioner.ImageError as problem:
        return problem
    return photo.image, model.caption_batch([photo])[0].text


def show(key: str, name: str, described: tuple[Image, str] | captioner.ImageError) -> None:
    """Draw one photo with its caption, or say why there is none. Names and captions are plain text, never markdown."""
    if isinstance(described, captioner.ImageError):
        st.error("This file cannot be captioned.")
        st.text(f"{name}: {described}")
        return
    image, caption = described
    st.image(image, alt=caption)
    st.text(caption)
    st.download_button("Save the caption", f"{caption}\n", f"{Path(name).stem}.txt", key=key + "/save")


if __name__ == "__main__":
    main()
