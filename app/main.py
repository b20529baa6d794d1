"""The web page: upload a photo, read a sentence about it."""

import sys
from pathlib import Path

import streamlit as st
from PIL.Image import Image

# `streamlit run app/main.py` puts only this directory on the path; the package may not be installed.
sys.path.append(str(Path(__file__).parent.parent))

import captioner
from captioner.images import open_image

SHOWN = 700  # width of the page's column in pixels; photos are kept at twice that at most, for sharp screens


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
    described = st.session_state.setdefault("described", {})
    for gone in described.keys() - {upload.file_id for upload in uploads}:
        del described[gone]
    for upload in uploads:
        if upload.file_id not in described:  # the page is drawn anew at every click
            described[upload.file_id] = describe(upload.getvalue())
        show(upload.file_id, upload.name, described[upload.file_id])


def describe(content: bytes) -> tuple[Image, str] | captioner.CaptionerError:
    """A small version of the photo, which every browser can show, and its caption; or what is wrong with it."""
    try:
        photo = open_image(content, draft=SHOWN).image
        caption = load_model().caption(photo).text
    except captioner.CaptionerError as problem:
        return problem
    photo.thumbnail((2 * SHOWN, 2 * SHOWN))
    return photo, caption


def show(key: str, name: str, described: tuple[Image, str] | captioner.CaptionerError) -> None:
    """Draw one photo with its caption, or say why there is none. Names and captions are plain text, never markdown."""
    if isinstance(described, captioner.CaptionerError):
        st.error("This file cannot be captioned.")
        st.text(f"{name}: {described}")
        return
    image, caption = described
    st.image(image, alt=caption)
    st.text(caption)
    st.download_button("Save the caption", f"{caption}\n", f"{Path(name).stem}.txt", key=f"save/{key}")


if __name__ == "__main__":
    main()
