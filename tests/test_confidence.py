"""Calibrated confidence: its signals, its fit, and its values for blank images."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import captioner
from captioner import checkpoint
from captioner.confidence import SIGNALS_OF_PICTURE, Calibration, Logistic, signals_of_picture, signals_of_search
from captioner.decoding import Hypothesis
from captioner.errors import ModelError
from captioner.evaluation.reliability import close_to_people, expected_calibration_error, roc_area
from captioner.images import to_pixels
from train.__main__ import main
from train.calibration import Measured, fit, fit_logistic
from train.photos.pictures import KINDS, draw_pictures


def test_a_picture_is_told_by_its_blocks_tones_and_neighbors(photos: dict[str, Path]) -> None:
    with Image.open(photos["coffee"]) as image:
        photo = signals_of_picture(to_pixels(image.convert("RGB"), 128))
    plain = signals_of_picture(np.full((64, 64, 3), 200, dtype=np.uint8))
    noise = signals_of_picture(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    assert plain == {"uniform": 1.0, "flat": 1.0, "common_tones": 1.0, "rough": 0.0}
    assert photo["flat"] < 0.5
    assert photo["common_tones"] < 0.5
    assert photo["rough"] < 0.3 < noise["rough"]


def test_a_sentence_is_told_by_its_probabilities_with_and_without_the_picture() -> None:
    sentence = Hypothesis((7, 8), -3.0, -2.0, finished=True, steps=(-0.5, -2.0, -0.5))
    assert signals_of_search(sentence, -6.0) == {
        "mean_log_prob": -1.0,
        "least_log_prob": -2.0,
        "tokens": 3.0,
        "gain": 1.0,
    }


def test_a_confidence_is_the_product_of_both_probabilities() -> None:
    close = Logistic(bias=0.0, weights={"gain": 2.0})
    calibration = Calibration(close=close, photo=Logistic(bias=0.0, weights={"flat": -1.0}))
    assert calibration.confidence({"gain": 0.0}, {"flat": 0.0}) == 0.25
    assert calibration.confidence({"gain": 1e6}, {"flat": -1e6}) == 1.0
    assert calibration.confidence({"gain": -1e6}, {"flat": 0.0}) == pytest.approx(0.0)


def test_an_unknown_signal_is_refused(small_checkpoint: Path) -> None:
    path = small_checkpoint / "config.json"
    config = json.loads(path.read_text())
    config["confidence"] = {
        "close": {"bias": 0.0, "weights": {"mood": 1.0}},
        "photo": {"bias": 0.0, "weights": {}},
    }
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"config\.json: confidence: .*unknown signal 'mood'; known: mean_log_prob"):
        checkpoint.read(small_checkpoint)


def test_close_is_what_scores_as_the_lowest_quarter_of_people_do() -> None:
    people = [
        [f"a {thing} on a table".split(), f"a {thing} lies on the table".split()]
        for thing in ["cup", "pen", "hat", "key"]
    ]
    same = [photo[0] for photo in people]
    other = [*same[:2], ["nothing", "of", "the", "kind"], []]
    assert close_to_people(people, same).tolist() == [True] * 4
    assert close_to_people(people, other).tolist() == [True, True, False, False]


def test_calibration_error_and_roc_area_of_known_cases() -> None:
    right = [True] * 60 + [False] * 40
    assert expected_calibration_error([0.6] * 100, right * 1) == pytest.approx(0.48)  # bins of one kind
    assert expected_calibration_error([1.0] * 60 + [0.0] * 40, right) == 0
    assert roc_area([1.0] * 60 + [0.0] * 40, right) == 1
    assert roc_area([0.5] * 100, right) == 0.5
    assert roc_area([0.5], [True]) is None


def test_the_fit_finds_the_probabilities_that_labels_were_drawn_with() -> None:
    chance = np.random.default_rng(0)
    signals = chance.normal(3, 2, (20_000, 2))
    odds = 1.5 * signals[:, 0] - 0.5 * signals[:, 1] - 3
    labels = chance.random(20_000) < 1 / (1 + np.exp(-odds))
    found = fit_logistic(signals, labels, np.ones(20_000), ["first", "second"])
    said = [found.probability({"first": first, "second": second}) for first, second in signals[:1000]]
    assert np.abs(np.array(said) - 1 / (1 + np.exp(-odds[:1000]))).mean() < 0.03


def test_cross_validation_measures_what_was_fitted() -> None:
    chance = np.random.default_rng(1)
    search = np.stack([chance.normal(size=600), chance.normal(size=600), np.ones(600), chance.normal(size=600)], 1)
    close = chance.random(600) < 1 / (1 + np.exp(-2 * search[:, 3]))
    picture = chance.normal(0, 0.1, (600, len(SIGNALS_OF_PICTURE)))
    found = fit([Measured(search, picture, close)], picture + 1)
    assert found.measured["photos"] == 600
    assert found.measured["auc"] > 0.75
    assert found.measured["auc_before"] < 0.6
    assert found.measured["ece"] < 0.1


def test_every_kind_of_picture_that_is_no_photo_is_drawn() -> None:
    sizes = {picture.size for picture in draw_pictures(seed=3)}
    assert sizes == {(640, 480)}
    assert len(KINDS) >= 7


def test_a_checkpoint_is_calibrated_in_place(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(run / "best", model)
    arguments = ["calibrate", str(model), "--data", str(data), "--cache", str(data / "cache")]
    assert main(arguments) == 0
    assert "ece" in capsys.readouterr().out
    before, after = checkpoint.read(run / "best"), checkpoint.read(model)
    assert before.calibration is None
    assert after.calibration is not None
    assert (after.config, after.scores, after.decoding) == (before.config, before.scores, before.decoding)
    assert 0 <= captioner.load(model, device="cpu").caption(data / "images" / "coffee-1.png").confidence <= 1


def test_pictures_that_show_nothing_get_a_low_confidence(photos: dict[str, Path]) -> None:
    model = captioner.load(device="cpu")
    assert model.checkpoint.calibration
    chart = Image.new("RGB", (800, 600), "white")
    pen = ImageDraw.Draw(chart)
    for bar, color in enumerate(("red", "green", "blue", "orange", "purple")):
        pen.rectangle((60 + 90 * bar, 100 + 60 * bar, 120 + 90 * bar, 560), fill=color)
    pictures = [chart, *(Image.new("RGB", (640, 480), color) for color in ("white", "pink", "#203040"))]
    nothing = [caption.confidence for caption in model.caption_batch(pictures)]
    real = [caption.confidence for caption in model.caption_batch(photos.values())]
    assert max(nothing) < 0.1
    assert max(nothing) < min(real)
