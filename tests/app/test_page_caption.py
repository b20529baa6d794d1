"""The page "Caption", driven without a browser: uploads, captions, edits and downloads."""

import base64
import gc
import json
import threading
from pathlib import Path

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFile
from streamlit.testing.v1 import AppTest

import captioner
from captioner.visit import photos as visit_photos
from captioner.visit import visit as visits
from captioner.visit import work
from captioner.visit.certainty import certainty
from tests.app.pages import album, album_module, bring, finish, order, press, tiles

HOSTILE = "![x](http://example.org/y.png).jpg"


def test_the_page_opens(page: AppTest) -> None:
    assert not page.exception
    assert page.title[0].value == "Describe your photos"
    assert [markdown.value for markdown in page.markdown] == [
        "Add photos to get a one-sentence caption for each. Captions can be wrong: check them before you share."
    ]
    assert tiles(page) == []


def test_a_photo_gets_the_librarys_caption(
    captioned: AppTest, photos: dict[str, Path], model: captioner.Captioner
) -> None:
    (tile,) = tiles(captioned)
    assert (tile["name"], tile["text"]) == ("chelsea.png", model.caption(photos["chelsea"]).text)
    assert tile["picture"].endswith(".jpg")
    assert album(captioned)["status"] is None


def test_confidence_is_a_word_and_no_number(
    captioned: AppTest, photos: dict[str, Path], model: captioner.Captioner
) -> None:
    caption = model.caption(photos["chelsea"])
    (tile,) = tiles(captioned)
    assert tile["word"] == certainty(caption).value.capitalize()
    assert f"{caption.confidence:.2f}" not in json.dumps(album(captioned))


def test_doubtful_words_offer_others(captioned: AppTest) -> None:
    (tile,) = tiles(captioned)
    found = [doubt for doubt in tile["doubts"] if doubt["others"]]
    assert found
    for doubt in found:
        word = tile["text"][doubt["start"] : doubt["end"]]
        for other in doubt["others"]:
            assert other["word"].lower() in other["text"].lower()
            assert word not in other["text"].split()


def test_the_uploader_is_empty_again_and_the_servers_memory_is_free(captioned: AppTest) -> None:
    assert captioned.file_uploader[0].value == []


