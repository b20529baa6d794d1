"""A button that copies a text. The text reaches the browser as data and never as HTML."""

import streamlit as st

_JS = """
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(data);
    } catch {  // only pages over HTTPS and this computer's own may write to the clipboard that way
      const area = document.createElement("textarea");
      area.value = data;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };
}
"""
_CSS = """
button {
  width: 100%; min-height: 2.5rem; padding: 0.25rem 0.75rem; cursor: pointer;
  font: inherit; font-size: 0.875rem;
  color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
}
button:hover, button:focus-visible { color: var(--st-primary-color); border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
"""


def copy_button(text: str, *, key: str) -> None:
    """Draw the button."""
    component = st.components.v2.component(
        "copy", html='<button type="button" aria-live="polite">Copy</button>', css=_CSS, js=_JS
    )
    component(data=text, key=key, height="content")
