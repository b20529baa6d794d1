"""Ask for confirmation before the browser leaves with captions that were not downloaded.

For the pages without the album, which has its own check.
"""

import streamlit as st

from captioner.visit.visit import Visit

_JS = """
export default function ({ data }) {
  const ask = (event) => {
    if (data || window.captionerUploads?.waiting.length) event.preventDefault();
  };
  window.addEventListener("beforeunload", ask);
  return () => window.removeEventListener("beforeunload", ask);
}
"""


def guard() -> None:
    """Install the confirmation on a page without the album."""
    visit: Visit | None = st.session_state.get("visit")
    state = visit.state() if visit else None
    unsaved = state is not None and (state.unsaved or bool(state.waiting))
    component = st.components.v2.component("guard", js=_JS)
    component(data=unsaved, key="guard", height="content")
