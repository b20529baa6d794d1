"""The web page's entry: `streamlit run app/main.py`. It names the pages; each is a file beside this one."""

import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
# `streamlit run` puts only this directory on the path; the package may not be installed.
if str(HERE.parent) not in sys.path:
    sys.path.append(str(HERE.parent))

st.set_page_config(page_title="captioner", page_icon="🖼", initial_sidebar_state="collapsed")
st.html(HERE / "style.css")
page = st.navigation(
    [
        st.Page("page_caption.py", title="Caption", url_path="caption", default=True),
        st.Page("page_evaluate.py", title="Evaluate", url_path="evaluate"),
        st.Page("page_about.py", title="About the model", url_path="about"),
    ],
    position="top",
)
page.run()
