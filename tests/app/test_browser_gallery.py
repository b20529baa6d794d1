"""The web page in a real browser: Debian's Chromium."""

import contextlib
import csv
import io
import json
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

import captioner
from tests.served import CHROMIUM, FLAGS, Server, served

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path"),
]

HOSTILE = "![x](http://example.org/y.png).jpg"
PHONE = {"width": 390, "height": 844}
TIMEOUT = 60_000  # milliseconds; a busy machine must not fail a test


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright_api.Browser"]:
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(
    server: Server, browser: "playwright_api.Browser", request: pytest.FixtureRequest
) -> Iterator["playwright_api.Page"]:
    """A page of its own, which may ask nobody but this machine; `request.param` are options of its context."""
    context = browser.new_context(**getattr(request, "param", {}))
    context.set_default_timeout(TIMEOUT)
    hosts: set[str | None] = set()
    context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page = context.new_page()
    page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).hostname))
    page.goto(server.url)
    page.get_by_role("button", name="A rocket", exact=True).wait_for()
    yield page
    assert hosts - {None, ""} == {"127.0.0.1"}  # data: and blob: have no host
    context.close()


def upload(page: "playwright_api.Page", *files: Path | dict[str, object]) -> None:
    page.locator('input[type="file"]').first.set_input_files(list(files))
    finish(page)


def finish(page: "playwright_api.Page") -> None:
    """Wait for all captions, however long it takes, as long as something happens."""
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
    if label != "Download captions" and not page.get_by_role("button", name=label, exact=True).is_visible():
        press(page, "Other formats")
    with page.expect_download() as waiting:
        press(page, label)
    return Path(waiting.value.path()).read_bytes()


def rows(page: "playwright_api.Page") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(download(page, "Download captions").decode("utf-8-sig"), newline="")))


