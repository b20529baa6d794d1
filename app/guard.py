"""A question before the browser leaves the page while captions were not downloaded. The album asks it by itself."""

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
    """Ask on a page that does not show the photos."""
    visit: Visit | None = st.session_state.get("visit")
    state = visit.state() if visit else None
    unsaved = state is not None and (state.unsaved or bool(state.waiting))
    component = st.components.v2.component("guard", js=_JS)
    component(data=unsaved, key="guard", height="content")
