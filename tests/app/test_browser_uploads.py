"""Uploads and downloads in a real browser, with clicks in between."""

import contextlib
import random
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.app.browsing import MARKS, caption, download, finish, playwright_api, press, rows, settle, upload
from tests.image_files import encode

pytestmark = MARKS

HOSTILE = "![x](http://example.org/y.png).jpg"
UPLOADS = re.compile("/upload_file/")


@pytest.mark.parametrize(
    "visit", [{"permissions": ["clipboard-read", "clipboard-write"]}], indirect=True, ids=["clipboard"]
)
def test_a_caption_is_copied_and_a_picture_pasted_anywhere(
    visit: "playwright_api.Page", photos: dict[str, Path]
) -> None:
    upload(visit, photos["coffee"])
    visit.locator("button.tile").click()
    press(visit, "Copy")
    visit.get_by_role("button", name="Copied").wait_for()
    assert visit.evaluate("navigator.clipboard.readText()") == caption(visit)
    press(visit, "Close")
    visit.evaluate(
        """async () => {
            const canvas = document.createElement("canvas");
            canvas.width = canvas.height = 64;
            canvas.getContext("2d").fillRect(0, 0, 32, 32);
            const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
            await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
        }"""
    )
    visit.keyboard.press("Control+V")
    visit.get_by_role("heading", name="2 photos").wait_for()


def test_files_that_are_no_photos_and_a_hostile_name_among_good_ones(
    visit: "playwright_api.Page", photos: dict[str, Path], tmp_path: Path
) -> None:
    broken = {"name": HOSTILE, "mimeType": "image/jpeg", "buffer": b"no photo"}
    hostile = {"name": f"{HOSTILE}.png", "mimeType": "image/png", "buffer": photos["chelsea"].read_bytes()}
    good = {"name": "rocket.jpg", "mimeType": "image/jpeg", "buffer": photos["rocket"].read_bytes()}
    pdf = {"name": "invoice.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"}
    big = tmp_path / "big.jpg"
    with big.open("wb") as file:
        file.truncate(105_000_000)
    visit.locator('input[type="file"]').first.set_input_files(big)
    visit.locator(".refused", has_text="big.jpg The file is larger than 100 MB. Add a smaller copy.").wait_for()
    upload(visit, good, broken, hostile, pdf)
    visit.get_by_role("heading", name="2 photos").first.wait_for()
    visit.get_by_role("heading", name="3 files could not be captioned").wait_for()
    assert HOSTILE in visit.locator(".refused").inner_text()
    assert "invoice.pdf This is a PDF, not a photo." in visit.locator(".refused").inner_text()
    assert visit.locator('img[src*="example.org"]').count() == 0
    assert b"![x](http://example.org/y.png).jpg.png" in download(visit, "Download CSV")


