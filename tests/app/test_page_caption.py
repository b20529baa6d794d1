"""The web page, driven without a browser."""

import base64
import gc
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFile
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

import captioner
from captioner.visit import photos as visit_photos
from captioner.visit import visit as visits
from captioner.visit import work
from captioner.visit.certainty import certainty

MAIN = Path(__file__).parents[2] / "app" / "main.py"
sys.path.append(str(MAIN.parent))  # as `streamlit run` does

import album as album_module  # noqa: E402
from album import obey  # noqa: E402

HOSTILE = "![x](http://example.org/y.png).jpg"


@pytest.fixture(scope="module")
def model() -> captioner.Captioner:
    return captioner.load()


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(MAIN), default_timeout=120).run()


@pytest.fixture
def captioned(page: AppTest, photos: dict[str, Path]) -> AppTest:
    return bring(page, photos["chelsea"])


def bring(page: AppTest, *files: Path | tuple[str, bytes]) -> AppTest:
    """Upload files by their paths, or by name and content, and wait for their captions."""
    named = [(file.name, file.read_bytes()) if isinstance(file, Path) else file for file in files]
    page.file_uploader[0].set_value([(name, content, "image/jpeg") for name, content in named]).run()
    return finish(page)


def finish(page: AppTest) -> AppTest:
    """Wait until the visit's work is done, and draw it."""
    end = time.monotonic() + 60
    while page.session_state.visit.state().busy:
        assert time.monotonic() < end
        time.sleep(0.02)
    page.run()
    assert not page.exception
    return page


def order(page: AppTest, what: str, key: int = 0, text: str = "") -> AppTest:
    """Ask for something as the album does, and wait for it."""
    obey(page.session_state.visit, what, key, text)
    return finish(page)


def album(page: AppTest) -> dict[str, Any]:
    """What the album draws."""
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


def test_the_page_opens(page: AppTest) -> None:
    assert not page.exception
    assert page.title[0].value == "Caption your photos"
    assert [markdown.value for markdown in page.markdown] == [
        "Add photos and get a one-sentence caption for each. It makes mistakes, so check before you share."
    ]
    assert tiles(page) == []


def test_a_photo_gets_the_librarys_caption(
    captioned: AppTest, photos: dict[str, Path], model: captioner.Captioner
) -> None:
    (tile,) = tiles(captioned)
    assert (tile["name"], tile["text"]) == ("chelsea.png", model.caption(photos["chelsea"]).text)
    assert tile["picture"].endswith(".jpg")
    assert album(captioned)["status"] is None


def test_another_language_acts_at_once_on_all_photos(
    page: AppTest, photos: dict[str, Path], model: captioner.Captioner
) -> None:
    assert box(page, "Captions in").options == ["English", "Deutsch", "Français", "Čeština"]
    bring(page, photos["chelsea"], photos["rocket"])
    box(page, "Captions in").set_value("Deutsch").run()
    finish(page)
    kept = [visit_photos.small_copy(photos[name], 1000) for name in ("chelsea", "rocket")]  # what the page still has
    expected = [model.caption(picture, language="de") for picture in kept]
    assert [tile["text"] for tile in tiles(page)] == [caption.text for caption in expected]
    assert [tile["english"] for tile in tiles(page)] == [caption.source for caption in expected]
    order(page, "explain", 2)
    assert [bool(tile["translation"]) for tile in tiles(page)] == [False, True]
    box(page, "Captions in").set_value("English").run()
    finish(page)
    assert [tile["text"] for tile in tiles(page)] == [model.caption(picture).text for picture in kept]
    assert [tile["english"] for tile in tiles(page)] == [None, None]


