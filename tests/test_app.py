"""The web page, driven without a browser."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

MAIN = Path(__file__).parent.parent / "app" / "main.py"


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(MAIN), default_timeout=60).run()


def test_the_page_opens(page: AppTest) -> None:
    assert not page.exception
    assert page.title[0].value == "What is in your photo?"
    assert not page.markdown  # no stray string of the script's


def test_a_photo_gets_its_caption(page: AppTest, photos: dict[str, Path]) -> None:
    page.file_uploader[0].set_value([("cat.png", photos["chelsea"].read_bytes(), "image/png")]).run()
    assert not page.exception
    assert page.text[0].value.endswith(".")
    assert len(page.text[0].value.split()) >= 4


def test_a_broken_file_is_told_in_plain_text_and_the_others_go_on(page: AppTest, photos: dict[str, Path]) -> None:
    name = "![x](http://example.org/y.png).jpg"
    page.file_uploader[0].set_value(
        [(name, b"no photo", "image/jpeg"), ("cat.png", photos["chelsea"].read_bytes(), "image/png")]
    ).run()
    assert not page.exception
    assert page.error[0].value == "This file cannot be captioned."
    assert page.text[0].value.startswith(name)
    assert page.text[1].value.endswith(".")
    assert not [markdown for markdown in page.markdown if "example.org" in markdown.value]