def test_what_waits_is_in_memory_once_and_is_let_go_after_its_caption(
    page: AppTest, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("chelsea.png", "rocket.jpg")
    held: list[tuple[list[str], list[str]]] = []

    def uploads() -> tuple[list[str], list[str]]:
        """The names of the files that Streamlit keeps, and of the copies that widgets returned."""
        gc.collect()
        alive = gc.get_objects()
        managers = [one for one in alive if type(one) is MemoryUploadedFileManager]
        kept = {name for one in managers for files in one.file_storage.values() for _, name, *_ in files.values()}
        copies = {one.name for one in alive if type(one) is UploadedFile}
        return sorted(kept.intersection(names)), sorted(copies.intersection(names))

    def watched(*arguments: object) -> object:
        assert drawn.wait(60)
        held.append(uploads())
        return describe(*arguments)  # type: ignore[arg-type]

    drawn, describe = threading.Event(), work.describe
    monkeypatch.setattr(work, "describe", watched)
    files = [(file.name, file.read_bytes(), "image/png") for file in (photos["chelsea"], photos["rocket"])]
    page.file_uploader[0].set_value(files).run()
    drawn.set()
    finish(page)
    assert held == [(list(names), []), (["rocket.jpg"], [])]
    assert uploads() == ([], [])


def test_a_photo_is_captioned_even_if_the_browser_deletes_its_upload_meanwhile(
    page: AppTest, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted(*arguments: object) -> object:
        for manager in gc.get_objects():
            if type(manager) is MemoryUploadedFileManager:
                manager.file_storage.clear()
        return describe(*arguments)  # type: ignore[arg-type]

    describe = work.describe
    monkeypatch.setattr(work, "describe", deleted)
    bring(page, photos["chelsea"], photos["rocket"])
    assert [tile["name"] for tile in tiles(page)] == ["chelsea.png", "rocket.jpg"]
    assert album(page)["refused"] == []


def test_what_is_no_photo_is_named_and_the_others_go_on(
    page: AppTest, photos: dict[str, Path], model: captioner.Captioner
) -> None:
    bring(
        page,
        (HOSTILE, b"no photo"),
        photos["chelsea"],
        ("empty.jpg", b""),
        photos["rocket"],
        ("invoice.pdf", b"%PDF-1.7"),
    )
    refused = {one["name"]: one["reason"] for one in album(page)["refused"]}
    assert list(refused) == [HOSTILE, "empty.jpg", "invoice.pdf"]
    assert refused["empty.jpg"] == "The file is empty. Download or copy it again."
    assert refused["invoice.pdf"] == "This is a PDF, not a photo."
    assert [tile["text"] for tile in tiles(page)] == [
        model.caption(photos[name]).text for name in ("chelsea", "rocket")
    ]
    assert_no_markdown(page)
    order(page, "dismiss")
    assert album(page)["refused"] == []


def assert_no_markdown(page: AppTest) -> None:
    """Text that is rendered as Markdown or HTML never contains file names or captions."""
    for kind in (page.markdown, page.caption, page.error, page.subheader, page.button):
        assert not [element for element in kind if "example.org" in str(element)]
    component = page.get("bidi_component")[0].proto
    assert "example.org" not in component.html_content + component.js_content + component.css_content


def test_no_caption_of_a_hostile_name_passes_through_markdown(page: AppTest, photos: dict[str, Path]) -> None:
    bring(page, (HOSTILE, photos["chelsea"].read_bytes()))
    order(page, "write", 1, HOSTILE)
    assert (tiles(page)[0]["name"], tiles(page)[0]["text"]) == (HOSTILE, HOSTILE)
    assert_no_markdown(page)


def test_an_edit_is_kept_and_the_models_words_come_back(captioned: AppTest) -> None:
    models_words = tiles(captioned)[0]["text"]
    order(captioned, "write", 1, "A cat looks at you.")
    (tile,) = tiles(captioned)
    assert (tile["text"], tile["original"], tile["word"]) == ("A cat looks at you.", models_words, "Edited by you")
    assert (tile["check"], tile["edited"]) == (False, True)
    order(captioned, "write", 1, "")
    assert (tiles(captioned)[0]["text"], tiles(captioned)[0]["original"]) == (models_words, None)


def test_a_suggestion_that_is_chosen_is_not_called_the_visitors_words(captioned: AppTest) -> None:
    second = tiles(captioned)[0]["others"][0]
    order(captioned, "choose", 1, second)
    assert (tiles(captioned)[0]["text"], tiles(captioned)[0]["word"]) == (second, "Chosen by you")


def test_saving_the_models_words_unchanged_confirms_them(captioned: AppTest) -> None:
    (tile,) = tiles(captioned)
    order(captioned, "write", 1, tile["text"])
    assert (tiles(captioned)[0]["word"], tiles(captioned)[0]["check"]) == ("Chosen by you", False)


def test_a_long_caption_is_hinted_at(captioned: AppTest) -> None:
    assert tiles(captioned)[0]["hint"] is None
    order(captioned, "write", 1, "A cat " * 30)
    assert "179 characters" in tiles(captioned)[0]["hint"]


def test_the_covering_test_is_made_when_asked_for(captioned: AppTest) -> None:
    assert not tiles(captioned)[0]["explained"]
    order(captioned, "explain", 1)
    (tile,) = tiles(captioned)
    assert tile["explained"]
    assert tile["area"] is None or all(0 <= share <= 1 for share in tile["area"])


def test_an_order_is_obeyed_once_however_often_it_comes(captioned: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = captioned.session_state.visit
    orders = [{"number": number, "what": "write", "key": 1, "text": text} for number, text in ((2, "B."), (1, "A."))]
    monkeypatch.setattr(album_module.st, "session_state", _State(album={"orders": orders}))
    album_module._handle(visit)
    assert visit.state().photos[1].text == "B."
    visit.write(1, "C.")
    album_module._handle(visit)
    assert visit.state().photos[1].text == "C."


class _State(dict):  # type: ignore[type-arg]
    """A minimal session state; Streamlit's own exists only while a page runs."""

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value


def test_a_file_that_is_too_big_to_come_here_is_named(page: AppTest) -> None:
    order(page, "big", 0, HOSTILE)
    (refused,) = album(page)["refused"]
    assert refused["name"] == HOSTILE
    assert refused["reason"].startswith("The file is larger than ")


def test_a_failed_upload_is_named(page: AppTest) -> None:
    order(page, "failed", 0, HOSTILE)
    assert album(page)["refused"] == [{"name": HOSTILE, "reason": "The upload failed. Add the photo again."}]


def test_only_the_uploaders_own_deliveries_are_told_to_the_browser(page: AppTest, photos: dict[str, Path]) -> None:
    assert album(page)["turn"] == 0
    finish(press(page, "A rocket"))
    assert album(page)["turn"] == 0  # uploads in progress have not arrived
    bring(page, photos["chelsea"])
    assert album(page)["turn"] == 1


def test_an_unknown_order_or_photo_does_no_harm(captioned: AppTest) -> None:
    before = tiles(captioned)
    for what in ("write", "choose", "explain", "remove", "nonsense", "copied"):
        order(captioned, what, 99, "x")
    assert tiles(captioned) == before


def test_deleted_photos_can_be_brought_back(page: AppTest, photos: dict[str, Path]) -> None:
    bring(page, photos["chelsea"], photos["rocket"])
    before = tiles(page)
    order(page, "remove", 1)
    assert [tile["name"] for tile in tiles(page)] == ["rocket.jpg"]
    assert album(page)["deleted"] == 1
    order(page, "restore")
    assert tiles(page) == before
    order(page, "remove all")
    assert (tiles(page), album(page)["deleted"]) == ([], 2)
    order(page, "restore")
    assert tiles(page) == before


def test_a_sample_can_be_tried(page: AppTest, photos: dict[str, Path], model: captioner.Captioner) -> None:
    press(page, "A rocket")
    finish(page)
    assert tiles(page)[0]["text"] == model.caption(photos["rocket"]).text


def test_one_sample_is_called_hard(page: AppTest) -> None:
    assert visit_photos.HARD_SAMPLE in visit_photos.samples()
    assert [caption.value for caption in page.caption].count("hard for the model") == 1


@pytest.mark.parametrize("way", ["Folder", "Camera"])
def test_the_other_ways_in(page: AppTest, photos: dict[str, Path], model: captioner.Captioner, way: str) -> None:
    page.button_group[0].set_value(way).run()
    content = photos["rocket"].read_bytes()
    if way == "Folder":
        assert page.file_uploader[0].accept_directory
        page.file_uploader[0].set_value([("holiday/rocket.jpg", content, "image/jpeg")]).run()
    else:
        page.camera_input[0].set_value(("camera.jpg", content, "image/jpeg")).run()
    finish(page)
    assert tiles(page)[0]["text"] == model.caption(photos["rocket"]).text


def test_a_visit_has_its_limits(page: AppTest, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "MAX_FILES", 1)
    bring(page, photos["chelsea"], photos["rocket"])
    (refused,) = album(page)["refused"]
    assert refused["name"] == "rocket.jpg"
    assert "limit is 1 photos" in refused["reason"]


def test_captions_are_offered_in_four_formats(captioned: AppTest) -> None:
    assert [one["label"] for one in album(captioned)["exports"]] == [
        "Download CSV",
        "Text files (ZIP)",
        "JSON Lines",
        "COCO results (JSON)",
    ]
    assert album(captioned)["unsaved"]
    for one in album(captioned)["exports"]:
        file = album_module.export(captioned.session_state.visit, one["name"])
        assert (file["name"], len(base64.b64decode(file["content"])) > 20) == (one["name"], True)
    captioned.run()
    assert not album(captioned)["unsaved"]


def test_what_goes_wrong_unexpectedly_is_told_in_plain_words(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(visits.Visit, "state", fail)
    page.run()
    assert not page.exception
    assert page.error[0].value.startswith("Something went wrong on this page.")
