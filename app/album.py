"""The gallery and the detail view: the data that album.js draws, and the actions that it sends."""

import base64
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime import get_instance

from captioner.visit.certainty import NOTHING_SEEN, Certainty, certainty, explanation
from captioner.visit.doubts import differ
from captioner.visit.export import EXPORTS
from captioner.visit.photos import VisitPhoto, alt_text_hint
from captioner.visit.state import State
from captioner.visit.visit import Visit

_HERE = Path(__file__).parent
_TONES = {Certainty.RIGHT: "right", Certainty.CHECK: "check", Certainty.UNSURE: "unsure"}
_KEY = "album"
_MOST = int(st.get_option("server.maxUploadSize"))  # maximum file size in MB
_SCRIPTS = ("album.js", "detail.js", "take.js", "uploads.js")
_KEPT = 4  # recent downloads to keep, in case several were requested before the browser received the first


def draw_album(visit: Visit, names: dict[str, str]) -> None:
    """Draw the photos of a visit and handle the visitor's actions.

    Args:
        visit: the visit to show and to change.
        names: names of the languages by two-letter code.
    """
    html, css, *scripts = (
        (_HERE / name).read_text(encoding="utf-8") for name in ("album.html", "album.css", *_SCRIPTS)
    )
    component = st.components.v2.component("album", html=html, css=css, js="".join(scripts))
    _handle(visit)  # before drawing; the callback alone could miss some
    component(key=_KEY, data=album_data(visit.state(), names), on_orders_change=lambda: _handle(visit))


def album_data(state: State, names: dict[str, str]) -> dict[str, Any]:
    """The data that album.js draws."""
    done = {key: _tile(key, photo, state) for key, photo in state.photos.items()}
    first = next(iter(state.waiting), 0)
    word = "Waiting" if state.paused or state.position or state.redoing or state.problem else "Captioning…"
    waiting = {
        key: {
            "key": key,
            "name": name,
            "text": "",
            "thumbnail": "",
            "tone": "waiting",
            "word": word if key == first else "Waiting",
            "check": False,
            "edited": False,
        }
        for key, name in state.waiting.items()
    }
    return {
        "tiles": [tile for _, tile in sorted({**done, **waiting}.items())],
        "status": _status(state, names),
        "refused": [{"name": one.name, "reason": one.reason} for one in state.refused],
        "deleted": state.deleted,
        "problem": state.problem,
        "unsaved": state.unsaved or bool(state.waiting),
        "limit": _MOST * 2**20,
        "handled": st.session_state.get("handled", 0),
        "turn": st.session_state.get("uploads", 0),
        "exports": [{"name": one.name, "label": one.label} for one in EXPORTS] if state.photos else [],
        "files": st.session_state.get("files", []),
    }


def obey(visit: Visit, what: str, key: int, text: str) -> None:
    """Carry out an action; unknown or outdated ones are ignored."""
    photo = visit.state().photos.get(key)
    if what == "write" and photo is not None:
        same = " ".join(text.split()) == photo.caption.text
        visit.choose(key, photo.caption.text) if same else visit.write(key, text)
    elif what == "choose":
        visit.choose(key, text)
    elif what == "copied" and len(visit.state().photos) == 1:
        visit.mark_saved()
    elif what == "big":
        visit.refuse(text, f"The file is larger than {_MOST} MB. Add a smaller copy.")
    elif what == "failed":
        visit.refuse(text, "The upload failed. Add the photo again.")
    elif what in ("explain", "remove"):
        visit.explain(key) if what == "explain" else visit.remove([key])
    else:
        acts = {
            "restore": visit.restore,
            "dismiss": visit.dismiss,
            "remove all": visit.remove,
            "pause": visit.pause,
            "continue": visit.go_on,
            "cancel": visit.cancel_redo,
        }
        acts.get(what, lambda: None)()


def export(visit: Visit, name: str) -> dict[str, Any]:
    """A file with the current captions, for the browser to save.

    Streamlit's download button fails if the page is redrawn between the click and the download.
    """
    kind = next((one for one in EXPORTS if one.name == name), EXPORTS[0])
    photos = list(visit.state().photos.values())
    visit.mark_saved()
    content = kind.write(photos)
    data = content.encode() if isinstance(content, str) else content
    return {"name": kind.name, "kind": kind.kind, "content": base64.b64encode(data).decode()}


def _handle(visit: Visit) -> None:
    """Handle each order once: the browser repeats orders until it learns that they were handled."""
    orders = (st.session_state.get(_KEY) or {}).get("orders") or []
    for order in sorted(orders, key=lambda order: order["number"]):
        if order["number"] > st.session_state.get("handled", 0):
            st.session_state.handled = order["number"]
            if order["what"] == "export":
                file = export(visit, order["text"]) | {"number": order["number"]}
                st.session_state.files = [*st.session_state.get("files", []), file][-_KEPT:]
            else:
                obey(visit, order["what"], order["key"], order["text"])


def _tile(key: int, photo: VisitPhoto, state: State) -> dict[str, Any]:
    found = certainty(photo.caption)
    tone, word = _TONES[found], found.capitalize()
    if photo.edited:
        tone, word = "edited", "Edited by you"
    elif photo.chosen:
        tone, word = "chosen", "Chosen by you"
    models = tone in _TONES.values()
    stands = photo.edit is None
    explained = state.explained.get(key)
    others = dict.fromkeys(one.text for one in photo.caption.alternatives if differ(one.text, photo.text))
    return {
        "key": key,
        "name": photo.name,
        "text": photo.text,
        "original": None if stands else photo.caption.text,
        "thumbnail": _url(photo.thumbnail, f"thumbnail-{key}"),
        "picture": _url(photo.picture, f"picture-{key}"),
        "tone": tone,
        "word": word,
        "help": explanation(photo.caption) if models else "",
        "nothing": models and photo.caption.confidence < NOTHING_SEEN,
        "check": photo.to_check,
        "edited": photo.edited or photo.chosen,
        "hint": alt_text_hint(photo.text),
        "doubts": [
            {
                "start": doubt.start,
                "end": doubt.end,
                "others": [{"word": word, "text": text} for word, text in doubt.others.items()],
            }
            for doubt in (photo.doubts if models else [])
        ],
        "others": [text for text in others if text != photo.caption.text],
        "english": photo.caption.source if photo.caption.translation else None,
        "explained": explained is not None,
        "area": explained.covering.area if explained else None,
        "translation": _url(explained.translation, f"words-{key}") if explained and explained.translation else None,
    }


def _status(state: State, names: dict[str, str]) -> dict[str, Any] | None:
    if not state.waiting and not state.redoing:
        return None
    number = f"{min(state.done + 1, state.total)} of {state.total}"
    if state.redoing:
        language = names.get(state.redoing.language, state.redoing.language)
        text = f"Redoing captions in {language}: {number}"
    else:
        text = f"Captioning photo {number}"
    if state.paused:
        text = f"Paused: {state.done} of {state.total} photos done"
    elif state.position:
        text = f"Waiting: you are number {state.position} in the queue. {state.done} of {state.total} photos done"
    return {
        "text": text,
        "done": state.done,
        "total": state.total,
        "paused": state.paused,
        "redoing": state.redoing is not None,
    }


def _url(picture: bytes, place: str) -> str:
    """The URL of a picture. It must be registered in each full run of the page, or Streamlit drops it."""
    urls: dict[str, str] = st.session_state.setdefault("urls", {})
    if place not in urls:
        urls[place] = get_instance().media_file_mgr.add(
            picture, "image/png" if place.startswith("words") else "image/jpeg", f"album-{place}"
        )
    return urls[place]
