"""Drive the page without a browser: upload photos, send commands, and read the output."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

MAIN = Path(__file__).parents[2] / "app" / "main.py"
sys.path.append(str(MAIN.parent))  # as `streamlit run` does

import album as album_module  # noqa: E402

obey = album_module.obey


def bring(page: AppTest, *files: Path | tuple[str, bytes]) -> AppTest:
    """Upload files by their paths, or by name and content, and wait for their captions."""
    named = [(file.name, file.read_bytes()) if isinstance(file, Path) else file for file in files]
    page.file_uploader[0].set_value([(name, content, "image/jpeg") for name, content in named]).run()
    return finish(page)


def finish(page: AppTest) -> AppTest:
    """Wait until all photos of the visit are captioned, and rerun the page."""
    end = time.monotonic() + 60
    while page.session_state.visit.state().busy:
        assert time.monotonic() < end
        time.sleep(0.02)
    page.run()
    assert not page.exception
    return page


def order(page: AppTest, what: str, key: int = 0, text: str = "") -> AppTest:
    """Send a command as the album does, and wait for it."""
    obey(page.session_state.visit, what, key, text)
    return finish(page)


def album(page: AppTest) -> dict[str, Any]:
    """The data that the album displays."""
    (component,) = page.get("bidi_component")
    data: dict[str, Any] = json.loads(component.proto.json)
    return data


def tiles(page: AppTest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = album(page)["tiles"]
    return found


def texts(page: AppTest) -> list[str]:
    return [text.value for text in page.text]


def alts(page: AppTest) -> list[str]:
    return [image.alt for element in page.get("image") for image in element.proto.imgs]


def box(page: AppTest, label: str) -> Selectbox:
    return next(one for one in page.selectbox if one.label == label)


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click()
    page.run()
    assert not page.exception
    return page
