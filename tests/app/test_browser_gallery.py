"""The gallery and the detail view in a real browser."""

import io
import json
import zipfile
from pathlib import Path

import captioner
from tests.app.browsing import FOCUSED, MARKS, caption, download, playwright_api, press, rows, upload

pytestmark = MARKS


def test_a_photo_is_captioned_edited_and_downloaded(visit: "playwright_api.Page", photos: dict[str, Path]) -> None:
    upload(visit, photos["coffee"])
    expected = captioner.load().caption(photos["coffee"])
    tile = visit.locator("button.tile")
    assert expected.text in tile.inner_text()
    assert "coffee.png" in tile.inner_text()
    tile.click()
    assert caption(visit) == expected.text
    assert visit.locator("dialog img").get_attribute("alt") == expected.text

    press(visit, "Edit")
    visit.get_by_role("textbox", name="Caption for coffee.png").fill("=A cup waits")
    press(visit, "Save")
    visit.locator("dialog .caption").get_by_text("=A cup waits").wait_for()
    assert visit.locator("dialog img").get_attribute("alt") == "=A cup waits"
    visit.keyboard.press("Escape")
    visit.locator("dialog").wait_for(state="hidden")
    assert "Edited by you" in tile.inner_text()

    assert [(row["file"], row["caption"], row["model_caption"]) for row in rows(visit)] == [
        ("coffee.png", "'=A cup waits", expected.text)
    ]
    with zipfile.ZipFile(io.BytesIO(download(visit, "Text files (ZIP)"))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"coffee.txt": b"=A cup waits\n"}
    assert json.loads(download(visit, "COCO results (JSON)")) == [{"image_id": "coffee.png", "caption": "=A cup waits"}]
    assert json.loads(download(visit, "JSON Lines"))["edited"] is True


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
    visit.get_by_text("The caption depends most on").or_(visit.get_by_text("No single area stands out")).wait_for()
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
    upload(visit, photos["chelsea"], photos["coffee"])
    visit.get_by_role("heading", name="2 photos · 2 to check").wait_for()
    visit.locator("button.tile").nth(0).click()
    press(visit, "Keep this caption")
    visit.locator("dialog .word", has_text="Chosen by you").wait_for()
    visit.keyboard.press("ArrowRight")
    press(visit, "Edit")
    visit.get_by_role("textbox").fill("A cup, half")
    visit.keyboard.press("ArrowLeft")  # moves within the text
    assert visit.locator("dialog .name").inner_text() == "coffee.png"
    press(visit, "Close")
    visit.locator("button.tile").nth(1).get_by_text("Unsaved edit").wait_for()
    press(visit, "To check 1")
    assert visit.locator("li:not([hidden]) button.tile").count() == 1
    press(visit, "Reviewed 1")
    visit.locator("li:not([hidden]) button.tile").click()
    assert visit.locator("dialog .place").inner_text() == "1 of 1"
    press(visit, "Delete photo")
    visit.get_by_text("1 photo deleted.").wait_for()
    press(visit, "Undo")
    visit.get_by_role("heading", name="2 photos").wait_for()
    press(visit, "All 2")
    visit.locator("button.tile").nth(1).click()
    assert visit.get_by_role("textbox").input_value() == "A cup, half"