def test_a_canceled_redo_puts_the_language_back(
    page: AppTest, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(page, photos["chelsea"])
    before = tiles(page)
    go, again = threading.Event(), work.describe_again
    monkeypatch.setattr(work, "describe_again", lambda *arguments: go.wait(60) and again(*arguments))
    box(page, "Captions in").set_value("Deutsch").run()
    assert album(page)["status"]["text"] == "Redoing captions in Deutsch: 1 of 1"
    obey(page.session_state.visit, "cancel", 0, "")
    go.set()
    finish(page)
    assert box(page, "Captions in").value == "English"
    assert tiles(page) == before


def test_a_language_and_settings_survive_a_visit_to_another_page(page: AppTest, photos: dict[str, Path]) -> None:
    box(page, "Captions in").set_value("Deutsch").run()
    next(slider for slider in page.slider if slider.label == "Suggestions per photo").set_value(5).run()
    page.switch_page("page_about.py").run()
    page.switch_page("page_caption.py").run()
    assert box(page, "Captions in").value == "Deutsch"
    assert next(slider for slider in page.slider if slider.label == "Suggestions per photo").value == 5
    bring(page, photos["rocket"])
    assert tiles(page)[0]["english"]


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
        """The names of the files that Streamlit keeps, and of the copies that widgets gave."""
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
    assert refused["empty.jpg"] == "The file is empty."
    assert refused["invoice.pdf"] == "This is a PDF, not a photo."
    assert [tile["text"] for tile in tiles(page)] == [
        model.caption(photos[name]).text for name in ("chelsea", "rocket")
    ]
    assert_no_markdown(page)
    order(page, "dismiss")
    assert album(page)["refused"] == []


def assert_no_markdown(page: AppTest) -> None:
    """Nothing that passes through markdown or HTML holds what a stranger wrote."""
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
    assert (tile["text"], tile["original"], tile["word"]) == ("A cat looks at you.", models_words, "Your words")
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
    """As much of Streamlit's session state as orders need; the real one exists only while a page is drawn."""

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value


def test_a_file_that_is_too_big_to_come_here_is_named(page: AppTest) -> None:
    order(page, "big", 0, HOSTILE)
    (refused,) = album(page)["refused"]
    assert refused["name"] == HOSTILE
    assert refused["reason"].startswith("The file is bigger than ")


def test_a_failed_upload_is_named(page: AppTest) -> None:
    order(page, "failed", 0, HOSTILE)
    assert album(page)["refused"] == [{"name": HOSTILE, "reason": "The upload failed. Add the photo again."}]


def test_only_the_uploaders_own_deliveries_are_told_to_the_browser(page: AppTest, photos: dict[str, Path]) -> None:
    assert album(page)["turn"] == 0
    finish(press(page, "A rocket"))
    assert album(page)["turn"] == 0  # what is being uploaded at that time has not arrived
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
    assert [caption.value for caption in page.caption].count("a hard one") == 1


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
    assert "room for 1 photos" in refused["reason"]


def test_settings_change_the_next_search_and_the_photos_again_on_demand(captioned: AppTest) -> None:
    def found() -> int:
        (photo,) = captioned.session_state.visit.state().photos.values()
        return len(photo.caption.alternatives)

    assert found() == 3
    next(slider for slider in captioned.slider if slider.label == "Suggestions per photo").set_value(5).run()
    assert found() == 3
    press(captioned, "Redo all captions")
    finish(captioned)
    assert found() == 5


def test_captions_are_offered_in_four_formats(captioned: AppTest) -> None:
    assert [one["label"] for one in album(captioned)["exports"]] == [
        "Download captions",
        "Text files (ZIP)",
        "JSON lines",
        "COCO results",
    ]
    assert album(captioned)["unsaved"]
    for one in album(captioned)["exports"]:
        file = album_module.export(captioned.session_state.visit, one["name"])
        assert (file["name"], len(base64.b64decode(file["content"])) > 20) == (one["name"], True)
    captioned.run()
    assert not album(captioned)["unsaved"]


@pytest.fixture
def other_models(small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (small_checkpoint / "README.md").write_text("![a card](http://example.org/y.png)", encoding="utf-8")
    monkeypatch.setenv("CAPTIONER_MODELS", os.pathsep.join(map(str, (small_checkpoint, broken))))


def test_models_of_the_environment_can_be_chosen(other_models: None, page: AppTest, photos: dict[str, Path]) -> None:
    assert box(page, "Model").options == ["photo-en", "small", "broken"]
    box(page, "Model").set_value("small").run()
    bring(page, photos["chelsea"])
    assert set(tiles(page)[0]["text"].lower().strip(".").split()) <= {
        "a",
        "man",
        "dog",
        "on",
        "beach",
        "the",
        "'s",
        "hat",
        "man's",
    }


def test_a_model_that_is_none_is_told(other_models: None, page: AppTest) -> None:
    box(page, "Model").set_value("broken").run()
    assert not page.exception
    assert page.error[0].value == "The model cannot be used."
    assert "config.json: the file is missing" in texts(page)[0]


def test_photos_stay_when_another_model_cannot_be_used(
    other_models: None, page: AppTest, photos: dict[str, Path]
) -> None:
    bring(page, photos["chelsea"])
    before = tiles(page)
    box(page, "Model").set_value("broken").run()
    assert page.error[0].value == "The model cannot be used."
    assert tiles(page) == before


def test_what_goes_wrong_unexpectedly_is_told_in_plain_words(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(visits.Visit, "state", fail)
    page.run()
    assert not page.exception
    assert page.error[0].value.startswith("Something went wrong on this page.")


def test_the_card_is_shown_and_that_of_a_model_from_elsewhere_as_plain_text(other_models: None, page: AppTest) -> None:
    page.switch_page("page_about.py").run()
    assert not page.exception
    assert "What it gets wrong" in page.markdown[0].value
    assert "```" not in page.markdown[0].value
    box(page, "Model").set_value("small").run()
    assert texts(page) == ["![a card](http://example.org/y.png)"]
    assert not [markdown for markdown in page.markdown if "example.org" in markdown.value]
    box(page, "Model").set_value("broken").run()
    assert page.error[0].value == "The model cannot be read."


# ------------------------------------------------------------------------------------------------------------ evaluatio


def evaluate(page: AppTest, annotations: object, results: object) -> AppTest:
    page.switch_page("page_evaluate.py").run()
    for uploader, name, data in zip(
        page.file_uploader, ("annotations", "results"), (annotations, results), strict=True
    ):
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        uploader.set_value((f"{name}.json", content, "application/json"))
    page.run()
    assert not page.exception
    return page


ANNOTATIONS = {
    "images": [{"id": number, "file_name": f"{number}.jpg"} for number in range(4)],
    "annotations": [{"image_id": number, "caption": f"a dog runs on beach number {number}"} for number in range(4)],
}
RESULTS = [{"image_id": number, "caption": f"a dog runs on beach number {2 * number}"} for number in range(3)]


def test_scores_intervals_histogram_best_and_worst(page: AppTest) -> None:
    evaluate(page, ANNOTATIONS, [*RESULTS, {"image_id": 3, "caption": "![x](http://example.org/y.png)"}])
    assert page.subheader[0].value == "Scores of 4 captions"
    assert list(page.table[0].value["measure"]) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"]
    assert all(" to " in interval for interval in page.table[0].value["95 % interval"])
    assert alts(page) == ["How many photos have which CIDEr"]
    assert [subheader.value for subheader in page.subheader[1:]] == ["The best captions", "The worst captions"]
    assert "annotations.json and results.json" in texts(page)
    assert "a dog runs on beach number 0" in texts(page)
    assert not [markdown for markdown in page.markdown if "example.org" in markdown.value]


def test_missing_results_are_told_and_can_be_left_out(page: AppTest) -> None:
    evaluate(page, ANNOTATIONS, RESULTS)
    assert page.error[0].value == "These files cannot be scored."
    assert "1 photo (the first: '3') of 4 without results" in texts(page)[0]
    page.checkbox[0].check().run()
    assert page.subheader[0].value == "Scores of 3 captions"


def test_scores_outlive_a_visit_to_another_page(page: AppTest) -> None:
    evaluate(page, ANNOTATIONS, [*RESULTS, {"image_id": 3, "caption": "a dog"}])
    page.switch_page("page_caption.py").run()
    page.switch_page("page_evaluate.py").run()
    assert page.subheader[0].value == "Scores of 4 captions"


@pytest.mark.parametrize("results", [b"", b"\xff\xfe", b"{}", b"[1]", [], [{"image_id": 1}]])
def test_a_wrong_results_file_is_one_sentence(page: AppTest, results: object) -> None:
    evaluate(page, ANNOTATIONS, results)
    assert page.error[0].value == "These files cannot be scored."
    assert texts(page)[0].startswith("The results file")
