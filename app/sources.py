"""The ways a photo comes in: dropped, as a folder, pasted, from the camera, or one of the samples.

A widget gives a copy of what was uploaded, and Streamlit keeps it twice more: with all that was uploaded and with the
widget's state. What waits for its turn must not fill the memory thrice, so only the first of these is left to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from captioner import ImageError
from captioner.visit.photos import SUFFIXES, samples, small_copy

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

WAYS = ("Photos", "Folder", "Paste", "Camera", "Samples")


@dataclass(frozen=True)
class Incoming:
    """A file that waits for its caption: its bytes are read when their turn comes, and let go after it."""

    name: str
    size: int
    read: Callable[[], bytes]
    forget: Callable[[], None]


def ask_for_photos(turn: int, *, first: bool) -> list[Incoming]:
    """Draw the widgets; returns the files that came in, and forgets the widget's state if there are some.

    Args:
        turn: changes after each delivery, which empties the widgets.
        first: nothing has come in yet, so that samples are shown without being asked for.
    """
    way = st.segmented_control(
        "Where from", WAYS, default="Photos", required=True, key="way", label_visibility="collapsed"
    )
    if way == "Samples":
        return _samples(turn)
    if way == "Camera":
        shot = st.camera_input("Take a photo", key=f"camera/{turn}")
        return _uploaded([shot] if shot else [], key=f"camera/{turn}")
    if way == "Paste":
        st.caption("Click into the line, paste a picture (Ctrl+V), and press Enter.")
        pasted = st.chat_input("Paste a picture here", accept_file="multiple", file_type=SUFFIXES, key=f"paste/{turn}")
        return [
            Incoming(file.name, file.size, file.getvalue, lambda: None) for file in (pasted.files if pasted else [])
        ]
    if way == "Folder":
        with st.container(key="drop" if first else "drop-more"):
            folder = st.file_uploader(
                "Drop a folder here, or choose one", SUFFIXES, accept_multiple_files="directory", key=f"folder/{turn}"
            )
        return _uploaded(folder, key=f"folder/{turn}")
    with st.container(key="drop" if first else "drop-more"):
        photos = st.file_uploader(
            "Drop your photos here, or choose them", SUFFIXES, accept_multiple_files=True, key=f"photos/{turn}"
        )
    incoming = _uploaded(photos, key=f"photos/{turn}")
    if first and not incoming and samples():
        st.caption("No photo at hand? Try one of these.")
        return _samples(turn)
    return incoming


def _samples(turn: int) -> list[Incoming]:
    offered = samples()
    if not offered:
        st.caption("The samples are scikit-image's, which is not installed here.")
        return []
    chosen = []
    with st.container(horizontal=True):
        for number, (name, path) in enumerate(offered.items()):
            with st.container(key=f"sample-{number}", width=160):
                st.image(_sample_picture(path), alt=name)
                if st.button(name, key=f"sample/{turn}/{number}", width="stretch"):
                    chosen.append(Incoming(path.name, path.stat().st_size, path.read_bytes, lambda: None))
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
        raise ImageError("it is no longer here; upload it again.")

    def forget(file: str) -> None:
        if isinstance(manager, MemoryUploadedFileManager):
            manager.remove_file(session, file)

    return [
        Incoming(file.name, file.size, partial(read, file.file_id), partial(forget, file.file_id)) for file in files
    ]
