"""Accessibility in a real browser: keyboard, phone, dark theme, screen readers, and no layout shifts."""

from pathlib import Path

import pytest

from tests.app.browsing import FOCUSED, MARKS, finish, playwright_api, press, settle, upload
from tests.evaluation.test_report import files_of, outcome

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
pytestmark = MARKS

PHONE = {"width": 390, "height": 844}


def test_the_buttons_stay_where_they_are(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    visit.set_viewport_size({"width": 1280, "height": 1100})  # the bar at the bottom of the page does not stick
    upload(visit, photos["astronaut"], photos["rocket"])  # a square photo and a wide one
    visit.locator("button.tile").first.click()
    before = visit.get_by_role("button", name="Close", exact=True).bounding_box()
    visit.keyboard.press("ArrowRight")
    visit.locator("dialog .name", has_text="rocket.jpg").wait_for()
    assert visit.get_by_role("button", name="Close", exact=True).bounding_box() == before
    visit.keyboard.press("Escape")
    names = ("Download CSV", "Other formats", "Delete all photos")
    bar = [visit.get_by_role("button", name=name, exact=True) for name in names]
    places = [one.bounding_box() for one in bar]
    press(visit, "Other formats")
    visit.get_by_role("button", name="COCO results (JSON)").click(trial=True)  # nothing covers it
    assert [one.bounding_box() for one in bar] == places


@pytest.mark.parametrize(
    "visit", [{"viewport": PHONE, "color_scheme": "dark", "has_touch": True}], indirect=True, ids=["phone"]
)
def test_a_phone_in_the_dark(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    upload(visit, photos["coffee"])
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
    bar = [visit.get_by_role("button", name=name, exact=True) for name in ("Download CSV", "Delete all photos")]
    first, last = (one.evaluate("element => element.getBoundingClientRect().top") for one in bar)
    assert first == last  # one row, to leave room for photos
    small = visit.evaluate(
        """() => {
            const host = [...document.querySelectorAll("*")].find((one) => one.shadowRoot?.querySelector(".album"));
            const buttons = [...host.shadowRoot.querySelectorAll("button:not(.doubt)")];
            return buttons.filter((one) => one.offsetHeight && one.offsetHeight < 44).map((one) => one.innerText);
        }"""
    )
    assert small == []
    color = visit.get_by_test_id("stApp").evaluate("element => getComputedStyle(element).backgroundColor")
    assert max(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(",")) < 60


@pytest.mark.parametrize("visit", [{"viewport": PHONE}], indirect=True, ids=["phone"])
def test_a_file_to_evaluate_is_selected_and_shown_on_a_phone(visit: "playwright_api.Page") -> None:
    visit.goto(f"{visit.url}evaluate")
    picker = visit.locator(".st-key-annotations")
    label = "label => getComputedStyle(label, '::after').content"
    assert picker.locator("button p").evaluate(label) == '"Select file"'
    file = {"name": "references.json", "mimeType": "application/json", "buffer": b"{}"}
    picker.locator('input[type="file"]').set_input_files([file])  # type: ignore[list-item]
    picker.get_by_text("references.json").wait_for()


def test_the_report_fits_a_phone(browser: "playwright_api.Browser") -> None:
    page = browser.new_page(viewport=PHONE)
    page.set_content(files_of(outcome())["report.html"])
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("#scores").evaluate("table => table.offsetWidth <= table.parentElement.clientWidth")
    assert page.locator("#scores tr").evaluate_all("rows => Math.max(...rows.map((row) => row.offsetHeight))") < 40
    page.close()


def tab_to(page: "playwright_api.Page", label: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if label in page.evaluate(FOCUSED).splitlines():
            return
    raise AssertionError(f"the tab key does not lead to {label}")


def test_the_keyboard_is_enough(visit: "playwright_api.Page") -> None:
    tab_to(visit, "A cup of coffee")
    visit.keyboard.press("Enter")
    finish(visit)
    tab_to(visit, "coffee.png")
    visit.keyboard.press("Enter")
    tab_to(visit, "Edit")
    visit.keyboard.press("Enter")
    visit.keyboard.press("Control+A")
    visit.keyboard.type("A cup waits.")
    visit.keyboard.press("Enter")
    visit.locator("dialog .caption", has_text="A cup waits.").wait_for()
    assert visit.evaluate(FOCUSED) == "Edit"
    visit.keyboard.press("Escape")
    tab_to(visit, "Download CSV")
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
        visit.get_by_role("heading", level=1, name="Evaluate captions" if name == "Evaluate" else name).wait_for()
        settle(visit)
        found[name] = violations(visit)
    assert not any(found.values()), "\n".join(f"{name}: {one}" for name, some in found.items() for one in some)


# Streamlit's own: its file input has the role "presentation", but a script can focus it.
STREAMLITS = {"presentation-role-conflict"}


def violations(page: "playwright_api.Page") -> list[str]:
    """The violations found by axe-core, with the first element of each."""
    return [
        f"{violation['id']} ({violation['impact']}): {violation['nodes'][0]['html'][:300]} "
        f"{violation['nodes'][0].get('failureSummary', '')[:300]}"
        for violation in axe_api.Axe().run(page).response["violations"]
        if violation["id"] not in STREAMLITS
    ]
