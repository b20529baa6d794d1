"""The web page's entry, which `captioner app` starts. It names the pages; each is a file beside this one."""

import logging
import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
# In a checkout the package stands beside this directory and need not be installed.
if (HERE.parent / "captioner").is_dir() and str(HERE.parent) not in sys.path:
    sys.path.append(str(HERE.parent))

from guard import guard  # noqa: E402 - needs the path
from settings import KEPT  # noqa: E402

st.set_page_config(page_title="captioner", page_icon="🖼")
st.html(HERE / "style.css")
for key in KEPT:  # Streamlit forgets a widget's value on a page without the widget, unless it is set again
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
except Exception:  # a visitor can do nothing with Streamlit's own words; reruns are no exceptions of this kind
    logging.getLogger(__name__).exception("A page could not be drawn")
    st.error("Something went wrong on this page. Your photos and captions are kept: choose “Caption” above to go on.")
if page.url_path:  # the default page, where the photos are, has none
    guard()
