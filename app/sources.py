"""The sources of photos: uploads (selected, dropped, or pasted), folders, the camera, and samples.

A file widget returns a copy of an upload, and Streamlit keeps two more: one in its upload manager and one in the
widget's state. To save memory, waiting files share the bytes of the upload manager. They keep them even if the browser
deletes the upload there, as uploads.js does before it sends a file again.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from captioner.visit.photos import HARD_SAMPLE, SUFFIXES, samples, small_copy
from captioner.visit.work import Incoming

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

WAYS = ("Photos", "Folder", "Camera", "Samples")


def ask_for_way() -> str:
    """Draw the selector of the photo source."""
    return st.segmented_control(
        "Add photos from", WAYS, default="Photos", required=True, key="way", label_visibility="collapsed"
    )


def ask_for_photos(way: str, turn: int) -> list[Incoming]:
    """Draw the widget of a source other than the uploader; returns new files and clears the widget's state.

    Args:
        way: one of `WAYS`.
        turn: incremented after each delivery, which empties the widgets.
    """
    if way == "Photos":
        return []
    with st.container(key="other-way"):
        if way == "Samples":
            return offer_samples(turn)
        if way == "Camera":
            shot = st.camera_input("Take a photo", key=f"camera/{turn}")
            st.caption("If your browser blocks the camera, take the photo with a camera app and add it under “Photos”.")
            return _uploaded([shot] if shot else [], key=f"camera/{turn}")
        # Folders contain other files, too: accept only photos.
        key = f"folder/{turn}"
        return _uploaded(
            st.file_uploader("Add a folder of photos", SUFFIXES, accept_multiple_files="directory", key=key), key=key
        )


def ask_for_uploads(turn: int, *, first: bool) -> list[Incoming]:
    """Draw the uploader; returns new files.

    It is drawn (but hidden) even if another source is selected, because uploads.js sends queued files through it. It
    accepts any file, so that files that are not photos can be reported by name.

    Args:
        turn: incremented after each delivery, which empties the uploader and notifies uploads.js.
        first: True if nothing has been added yet, so that there is room for a large drop area.
    """
    key = f"upload/{turn}"
    with st.container(key="drop" if first else "drop-more"):
        files = st.file_uploader("Add photos", accept_multiple_files=True, key=key, label_visibility="collapsed")
    return _uploaded(files, key=key)


def offer_samples(turn: int) -> list[Incoming]:
    """Draw the sample photos; returns the selected one."""
    offered = samples()
    if not offered:
        st.caption("No samples available. To get them, install scikit-image on the computer that runs this page.")
        return []
    chosen = []
    with st.container(horizontal=True):
        for number, (name, path) in enumerate(offered.items()):
            with st.container(key=f"sample-{number}", width=160):
                st.image(_sample_picture(path), alt=name)
                if st.button(name, key=f"sample/{turn}/{number}", width="stretch"):
                    chosen.append(Incoming(path.name, path.stat().st_size, path.read_bytes, lambda: None))
                if name == HARD_SAMPLE:
                    st.caption("hard for the model", text_alignment="center")
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
    kept = {record.file_id: record.data for record in manager.get_files(session, [file.file_id for file in files])}

    def forget(file: str) -> None:
        if isinstance(manager, MemoryUploadedFileManager):
            manager.remove_file(session, file)

    found = []
    for file in files:
        data = kept[file.file_id] if file.file_id in kept else file.getvalue()
        found.append(Incoming(file.name, file.size, partial(bytes, data), partial(forget, file.file_id)))
    return found
