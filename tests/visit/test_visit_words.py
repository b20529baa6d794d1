"""What the page says about a caption: confidence in words, uncertain words, and the area that matters."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import captioner
from captioner import CaptionerError, ImageError
from captioner.images import open_image
from captioner.predict import TokenGuess
from captioner.visit import certainty as words
from captioner.visit.certainty import LOOKS_RIGHT, PLEASE_CHECK, Certainty, certainty, explanation
from captioner.visit.covering import area_of, cover
from captioner.visit.doubts import differ, doubts
from captioner.visit.refusals import reason
from tests.image_files import encode
from tests.visits import caption, photo


@pytest.mark.parametrize(
    ("confidence", "word", "to_check"),
    [
        (1.0, Certainty.RIGHT, False),
        (LOOKS_RIGHT, Certainty.RIGHT, False),
        (LOOKS_RIGHT - 0.001, Certainty.CHECK, True),
        (PLEASE_CHECK, Certainty.CHECK, True),
        (PLEASE_CHECK - 0.001, Certainty.UNSURE, True),
        (0.0, Certainty.UNSURE, True),
    ],
)
def test_confidence_in_a_word(confidence: float, word: Certainty, to_check: bool) -> None:
    assert certainty(caption(confidence=confidence)) is word
    assert photo(confidence=confidence).to_check is to_check


def test_the_help_says_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MEASURED", None)
    assert "can still be wrong" in explanation(caption(confidence=LOOKS_RIGHT))
    monkeypatch.setattr(words, "MEASURED", (46, 50))
    assert "Of 50 captions like this one, people judged 46 right (92 %)." in explanation(
        caption(confidence=LOOKS_RIGHT)
    )


@pytest.mark.parametrize(
    ("confidence", "chance"),
    [(0.94, "about 9 in 10"), (0.47, "about 5 in 10"), (0.26, "about 3 in 10"), (0.24, "less than 1 in 4")],
)
def test_the_help_agrees_with_the_calibrated_confidence(confidence: float, chance: str) -> None:
    assert explanation(caption(confidence=confidence)).endswith(f": {chance}.")


def photo_bytes(size: tuple[int, int]) -> bytes:
    return encode(Image.effect_noise(size, 90), "PNG")


def guess(probability: float, **others: float) -> TokenGuess:
    return TokenGuess(log_prob=math.log(probability), others=tuple(others.items()))


def test_doubtful_words_are_the_least_probable_that_carry_something() -> None:
    found = doubts(
        caption(
            "An orange dog runs on sand.",
            tokens=("an", "orange", "dog", "runs", "on", "sand"),
            guesses=(
                guess(0.1),
                guess(0.3, white=0.4, the=0.2),
                guess(0.2, cat=0.3),
                guess(0.9),
                guess(0.1),
                guess(0.5),
            ),
        )
    )
    assert [(one.start, one.end) for one in found] == [(3, 9), (10, 13)]
    assert found[0].others == {"white": "A white dog runs on sand."}
    assert found[1].others == {"cat": "An orange cat runs on sand."}


def test_a_doubtful_first_word_keeps_its_capital_and_a_repeated_one_is_passed_over() -> None:
    found = doubts(
        caption(
            "Dogs chase other dogs.",
            tokens=("dogs", "chase", "other", "dogs"),
            guesses=(guess(0.1), guess(0.1, watch=0.5), guess(0.9), guess(0.1)),
        )
    )
    assert [one.others for one in found] == [{"watch": "Dogs watch other dogs."}]
    first = doubts(caption("Dogs run.", tokens=("dogs", "run"), guesses=(guess(0.1, cats=0.5), guess(0.9))))
    assert first[0].others == {"cats": "Cats run."}
    assert doubts(caption()) == []


def test_the_article_before_an_alternative_follows_its_sound() -> None:
    tokens = ("an", "apple", "lies", "there")
    words = guess(0.2, unicorn=0.3, hourglass=0.3)
    found = doubts(caption("An apple lies there.", tokens=tokens, guesses=(guess(0.9), words, guess(0.9), guess(0.9))))
    assert found[0].others == {"unicorn": "A unicorn lies there.", "hourglass": "An hourglass lies there."}


def test_the_models_own_probabilities_come_with_a_caption(photos: dict[str, Path]) -> None:
    found = captioner.load().caption(photos["chelsea"], attention=True)
    assert found.guesses is not None
    assert len(found.guesses) == len(found.tokens)
    assert found.log_prob < sum(one.log_prob for one in found.guesses) <= 0  # the end of the sentence is not a word
    for token, one in zip(found.tokens, found.guesses, strict=True):
        shares = [share for _, share in one.others]
        assert shares == sorted(shares, reverse=True)
        assert token not in [other for other, _ in one.others]
        assert math.exp(one.log_prob) + sum(shares) <= 1.001
    assert captioner.load().caption(photos["chelsea"]).guesses is None


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        ("A dog runs on sand.", "The dog is runs in the sand.", False),
        ("A dog runs on sand.", "A dog runs on grass.", True),
    ],
)
def test_suggestions_differ_in_more_than_small_words(one: str, other: str, different: bool) -> None:
    assert differ(one, other) is different


def drops(**cells: float) -> tuple[float, ...]:
    """A grid of small drops in probability, except in the named cells, such as r2c3."""
    grid = np.full((7, 7), 0.1)
    for cell, drop in cells.items():
        grid[int(cell[1]), int(cell[3])] = drop
    return tuple(grid.ravel().tolist())


def test_the_area_is_the_greatest_drop_and_neighbors_that_matter_as_much() -> None:
    assert area_of(drops(r2c3=2.0)) == pytest.approx((3 / 7, 2 / 7, 1 / 7, 1 / 7))
    assert area_of(drops(r2c3=2.0, r2c4=1.5)) == pytest.approx((3 / 7, 2 / 7, 2 / 7, 1 / 7))
    assert area_of(drops(r0c0=2.0, r1c0=1.9)) == pytest.approx((0, 0, 1 / 7, 2 / 7))


def test_no_area_stands_out_where_little_changes_or_everything_does() -> None:
    assert area_of(drops(r2c3=0.3)) is None
    assert area_of((2.0,) * 49) is None
    assert area_of((0.0,) * 49) is None


def test_covering_finds_what_the_caption_is_about() -> None:
    """A red spot on a uniform background: blurring any other area has no effect."""
    image = Image.new("RGB", (448, 448), (90, 140, 90))
    image.paste((250, 20, 20), (272, 144, 304, 176))  # within the cell of row 2, column 4
    data, model = encode(image, "PNG"), captioner.load()
    found = cover(model, data, model.caption(data).text)
    changed = np.abs(np.array(found.drops)).reshape(7, 7)
    assert np.unravel_index(changed.argmax(), changed.shape) == (2, 4)
    assert changed[6, 0] < 1e-4


@pytest.mark.parametrize(
    ("name", "problem", "sentence"),
    [
        (
            "invoice.pdf",
            ImageError("cannot read the image: it is not a photo in a known format"),
            "This is a PDF, not a photo.",
        ),
        (
            "a.jpg",
            ImageError("cannot read the image: it is empty (0 bytes); get it again"),
            "The file is empty. Download or copy it again.",
        ),
        (
            "a.jpg",
            ImageError("cannot read the image: it is damaged, incomplete or unreadable (image file is truncated)"),
            "The file is damaged or incomplete. Download or copy it again.",
        ),
        ("a.jpg", ImageError("cannot read the image: it has 2 × 2 pixels."), "It has 2 × 2 pixels."),
        ("a.jpg", CaptionerError("what happened."), "What happened."),
        (
            "a.jpg",
            ValueError("secret"),
            "An internal error occurred while captioning this photo. Other photos are not affected.",
        ),
    ],
)
def test_why_there_is_no_caption_in_a_sentence_for_people(name: str, problem: Exception, sentence: str) -> None:
    assert reason(problem, name) == sentence


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty. Download or copy it again."),
        (b"no photo", "The file format is not supported. Save the photo as JPEG or PNG."),
        (photo_bytes((64, 64))[:-200], "The file is damaged or incomplete. Download or copy it again."),
        (photo_bytes((70_000, 1)), "It has 70000 × 1 pixels, "),
    ],
    ids=["empty", "other format", "damaged", "too wide"],
)
def test_the_errors_of_the_image_reader_are_recognized(content: bytes, sentence: str) -> None:
    with pytest.raises(ImageError) as problem:
        open_image(content)
    assert reason(problem.value, "a.jpg").startswith(sentence)
