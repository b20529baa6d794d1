"""The ways a photo comes in: chosen, dropped or pasted, as a folder, from the camera, or one of the samples.

A widget gives a copy of what was uploaded, and Streamlit keeps it twice more: with all that was uploaded and with the
widget's state. What waits for its turn must not fill the memory thrice, so only the first of these is left to it.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from captioner import ImageError
from captioner.visit.photos import HARD_SAMPLE, SUFFIXES, samples, small_copy
from captioner.visit.work import Incoming

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

WAYS = ("Photos", "Folder", "Camera", "Samples")


def ask_for_way() -> str:
    """Draw the choice of where photos come from."""
    return st.segmented_control(
        "Add photos from", WAYS, default="Photos", required=True, key="way", label_visibility="collapsed"
    )


def ask_for_photos(way: str, turn: int) -> list[Incoming]:
    """Draw the widgets of all ways but the uploader; returns the files that came in, and forgets the widget's state.

    Args:
        way: one of `WAYS`.
        turn: changes after each delivery, which empties the widgets.
    """
    if way == "Photos":
        return []
    with st.container(key="other-way"):
        if way == "Samples":
            return offer_samples(turn)
        if way == "Camera":
            shot = st.camera_input("Take a photo", key=f"camera/{turn}")
            st.caption("Is the camera blocked? Take the photo with your camera app, and add it under “Photos”.")
            return _uploaded([shot] if shot else [], key=f"camera/{turn}")
        # A folder holds other things too, and only its photos are wanted.
        key = f"folder/{turn}"
        return _uploaded(
            st.file_uploader("Add a folder of photos", SUFFIXES, accept_multiple_files="directory", key=key), key=key
        )


def ask_for_uploads(turn: int, *, first: bool) -> list[Incoming]:
    """Draw the uploader; returns the files that came in.

    It is drawn, but hidden, when another way is chosen: what uploads.js holds back goes through it. It takes any file,
    so that what is no photo can be named.

    Args:
        turn: changes after each delivery, which empties the uploader and tells uploads.js of it.
        first: nothing has come in yet, so that there is room for a large field.
    """
    key = f"upload/{turn}"
    with st.container(key="drop" if first else "drop-more"):
        files = st.file_uploader("Add photos", accept_multiple_files=True, key=key, label_visibility="collapsed")
    return _uploaded(files, key=key)


def offer_samples(turn: int) -> list[Incoming]:
    """Draw photos to try the page with; returns the one that was chosen."""
    offered = samples()
    if not offered:
        st.caption("There are no samples here: they come with scikit-image, which is not installed.")
        return []
    chosen = []
    with st.container(horizontal=True):
        for number, (name, path) in enumerate(offered.items()):
            with st.container(key=f"sample-{number}", width=160):
                st.image(_sample_picture(path), alt=name)
                if st.button(name, key=f"sample/{turn}/{number}", width="stretch"):
                    chosen.append(Incoming(path.name, path.stat().st_size, path.read_bytes, lambda: None))
                if name == HARD_SAMPLE:
                    st.caption("a hard one", text_alignment="center")
    return chosen


@st.cache_resource(show_spinner=False)
def _sample_picture(path: Path) -> bytes:
    return small_copy(path, 320)


def _uploaded(files: "list[UploadedFile]", *, key: str) -> list[Incoming]:
    context = get_script_run_ctx()
    if not files or context is None:
        return []
    del st.session_state[key]
    manager, session = context.uploaded_file_mgr, context.session_id

    def read(file: str) -> bytes:
        for record in manager.get_files(session, [file]):
            return record.data
        raise ImageError("The upload was lost. Add the photo again.")

    def forget(file: str) -> None:
        if isinstance(manager, MemoryUploadedFileManager):
            manager.remove_file(session, file)

    return [
        Incoming(file.name, file.size, partial(read, file.file_id), partial(forget, file.file_id)) for file in files
    ]
