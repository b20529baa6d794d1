"""Entry point of the web page, started by `captioner app`. It lists the pages; each is a file in this directory."""

import logging
import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
# In a checkout, the package is next to this directory and need not be installed.
if (HERE.parent / "captioner").is_dir() and str(HERE.parent) not in sys.path:
    sys.path.append(str(HERE.parent))

from guard import guard  # noqa: E402 - needs sys.path
from settings import KEPT  # noqa: E402

st.set_page_config(page_title="captioner", page_icon="🖼")
st.html(HERE / "style.css")
for key in KEPT:  # Streamlit drops the value of a widget that is not on the current page unless it is set again
    if key in st.session_state:
        st.session_state[key] = st.session_state[key]
page = st.navigation(
    [
        st.Page("page_caption.py", title="Caption", url_path="caption", default=True),
        st.Page("page_evaluate.py", title="Evaluate", url_path="evaluate"),
        st.Page("page_about.py", title="About the model", url_path="about"),
    ],
    position="top",
)
try:
    page.run()
except Exception:  # hide Streamlit's traceback; its reruns are not of this type
    logging.getLogger(__name__).exception("A page could not be displayed")
    st.error("Something went wrong on this page. Your photos and captions are safe: select “Caption” at the top.")
if page.url_path:  # empty for the default page, where the album asks
    guard()
