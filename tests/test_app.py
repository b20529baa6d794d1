"""The web page, driven without a browser."""

import gc
import json
import os
from pathlib import Path

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFile
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

import captioner
from captioner.visit import photos as visit_photos

MAIN = Path(__file__).parent.parent / "app" / "main.py"
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
    """Upload files by their paths, or by name and content."""
    named = [(file.name, file.read_bytes()) if isinstance(file, Path) else file for file in files]
    page.file_uploader[0].set_value([(name, content, "image/jpeg") for name, content in named]).run()
    assert not page.exception
    return page


def texts(page: AppTest) -> list[str]:
    return [text.value for text in page.text]


def alts(page: AppTest) -> list[str]:
    return [image.alt for element in page.get("image") for image in element.proto.imgs]


def box(page: AppTest, label: str) -> Selectbox:
    return next(one for one in page.selectbox if one.label == label)


def press(page: AppTest, label: str, *, nth: int = 0) -> AppTest:
    next(button for number, button in enumerate(b for b in page.button if b.label == label) if number == nth).click()
    page.run()
    assert not page.exception
    return page


def test_the_page_opens(page: AppTest) -> None:
    assert not page.exception
    assert page.title[0].value == "What is in your photo?"
    assert [markdown.value for markdown in page.markdown] == [
        "Each photo gets a sentence. Check it, change it, take it home."
    ]


def test_a_photo_gets_the_librarys_caption_which_is_its_alternative_text(
    captioned: AppTest, photos: dict[str, Path], model: captioner.Captioner
) -> None:
    expected = model.caption(photos["chelsea"]).text
    assert texts(captioned)[0] == expected
    assert alts(captioned)[0] == expected


def test_captions_come_in_the_language_that_was_chosen(
    page: AppTest, photos: dict[str, Path], model: captioner.Captioner
) -> None:
    assert box(page, "Language").options == ["English", "Deutsch", "Français", "Čeština"]
    box(page, "Language").set_value("Deutsch").run()
    bring(page, photos["chelsea"])
    expected = model.caption(photos["chelsea"], language="de")
    assert texts(page)[0] == alts(page)[0] == expected.text
    assert expected.source in texts(page)
    assert any(alt.startswith("A table: darker where the translator looked") for alt in alts(page))
    assert "How it was translated" in [header.value for header in page.subheader]
    box(page, "Language").set_value("English").run()
    press(page, "Describe all photos again")
    kept = visit_photos.small_copy(photos["chelsea"], visit_photos._SHOWN)  # what the page still has of it
    assert texts(page)[0] == model.caption(kept).text
    assert "How it was translated" not in [header.value for header in page.subheader]


def test_confidence_is_worded_and_its_number_beside_it(
    captioned: AppTest, photos: dict[str, Path], model: captioner.Captioner
) -> None:
    confidence = model.caption(photos["chelsea"]).confidence
    badge = f"{visit_photos.certainty(confidence)} · {confidence:.2f}"
    assert [markdown for markdown in captioned.markdown if badge in markdown.value]


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
        held.append(uploads())
        return describe(*arguments)  # type: ignore[arg-type]

    describe = visit_photos.describe
    monkeypatch.setattr(visit_photos, "describe", watched)
    bring(page, *(photos[Path(name).stem] for name in names))
    assert held == [(list(names), []), (["rocket.jpg"], [])]
    assert uploads() == ([], [])
    assert page.session_state.waiting == []


def test_a_broken_file_is_told_in_plain_text_and_the_others_go_on(
    page: AppTest, photos: dict[str, Path], model: captioner.Captioner
) -> None:
    bring(page, (HOSTILE, b"no photo"), photos["chelsea"], ("empty.jpg", b""), photos["rocket"])
    assert page.error[0].value == "No caption for 2 files."
    assert [text for text in texts(page) if text.startswith(f"{HOSTILE}: cannot read")]
    for name in ("chelsea", "rocket"):
        assert model.caption(photos[name]).text in texts(page)
    for kind in (page.markdown, page.caption, page.error, page.subheader, page.button):
        assert not [element for element in kind if "example.org" in str(element)]
    press(page, "Understood")
    assert not page.error


def test_no_caption_of_a_hostile_name_passes_through_markdown(page: AppTest, photos: dict[str, Path]) -> None:
    bring(page, (HOSTILE, photos["chelsea"].read_bytes()))
    page.text_area[0].set_value(HOSTILE)
    press(page, "Keep")
    assert texts(page)[0] == HOSTILE
    for kind in (page.markdown, page.caption, page.subheader, page.button):
        assert not [element for element in kind if "example.org" in str(element)]


def test_an_edit_is_kept_and_the_models_words_come_back(captioned: AppTest) -> None:
    models_words = texts(captioned)[0]
    captioned.text_area[0].set_value("A cat looks at you.")
    press(captioned, "Keep")
    assert texts(captioned)[:2] == ["A cat looks at you.", models_words]
    assert alts(captioned)[0] == "A cat looks at you."
    press(captioned, "Take the model's words back")
    assert texts(captioned)[0] == models_words


