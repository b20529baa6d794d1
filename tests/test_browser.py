"""The web page in a real browser: Debian's Chromium."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

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
TIMEOUT = 60_000  # milliseconds


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
    page.get_by_role("heading", name="Take home").wait_for()
    settle(page)


def settle(page: "playwright_api.Page") -> None:
    page.wait_for_timeout(200)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def caption(page: "playwright_api.Page") -> str:
    return page.locator(".st-key-caption").inner_text().strip()


def download(page: "playwright_api.Page", label: str) -> bytes:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=label, exact=True).click()
    return Path(waiting.value.path()).read_bytes()


def test_a_photo_is_captioned_stepped_through_edited_and_taken_home(
    visit: "playwright_api.Page", photos: dict[str, Path]
) -> None:
    upload(visit, photos["rocket"])
    expected = captioner.load().caption(photos["rocket"])
    assert caption(visit) == expected.text
    assert visit.locator(".st-key-photo img").get_attribute("alt") == expected.text

    heat = visit.locator(".st-key-heat img")
    before = heat.get_attribute("src")
    slider = visit.get_by_role("slider", name="Word by word")
    slider.focus()
    slider.press("ArrowRight")
    visit.locator(".st-key-lit").get_by_text(expected.tokens[1], exact=True).wait_for()
    settle(visit)
    assert heat.get_attribute("src") != before
    assert f"“{expected.tokens[1]}”" in (heat.get_attribute("alt") or "")

    visit.get_by_role("button", name="Edit").click()
    visit.get_by_role("textbox", name="Your words").fill("=A rocket waits")
    visit.get_by_role("button", name="Keep").click()
    visit.locator(".st-key-caption").get_by_text("=A rocket waits").wait_for()
    settle(visit)
    assert visit.locator(".st-key-photo img").get_attribute("alt") == "=A rocket waits"

    rows = list(csv.DictReader(io.StringIO(download(visit, "CSV").decode("utf-8-sig"), newline="")))
    assert [(row["file"], row["caption"], row["model_caption"]) for row in rows] == [
        ("rocket.jpg", "'=A rocket waits", expected.text)
    ]
    with zipfile.ZipFile(io.BytesIO(download(visit, "ZIP"))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"rocket.txt": b"=A rocket waits\n"}
    assert json.loads(download(visit, "COCO")) == [{"image_id": "rocket.jpg", "caption": "=A rocket waits"}]
    assert json.loads(download(visit, "JSON lines"))["edited"] is True


@pytest.mark.parametrize(
    "visit", [{"permissions": ["clipboard-read", "clipboard-write"]}], indirect=True, ids=["clipboard"]
)
def test_a_caption_is_copied_and_a_picture_pasted(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    upload(visit, photos["rocket"])
    visit.get_by_role("button", name="Copy").click()
    visit.get_by_role("button", name="Copied").wait_for()
    assert visit.evaluate("navigator.clipboard.readText()") == caption(visit)

    visit.get_by_role("radio", name="Paste").click()
    line = visit.get_by_test_id("stChatInputTextArea")
    line.wait_for()
    visit.evaluate(
        """async () => {
            const canvas = document.createElement("canvas");
            canvas.width = canvas.height = 64;
            canvas.getContext("2d").fillRect(0, 0, 32, 32);
            const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
            await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
        }"""
    )
    line.click()
    line.press("Control+V")
    visit.get_by_test_id("stChatInputFile").or_(visit.get_by_text("image.png")).first.wait_for()
    visit.get_by_test_id("stChatInputSubmitButton").click()  # once uploaded; Enter would be lost
    visit.get_by_role("heading", name="Your 2 photos").wait_for()


def test_a_broken_file_and_a_hostile_name_among_good_ones(
    visit: "playwright_api.Page", photos: dict[str, Path]
) -> None:
    broken = {"name": HOSTILE, "mimeType": "image/jpeg", "buffer": b"no photo"}
    hostile = {"name": f"{HOSTILE}.png", "mimeType": "image/png", "buffer": photos["chelsea"].read_bytes()}
    good = {"name": "rocket.jpg", "mimeType": "image/jpeg", "buffer": photos["rocket"].read_bytes()}
    upload(visit, good, broken, hostile)
    visit.get_by_role("heading", name="Your 2 photos").wait_for()
    assert visit.get_by_text(f"{HOSTILE}: cannot read the image").is_visible()
    assert visit.locator('img[src*="example.org"]').count() == 0
    assert b"![x](http://example.org/y.png).jpg.png" in download(visit, "CSV")


@pytest.mark.parametrize(
    "visit", [{"viewport": PHONE, "color_scheme": "dark", "has_touch": True}], indirect=True, ids=["phone"]
)
def test_a_phone_in_the_dark(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    upload(visit, photos["rocket"])
    assert visit.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for place in (".st-key-photo img", ".st-key-caption", ".st-key-heat img"):
        box = visit.locator(place).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    colour = visit.get_by_test_id("stApp").evaluate("element => getComputedStyle(element).backgroundColor")
    assert max(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) < 60


def test_the_keyboard_is_enough(visit: "playwright_api.Page") -> None:
    for _ in range(40):
        visit.keyboard.press("Tab")
        if visit.evaluate("document.activeElement.innerText") == "A rocket":
            break
    else:
        raise AssertionError("the tab key does not lead to the sample")
    visit.keyboard.press("Enter")
    visit.get_by_role("heading", name="Take home").wait_for()
    for _ in range(60):
        visit.keyboard.press("Tab")
        if visit.evaluate("document.activeElement.innerText") == "CSV":
            break
    else:
        raise AssertionError("the tab key does not lead to the CSV")
    with visit.expect_download():
        visit.keyboard.press("Enter")


@pytest.mark.parametrize(
    "visit", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"]
)
def test_axe_finds_nothing_serious(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    found = {"start": serious(visit)}
    upload(visit, photos["rocket"], photos["chelsea"])
    found["caption"] = serious(visit)
    for name in ("Evaluate", "About the model"):
        visit.get_by_role("link", name=name).click()
        visit.get_by_role("heading", level=1, name="How good" if name == "Evaluate" else name).wait_for()
        settle(visit)
        found[name] = serious(visit)
    assert not any(found.values()), found


def serious(page: "playwright_api.Page") -> list[str]:
    """What axe-core calls serious or critical, with the first place of each."""
    violations = axe_api.Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {violation['nodes'][0]['html'][:300]} {violation['nodes'][0].get('failureSummary', '')[:300]}"
        for violation in violations
        if violation["impact"] in {"serious", "critical"}
    ]