def test_photos_are_captioned_while_others_are_uploaded(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    held: list[playwright_api.Route] = []
    first = iter([True])
    visit.route(UPLOADS, lambda route: route.continue_() if next(first, False) else held.append(route))
    names = ("rocket", "chelsea", "coffee")
    visit.locator('input[type="file"]').first.set_input_files([photos[name] for name in names])
    visit.get_by_role("heading", name="3 photos").wait_for()
    visit.locator("button.tile", has_text="rocket.jpg").wait_for()
    visit.get_by_text("Uploading photo 2 of 3").wait_for()
    visit.get_by_role("link", name="Evaluate").click()  # the uploader disappears, and its upload is aborted
    visit.get_by_role("heading", level=1, name="Evaluate captions").wait_for()
    visit.unroute(UPLOADS)
    visit.get_by_role("link", name="Caption").click()
    finish(visit)
    assert [row["file"] for row in rows(visit)] == [photos[name].name for name in names]
    for route in held:
        with contextlib.suppress(playwright_api.Error):
            route.abort()


def test_uploads_fail_or_are_stopped(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    visit.route(UPLOADS, lambda route: route.abort())
    name = f"{'rocket ' * 12}.jpg"
    file = {"name": name, "mimeType": "image/jpeg", "buffer": photos["rocket"].read_bytes()}
    visit.locator('input[type="file"]').first.set_input_files([file])  # type: ignore[list-item]
    visit.locator(".refused", has_text=f"{name} The upload failed. Add the photo again.").wait_for()
    visit.unroute(UPLOADS)
    held: list[playwright_api.Route] = []
    visit.route(UPLOADS, lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks its handlers
    visit.locator('input[type="file"]').first.set_input_files([photos["rocket"], photos["chelsea"], photos["coffee"]])
    press(visit, "Stop uploading")
    visit.get_by_role("heading", name="1 photo").first.wait_for()
    while not held:
        visit.wait_for_timeout(50)
    held[0].continue_()
    finish(visit)
    assert [row["file"] for row in rows(visit)] == ["rocket.jpg"]


def test_leaving_with_captions_that_were_not_downloaded_is_asked_about(
    visit: "playwright_api.Page", photos: dict[str, Path]
) -> None:
    upload(visit, photos["rocket"])
    asked: list[str] = []
    visit.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    visit.locator("button.tile").click()  # browsers ask for confirmation only after a click
    visit.keyboard.press("Escape")
    with pytest.raises(playwright_api.TimeoutError):
        visit.reload(timeout=1500)
    assert asked == ["beforeunload"]
    assert visit.locator("button.tile").is_visible()


def many(photos: dict[str, Path], count: int) -> list[dict[str, object]]:
    """Small photos under different names."""
    found: list[dict[str, object]] = []
    for number in range(count):
        with Image.open(list(photos.values())[number % len(photos)]) as image:
            data = encode(image.convert("RGB").resize((320, 240)), "JPEG")
        found.append({"name": f"{number}.jpg", "mimeType": "image/jpeg", "buffer": data})
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("number", [10, pytest.param(50, marks=pytest.mark.long)])
def test_whatever_is_clicked_meanwhile_each_photo_is_in_the_table_once(
    visit: "playwright_api.Page", photos: dict[str, Path], number: int, seed: int
) -> None:
    clicks = random.Random(seed)
    visit.locator('input[type="file"]').first.set_input_files(many(photos, number))  # type: ignore[arg-type]
    visit.get_by_role("heading", name=f"{number} photos").wait_for()
    for _ in range(20):
        click_something(visit, clicks)
        assert visit.get_by_test_id("stException").count() == 0
    visit.keyboard.press("Escape")
    visit.get_by_role("link", name="Caption").click()
    visit.get_by_role("heading", name=f"{number} photos").wait_for()
    settle(visit)
    paused = visit.get_by_role("button", name="Continue", exact=True)
    # Not is_visible alone: the page may not have answered the last click on Pause yet.
    visit.get_by_text("All photos have captions.").or_(paused).first.wait_for()
    if paused.is_visible():
        paused.click()
    finish(visit)
    assert [row["file"] for row in rows(visit)] == [f"{number}.jpg" for number in range(number)]
    assert len({row["language"] for row in rows(visit)}) == 1
    assert visit.get_by_test_id("stException").count() == 0


def click_something(page: "playwright_api.Page", clicks: random.Random) -> None:
    """Click as an impatient user would; elements that are missing at the moment are skipped."""
    what = clicks.choice(["open", "open", "page", "settings", "pause", "language", "filter", "download", "next", "tab"])
    page.wait_for_timeout(clicks.randint(0, 150))
    if what != "next" and page.locator("dialog[open]").count():
        page.keyboard.press("Escape")
    targets = {
        "open": page.locator("li:not([hidden]) button.tile").first,
        "pause": page.get_by_role("button", name=re.compile("^(Pause|Continue)$")),
        "settings": page.get_by_role("button", name="Settings", exact=True),
        "filter": page.get_by_role("button", name=re.compile("^(All|To check|Reviewed) ")).nth(clicks.randrange(3)),
        "download": page.get_by_role("button", name="Download CSV", exact=True),
        "tab": page.get_by_role("radio", name=clicks.choice(["Photos", "Folder", "Camera", "Samples"])),
    }
    with contextlib.suppress(playwright_api.TimeoutError):
        if what == "next":
            page.keyboard.press("ArrowRight")
        elif what == "page":
            page.get_by_role("link", name=clicks.choice(["Evaluate", "About the model"])).click(timeout=3000)
            page.wait_for_timeout(clicks.randint(0, 400))
            page.get_by_role("link", name="Caption").click(timeout=3000)
        elif what == "language":
            page.get_by_role("combobox", name="Caption language").click(timeout=3000)
            page.get_by_role("option", name=clicks.choice(["Deutsch", "English"])).click(timeout=3000)
        else:
            targets[what].click(timeout=1500)