def test_a_photo_is_captioned_edited_and_taken_home(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    upload(visit, photos["rocket"])
    expected = captioner.load().caption(photos["rocket"])
    tile = visit.locator("button.tile")
    assert expected.text in tile.inner_text()
    assert "rocket.jpg" in tile.inner_text()
    tile.click()
    assert caption(visit) == expected.text
    assert visit.locator("dialog img").get_attribute("alt") == expected.text

    press(visit, "Edit")
    visit.get_by_role("textbox", name="Caption for rocket.jpg").fill("=A rocket waits")
    press(visit, "Save")
    visit.locator("dialog .caption").get_by_text("=A rocket waits").wait_for()
    assert visit.locator("dialog img").get_attribute("alt") == "=A rocket waits"
    visit.keyboard.press("Escape")
    visit.locator("dialog").wait_for(state="hidden")
    assert "Your words" in tile.inner_text()

    assert [(row["file"], row["caption"], row["model_caption"]) for row in rows(visit)] == [
        ("rocket.jpg", "'=A rocket waits", expected.text)
    ]
    with zipfile.ZipFile(io.BytesIO(download(visit, "Text files (ZIP)"))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"rocket.txt": b"=A rocket waits\n"}
    assert json.loads(download(visit, "COCO results")) == [{"image_id": "rocket.jpg", "caption": "=A rocket waits"}]
    assert json.loads(download(visit, "JSON lines"))["edited"] is True


def test_the_detail_view_is_stepped_through_and_gives_focus_and_place_back(
    visit: "playwright_api.Page", photos: dict[str, Path]
) -> None:
    upload(visit, *(photos[name] for name in ("chelsea", "rocket", "coffee")))
    visit.locator("button.tile").nth(0).scroll_into_view_if_needed()  # as the click would
    top = visit.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")
    visit.locator("button.tile").nth(0).click()
    place, name = visit.locator("dialog .place"), visit.locator("dialog .name")
    assert (place.inner_text(), name.inner_text()) == ("1 of 3", "chelsea.png")
    assert visit.get_by_role("button", name="Previous photo").is_disabled()
    visit.keyboard.press("ArrowRight")
    assert (place.inner_text(), name.inner_text()) == ("2 of 3", "rocket.jpg")
    press(visit, "Next photo")
    assert name.inner_text() == "coffee.png"
    visit.keyboard.press("ArrowLeft")
    assert name.inner_text() == "rocket.jpg"
    visit.keyboard.press("Escape")
    visit.wait_for_function(f"({FOCUSED})().includes('rocket.jpg')")
    assert visit.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == top


def test_suggestions_doubtful_words_and_the_covering_test(
    visit: "playwright_api.Page", photos: dict[str, Path]
) -> None:
    upload(visit, photos["chelsea"])
    visit.locator("button.tile").click()
    press(visit, "Why this caption?")
    visit.get_by_text("Covering the outlined area").or_(visit.get_by_text("No single area stands out")).wait_for()
    visit.locator("dialog button.doubt").first.click()
    word = visit.locator("dialog .choice").first.inner_text()
    visit.locator("dialog .choice").first.click()
    visit.locator("dialog .word", has_text="Chosen by you").wait_for()
    assert word.lower() in caption(visit).lower()
    other = visit.locator('dialog .suggestions button[data-id^="other"]').first
    text = other.inner_text()
    other.click()
    visit.locator("dialog .caption", has_text=text).wait_for()
    visit.keyboard.press("Escape")
    (row,) = rows(visit)
    assert (row["caption"], row["edited"], row["chosen"]) == (text, "False", "True")


def test_filters_a_draft_and_a_deleted_photo(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    upload(visit, photos["chelsea"], photos["rocket"])
    visit.get_by_role("heading", name="2 photos · 2 to check").wait_for()
    visit.locator("button.tile").nth(0).click()
    press(visit, "Keep this caption")
    visit.locator("dialog .word", has_text="Chosen by you").wait_for()
    visit.keyboard.press("ArrowRight")
    press(visit, "Edit")
    visit.get_by_role("textbox").fill("A rocket, half")
    visit.keyboard.press("ArrowLeft")  # moves within the text
    assert visit.locator("dialog .name").inner_text() == "rocket.jpg"
    press(visit, "Close")
    visit.locator("button.tile").nth(1).get_by_text("Not saved yet").wait_for()
    press(visit, "To check 1")
    assert visit.locator("li:not([hidden]) button.tile").count() == 1
    press(visit, "Edited 1")
    visit.locator("li:not([hidden]) button.tile").click()
    assert visit.locator("dialog .place").inner_text() == "1 of 1"
    press(visit, "Delete photo")
    visit.get_by_text("1 photo deleted.").wait_for()
    press(visit, "Undo")
    visit.get_by_role("heading", name="2 photos").wait_for()
    press(visit, "All 2")
    visit.locator("button.tile").nth(1).click()
    assert visit.get_by_role("textbox").input_value() == "A rocket, half"


def test_leaving_with_captions_that_were_not_taken_home_is_asked_about(
    visit: "playwright_api.Page", photos: dict[str, Path]
) -> None:
    upload(visit, photos["rocket"])
    asked: list[str] = []
    visit.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    visit.locator("button.tile").click()  # browsers ask only where something was clicked
    visit.keyboard.press("Escape")
    with pytest.raises(playwright_api.TimeoutError):
        visit.reload(timeout=1500)
    assert asked == ["beforeunload"]
    assert visit.locator("button.tile").is_visible()


@pytest.mark.parametrize(
    "visit", [{"permissions": ["clipboard-read", "clipboard-write"]}], indirect=True, ids=["clipboard"]
)
def test_a_caption_is_copied_and_a_picture_pasted_anywhere(
    visit: "playwright_api.Page", photos: dict[str, Path]
) -> None:
    upload(visit, photos["rocket"])
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
    visit.locator(".refused", has_text="big.jpg The file is bigger than 100 MB.").wait_for()
    upload(visit, good, broken, hostile, pdf)
    visit.get_by_role("heading", name="2 photos").first.wait_for()
    visit.get_by_role("heading", name="We couldn't caption 3 photos").wait_for()
    assert HOSTILE in visit.locator(".refused").inner_text()
    assert "invoice.pdf This is a PDF, not a photo." in visit.locator(".refused").inner_text()
    assert visit.locator('img[src*="example.org"]').count() == 0
    assert b"![x](http://example.org/y.png).jpg.png" in download(visit, "Download captions")


UPLOADS = re.compile("/upload_file/")


def test_photos_are_captioned_while_others_are_uploaded(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    held: list[playwright_api.Route] = []
    first = iter([True])
    visit.route(UPLOADS, lambda route: route.continue_() if next(first, False) else held.append(route))
    names = ("rocket", "chelsea", "coffee")
    visit.locator('input[type="file"]').first.set_input_files([photos[name] for name in names])
    visit.get_by_role("heading", name="3 photos").wait_for()
    visit.locator("button.tile", has_text="rocket.jpg").wait_for()
    visit.get_by_text("Uploading photo 2 of 3").wait_for()
    visit.get_by_role("link", name="Evaluate").click()  # the uploader goes, with what it was sending
    visit.get_by_role("heading", level=1, name="How good").wait_for()
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


def test_the_buttons_stay_where_they_are(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    visit.set_viewport_size({"width": 1280, "height": 1100})  # the bar at the bottom of the page does not stick
    upload(visit, photos["astronaut"], photos["rocket"])  # a square and a wide one
    visit.locator("button.tile").first.click()
    before = visit.get_by_role("button", name="Close", exact=True).bounding_box()
    visit.keyboard.press("ArrowRight")
    visit.locator("dialog .name", has_text="rocket.jpg").wait_for()
    assert visit.get_by_role("button", name="Close", exact=True).bounding_box() == before
    visit.keyboard.press("Escape")
    names = ("Download captions", "Other formats", "Delete all photos")
    bar = [visit.get_by_role("button", name=name, exact=True) for name in names]
    places = [one.bounding_box() for one in bar]
    press(visit, "Other formats")
    visit.get_by_role("button", name="COCO results").click(trial=True)  # nothing lies over it
    assert [one.bounding_box() for one in bar] == places


@pytest.mark.parametrize(
    "visit", [{"viewport": PHONE, "color_scheme": "dark", "has_touch": True}], indirect=True, ids=["phone"]
)
def test_a_phone_in_the_dark(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    upload(visit, photos["rocket"])
    assert visit.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    visit.locator("button.tile").tap()
    for place in ("dialog img", "dialog .caption", "dialog .actions"):
        box = visit.locator(place).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    caption = visit.locator("dialog .caption").bounding_box()
    assert caption is not None
    assert caption["y"] + caption["height"] <= PHONE["height"]  # photo and caption on the first screen
    bar = [visit.get_by_role("button", name=name, exact=True) for name in ("Download captions", "Delete all photos")]
    first, last = (one.evaluate("element => element.getBoundingClientRect().top") for one in bar)
    assert first == last  # one row, or little would be left for photos
    small = visit.evaluate(
        """() => {
            const host = [...document.querySelectorAll("*")].find((one) => one.shadowRoot?.querySelector(".album"));
            const buttons = [...host.shadowRoot.querySelectorAll("button:not(.doubt)")];
            return buttons.filter((one) => one.offsetHeight && one.offsetHeight < 44).map((one) => one.innerText);
        }"""
    )
    assert small == []
    colour = visit.get_by_test_id("stApp").evaluate("element => getComputedStyle(element).backgroundColor")
    assert max(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) < 60


FOCUSED = """() => {
    let focused = document.activeElement;
    while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
    return focused?.tagName === "BUTTON" ? focused.innerText : "";
}"""


def tab_to(page: "playwright_api.Page", label: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if label in page.evaluate(FOCUSED).splitlines():
            return
    raise AssertionError(f"the tab key does not lead to {label}")


def test_the_keyboard_is_enough(visit: "playwright_api.Page") -> None:
    tab_to(visit, "A rocket")
    visit.keyboard.press("Enter")
    finish(visit)
    tab_to(visit, "rocket.jpg")
    visit.keyboard.press("Enter")
    tab_to(visit, "Edit")
    visit.keyboard.press("Enter")
    visit.keyboard.press("Control+A")
    visit.keyboard.type("A rocket waits.")
    visit.keyboard.press("Enter")
    visit.locator("dialog .caption", has_text="A rocket waits.").wait_for()
    assert visit.evaluate(FOCUSED) == "Edit"
    visit.keyboard.press("Escape")
    tab_to(visit, "Download captions")
    with visit.expect_download():
        visit.keyboard.press("Enter")


@pytest.mark.parametrize("visit", [{}, {"viewport": PHONE}], indirect=True, ids=["desktop", "phone"])
def test_nothing_jumps_while_photos_are_captioned(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    settle(visit)
    visit.evaluate(
        """() => {
            window.shifted = 0;
            const add = (list) => list.getEntries().forEach((entry) => {
                if (!entry.hadRecentInput) window.shifted += entry.value;
            });
            new PerformanceObserver(add).observe({ type: "layout-shift" });
        }"""
    )
    upload(visit, *photos.values())
    visit.wait_for_timeout(500)
    assert visit.evaluate("window.shifted") < 0.1


def many(photos: dict[str, Path], count: int) -> list[dict[str, object]]:
    """Small photos under different names."""
    found: list[dict[str, object]] = []
    for number in range(count):
        with Image.open(list(photos.values())[number % len(photos)]) as image:
            data = io.BytesIO()
            image.convert("RGB").resize((320, 240)).save(data, "JPEG")
        found.append({"name": f"{number}.jpg", "mimeType": "image/jpeg", "buffer": data.getvalue()})
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
    pause = visit.get_by_role("button", name="Continue", exact=True)
    if pause.is_visible():
        pause.click()
    finish(visit)
    assert [row["file"] for row in rows(visit)] == [f"{number}.jpg" for number in range(number)]
    assert len({row["language"] for row in rows(visit)}) == 1
    assert visit.get_by_test_id("stException").count() == 0


def click_something(page: "playwright_api.Page", clicks: random.Random) -> None:
    """One click of somebody impatient; what is not there at the moment is not clicked."""
    what = clicks.choice(["open", "open", "page", "settings", "pause", "language", "filter", "download", "next", "tab"])
    page.wait_for_timeout(clicks.randint(0, 150))
    if what != "next" and page.locator("dialog[open]").count():
        page.keyboard.press("Escape")
    targets = {
        "open": page.locator("li:not([hidden]) button.tile").first,
        "pause": page.get_by_role("button", name=re.compile("^(Pause|Continue)$")),
        "settings": page.get_by_role("button", name="Settings", exact=True),
        "filter": page.get_by_role("button", name=re.compile("^(All|To check|Edited) ")).nth(clicks.randrange(3)),
        "download": page.get_by_role("button", name="Download captions", exact=True),
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
            page.get_by_role("combobox", name="Captions in").click(timeout=3000)
            page.get_by_role("option", name=clicks.choice(["Deutsch", "English"])).click(timeout=3000)
        else:
            targets[what].click(timeout=1500)


@pytest.mark.parametrize(
    "visit", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"]
)
def test_axe_finds_nothing(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    found = {"start": violations(visit)}
    upload(visit, photos["rocket"], photos["chelsea"])
    found["gallery"] = violations(visit)
    visit.locator("button.tile").first.click()
    found["detail"] = violations(visit)
    visit.keyboard.press("Escape")
    for name in ("Evaluate", "About the model"):
        visit.get_by_role("link", name=name).click()
        visit.get_by_role("heading", level=1, name="How good" if name == "Evaluate" else name).wait_for()
        settle(visit)
        found[name] = violations(visit)
    assert not any(found.values()), "\n".join(f"{name}: {one}" for name, some in found.items() for one in some)


# Streamlit's own: its field for files has the role of a presentation and can be focused by a script.
STREAMLITS = {"presentation-role-conflict"}


def violations(page: "playwright_api.Page") -> list[str]:
    """What axe-core finds, with the first place of each."""
    return [
        f"{violation['id']} ({violation['impact']}): {violation['nodes'][0]['html'][:300]} "
        f"{violation['nodes'][0].get('failureSummary', '')[:300]}"
        for violation in axe_api.Axe().run(page).response["violations"]
        if violation["id"] not in STREAMLITS
    ]