def test_a_next_best_caption_can_take_its_place(captioned: AppTest) -> None:
    second = texts(captioned)[1]
    press(captioned, "Use")
    assert texts(captioned)[0] == second


def test_a_long_caption_is_hinted_at(captioned: AppTest) -> None:
    assert not captioned.info
    captioned.text_area[0].set_value("A cat " * 30)
    press(captioned, "Keep")
    assert "179 characters" in captioned.info[0].value


def test_the_attention_is_stepped_through_word_by_word(captioned: AppTest) -> None:
    slider = next(slider for slider in captioned.slider if slider.label == "Word by word")
    seen = set()
    for number in range(1, int(slider.max) + 1):
        slider.set_value(number).run()
        assert not captioned.exception
        seen.add(alts(captioned)[1])
        slider = next(slider for slider in captioned.slider if slider.label == "Word by word")
    assert len(seen) >= 3
    assert all(alt.startswith("The photo, coloured where the model looked before it wrote “") for alt in seen)


def test_many_photos_fill_a_gallery_and_any_can_be_looked_at_closely(page: AppTest, photos: dict[str, Path]) -> None:
    bring(page, *(photos[name] for name in ("chelsea", "rocket", "coffee")))
    assert "Your 3 photos" in [subheader.value for subheader in page.subheader]
    tiles = alts(page)[2:]
    assert len(tiles) == 3
    press(page, "Look closer", nth=2)
    assert alts(page)[0] == tiles[2]


def test_a_sample_can_be_tried(page: AppTest, photos: dict[str, Path], model: captioner.Captioner) -> None:
    press(page, "A rocket")
    assert texts(page)[0] == model.caption(photos["rocket"]).text


@pytest.mark.parametrize("way", ["Folder", "Paste", "Camera"])
def test_the_other_ways_in(page: AppTest, photos: dict[str, Path], model: captioner.Captioner, way: str) -> None:
    page.button_group[0].set_value(way).run()
    content = photos["rocket"].read_bytes()
    if way == "Folder":
        assert page.file_uploader[0].accept_directory
        page.file_uploader[0].set_value([("holiday/rocket.jpg", content, "image/jpeg")]).run()
    elif way == "Paste":
        page.chat_input[0].upload("image.png", content, "image/png").run()
    else:
        page.camera_input[0].set_value(("camera.jpg", content, "image/jpeg")).run()
    assert not page.exception
    assert texts(page)[0] == model.caption(photos["rocket"]).text


def test_a_visit_has_its_limits(page: AppTest, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit_photos, "MAX_FILES", 1)
    bring(page, photos["chelsea"], photos["rocket"])
    assert "room for 1 photos" in next(text for text in texts(page) if text.startswith("rocket.jpg"))
    press(page, "Forget these photos")
    assert not alts(page)[5:]


def test_settings_change_the_next_search_and_the_photos_again_on_demand(captioned: AppTest) -> None:
    assert len([button for button in captioned.button if button.label == "Use"]) == 2
    next(slider for slider in captioned.slider if slider.label == "Captions to choose from").set_value(5).run()
    assert len([button for button in captioned.button if button.label == "Use"]) == 2
    press(captioned, "Describe all photos again")
    assert len([button for button in captioned.button if button.label == "Use"]) == 4


def test_captions_are_offered_in_four_formats(captioned: AppTest) -> None:
    assert [button.label for button in captioned.get("download_button")] == ["CSV", "ZIP", "JSON lines", "COCO"]


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
    assert set(texts(page)[0].lower().strip(".").split()) <= {
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


def test_the_card_is_shown_and_that_of_a_model_from_elsewhere_as_plain_text(other_models: None, page: AppTest) -> None:
    page.switch_page("page_about.py").run()
    assert not page.exception
    assert "What it gets wrong" in page.markdown[0].value
    box(page, "Model").set_value("small").run()
    assert texts(page) == ["![a card](http://example.org/y.png)"]
    assert not [markdown for markdown in page.markdown if "example.org" in markdown.value]
    box(page, "Model").set_value("broken").run()
    assert page.error[0].value == "The model cannot be read."


# ------------------------------------------------------------------------------------------------------------ evaluation


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
    assert "a dog runs on beach number 0" in texts(page)
    assert not [markdown for markdown in page.markdown if "example.org" in markdown.value]


def test_missing_results_are_told_and_can_be_left_out(page: AppTest) -> None:
    evaluate(page, ANNOTATIONS, RESULTS)
    assert page.error[0].value == "These files cannot be scored."
    assert texts(page)[0].startswith("1 photo")
    page.checkbox[0].check().run()
    assert page.subheader[0].value == "Scores of 3 captions"


@pytest.mark.parametrize("results", [b"", b"\xff\xfe", b"{}", b"[1]", [], [{"image_id": 1}]])
def test_a_wrong_results_file_is_one_sentence(page: AppTest, results: object) -> None:
    evaluate(page, ANNOTATIONS, results)
    assert page.error[0].value == "These files cannot be scored."
    assert texts(page)[0].startswith("The results file")
