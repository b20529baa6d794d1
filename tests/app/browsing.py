"""The page in a real browser, Debian's Chromium: upload photos, wait for captions, download them."""

import contextlib
import csv
import io
from pathlib import Path

import pytest

from tests.served import CHROMIUM, TIMEOUT

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path"),
]

FOCUSED = """() => {
    let focused = document.activeElement;
    while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
    return focused?.tagName === "BUTTON" ? focused.innerText : "";
}"""


def upload(page: "playwright_api.Page", *files: Path | dict[str, object]) -> None:
    page.locator('input[type="file"]').first.set_input_files(list(files))
    finish(page)


def finish(page: "playwright_api.Page") -> None:
    """Wait for all captions, without a time limit as long as there is progress."""
    before = ""
    while True:
        with contextlib.suppress(playwright_api.TimeoutError):
            page.get_by_text("All photos have captions.").wait_for(timeout=3 * TIMEOUT)
            break
        said = page.locator(".work").inner_text()
        assert said != before, f"stuck at “{said}”"
        before = said
    settle(page)


def settle(page: "playwright_api.Page") -> None:
    page.wait_for_timeout(200)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def caption(page: "playwright_api.Page") -> str:
    return page.locator("dialog .caption").inner_text().strip()


def press(page: "playwright_api.Page", label: str) -> None:
    page.get_by_role("button", name=label, exact=True).click()


def download(page: "playwright_api.Page", label: str) -> bytes:
    if label != "Download CSV" and not page.get_by_role("button", name=label, exact=True).is_visible():
        press(page, "Other formats")
    with page.expect_download() as waiting:
        press(page, label)
    return Path(waiting.value.path()).read_bytes()


def rows(page: "playwright_api.Page") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(download(page, "Download CSV").decode("utf-8-sig"), newline="")))
