"""The page's languages, settings, and models, and the page "About the model", driven without a browser."""

import os
import threading
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import captioner
from captioner.visit import photos as visit_photos
from captioner.visit import work
from tests.app.pages import album, box, bring, finish, obey, order, press, texts, tiles


def test_another_language_acts_at_once_on_all_photos(
    page: AppTest, photos: dict[str, Path], model: captioner.Captioner
) -> None:
    assert box(page, "Caption language").options == ["English", "Deutsch", "Français", "Čeština"]
    bring(page, photos["chelsea"], photos["rocket"])
    box(page, "Caption language").set_value("Deutsch").run()
    finish(page)
    kept = [visit_photos.small_copy(photos[name], 1000) for name in ("chelsea", "rocket")]  # what the page still offers
    expected = [model.caption(picture, language="de") for picture in kept]
    assert [tile["text"] for tile in tiles(page)] == [caption.text for caption in expected]
    assert [tile["english"] for tile in tiles(page)] == [caption.source for caption in expected]
    order(page, "explain", 2)
    assert [bool(tile["translation"]) for tile in tiles(page)] == [False, True]
    box(page, "Caption language").set_value("English").run()
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
    box(page, "Caption language").set_value("Deutsch").run()
    assert album(page)["status"]["text"] == "Redoing captions in Deutsch: 1 of 1"
    obey(page.session_state.visit, "cancel", 0, "")
    go.set()
    finish(page)
    assert box(page, "Caption language").value == "English"
    assert tiles(page) == before


def test_a_language_and_settings_survive_a_visit_to_another_page(page: AppTest, photos: dict[str, Path]) -> None:
    box(page, "Caption language").set_value("Deutsch").run()
    next(slider for slider in page.slider if slider.label == "Suggestions per photo").set_value(5).run()
    page.switch_page("page_about.py").run()
    page.switch_page("page_caption.py").run()
    assert box(page, "Caption language").value == "Deutsch"
    assert next(slider for slider in page.slider if slider.label == "Suggestions per photo").value == 5
    bring(page, photos["rocket"])
    assert tiles(page)[0]["english"]


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
    assert page.error[0].value == "The model could not be loaded."
    assert "config.json: the file is missing" in texts(page)[0]


def test_photos_stay_when_another_model_cannot_be_used(
    other_models: None, page: AppTest, photos: dict[str, Path]
) -> None:
    bring(page, photos["chelsea"])
    before = tiles(page)
    box(page, "Model").set_value("broken").run()
    assert page.error[0].value == "The model could not be loaded."
    assert tiles(page) == before


def test_the_card_is_shown_and_that_of_a_model_from_elsewhere_as_plain_text(other_models: None, page: AppTest) -> None:
    page.switch_page("page_about.py").run()
    assert not page.exception
    assert "What it gets wrong" in page.markdown[0].value
    assert "```" not in page.markdown[0].value
    box(page, "Model").set_value("small").run()
    assert texts(page) == ["![a card](http://example.org/y.png)"]
    assert not [markdown for markdown in page.markdown if "example.org" in markdown.value]
    box(page, "Model").set_value("broken").run()
    assert page.error[0].value == "The model could not be loaded."
