"""The verb `evaluate`: what it prints and writes, and what it says when something is missing or wrong."""

import base64
import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from captioner.cli import main, predictions
from captioner.errors import CaptionerError, UsageError
from captioner.evaluation import official
from captioner.evaluation.scores import METRICS

CAPTIONS = {
    "astronaut": ["A woman in an orange space suit smiles.", "an astronaut in front of a flag"],
    "chelsea": ["A cat looks at the camera.", "a close-up of a tabby cat"],
    "coffee": ["A cup of coffee on a table.", "coffee in a white cup with a spoon"],
    "camera": ["A man with a camera stands on the grass.", "a photographer in a black coat"],
    "rocket": ["A rocket stands on its launch pad.", "a white rocket at night"],
}


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Annotations of five photos in COCO's format, ids 1 to 5."""
    names = {"rocket": "rocket.jpg"}
    data = {
        "images": [
            {"id": number, "file_name": names.get(name, f"{name}.png")} for number, name in enumerate(CAPTIONS, start=1)
        ],
        "annotations": [
            {"image_id": number, "caption": caption}
            for number, captions in enumerate(CAPTIONS.values(), start=1)
            for caption in captions
        ],
    }
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def images(tmp_path: Path, photos: dict[str, Path]) -> Path:
    """The five photos in a directory of their own."""
    directory = tmp_path / "images"
    directory.mkdir()
    for path in photos.values():
        shutil.copy(path, directory)
    return directory


@pytest.fixture
def evaluate(coco: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the verb on the annotations; gives the exit code, standard output and standard error."""

    def evaluate(*arguments: object) -> tuple[int, str, str]:
        code = main(["evaluate", "--annotations", str(coco), *map(str, arguments)])
        return code, *capsys.readouterr()

    return evaluate


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., Path]:
    """Writes a results file: the second caption of each photo, changed as told."""

    def results(changes: dict[int, str | None] | None = None, more: list[dict[str, object]] | None = None) -> Path:
        texts = {number: captions[1] for number, captions in enumerate(CAPTIONS.values(), start=1)} | (changes or {})
        data = [{"image_id": number, "caption": text} for number, text in texts.items() if text is not None]
        path = tmp_path / "results.json"
        path.write_text(json.dumps(data + (more or [])), encoding="utf-8")
        return path

    return results


# ---------------------------------------------------------------------------------------------------------- what is given


def test_table_and_json_say_the_same(evaluate: Any, results: Any) -> None:
    path = results({2: "a dog"})
    code, table, err = evaluate("--results", path)
    assert (code, err) == (0, "")
    figures = json.loads(evaluate("--results", path, "--format", "json")[1])
    assert list(figures)[:7] == [*METRICS, "images"]
    rows = {line.split()[0]: line.split() for line in table.splitlines()[1:]}
    assert list(rows) == list(METRICS)
    for name, row in rows.items():
        low, high = figures["confidence_intervals"][name]
        assert row[1:] == [f"{100 * figures[name]:.1f}", f"{100 * low:.1f}", "to", f"{100 * high:.1f}", "5"]
    assert figures["settings"]["results"] == str(path)
    assert figures["settings"]["photos_missing"] == 0


def test_the_model_writes_a_whole_report(
    evaluate: Any, images: Path, small_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, out = tmp_path / "deep" / "report", tmp_path / "out.json"
    model = ("--images", images, "--model", small_checkpoint, "--sweep-beams", "1,2,2")
    code, printed, err = evaluate(*model, "--report", report, "--results-out", out, "--format", "json")
    assert (code, err) == (0, "")
    names = {"report.html", "scores.json", "results.json", "per_image.csv", "cider_histogram.svg"}
    assert {path.name for path in report.iterdir()} == names
    figures = json.loads(printed)
    assert json.loads((report / "scores.json").read_text()) == figures
    assert json.loads((report / "results.json").read_text()) == json.loads(out.read_text())
    assert list(figures["beam_sizes"]) == ["1", "2"]
    assert figures["beam_sizes"]["2"]["CIDEr"] == figures["CIDEr"]  # the model's own beam size is 2
    assert figures["settings"]["decoding"]["beam_size"] == 2
    assert sum(group["photos"] for group in figures["confidence"]["groups"]) == 5
    page = (report / "report.html").read_text()
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == 3  # best, median and worst of five
    for picture in pictures:
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            assert max(image.size) == 320
    assert main(["evaluate", "--compare", str(report), str(report), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["wins"] == {"first": 0, "neither": 5, "second": 0}


def test_a_sweep_is_each_beam_size_alone(evaluate: Any, images: Path, small_checkpoint: Path) -> None:
    model = ("--images", images, "--model", small_checkpoint, "--format", "json")
    swept = json.loads(evaluate(*model, "--sweep-beams", "4,1")[1])["beam_sizes"]
    for size in ("1", "4"):
        alone = json.loads(evaluate(*model, "--beam-size", size)[1])
        assert {name: alone[name] for name in METRICS} == {name: swept[size][name] for name in METRICS}


def test_the_confidence_is_the_models_own(
    evaluate: Any, images: Path, small_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    assert evaluate("--images", images, "--model", small_checkpoint, "--report", report)[0] == 0
    paths = [str(images / "astronaut.png"), str(images / "rocket.jpg")]
    assert main(["caption", *paths, "--model", str(small_checkpoint), "--format", "jsonl"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rows = (report / "per_image.csv").read_text().splitlines()
    for row, record in zip((rows[1], rows[5]), records, strict=True):
        assert float(row.split(",")[3]) == pytest.approx(record["confidence"], abs=1e-4)
        assert row.split(",")[2] == record["caption"]


def test_a_report_on_results_shows_photos_where_there_are_any(
    evaluate: Any, results: Any, images: Path, tmp_path: Path
) -> None:
    (images / "coffee.png").unlink()
    (images / "camera.png").write_bytes(b"no photo")
    report = tmp_path / "report"
    for given, pictures in (((), 0), (("--images", images), 1)):
        changes = {1: "zzz", 2: "a cat", 3: "a cup of coffee on a table"}  # worst, median, best
        assert evaluate("--results", results(changes), "--report", report, *given)[0] == 0
        assert (report / "report.html").read_text().count("<img ") >= pictures
        assert ("<img " in (report / "report.html").read_text()) == bool(given)


def test_novel_is_measured_against_training_captions(evaluate: Any, results: Any, tmp_path: Path) -> None:
    def novel(*arguments: object) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(evaluate("--results", path, "--format", "json", *arguments)[1])
        return found["language"]["novel"]

    path = results({1: "something new"})
    assert novel() == {"share": 0.2, "compared_with": "the 10 references of these photos"}
    training = tmp_path / "training.json"
    items = [("train", ["Something new."]), ("dev", [CAPTIONS["coffee"][1]])]
    photos = [{"file": f"{split}.jpg", "split": split, "captions": captions} for split, captions in items]
    training.write_text(json.dumps(photos))
    found = novel("--training-captions", training)
    assert found == {"share": 0.8, "compared_with": f"the 1 training captions of {training}"}


def test_flickr8ks_own_training_split_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = [("train", ["A dog.", "Dogs"]), ("test", ["A cat."]), ("val", ["An owl."])]
    data = tmp_path / "captions.json"
    data.write_text(json.dumps([{"file": f"{split}.jpg", "split": split, "captions": texts} for split, texts in items]))
    results = tmp_path / "results.json"
    results.write_text(
        json.dumps([{"image_id": "test.jpg", "caption": "a dog"}, {"image_id": "val.jpg", "caption": ""}])
    )
    assert main(["evaluate", "--flickr8k", str(data), "--results", str(results), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    expected = {"share": 0.0, "compared_with": f"the 2 training captions of {data}"}
    assert json.loads(out)["language"]["novel"] == expected
    assert "left out what it says of 1 photos that are not evaluated" in err


def test_a_limit_draws_the_same_photos_again(evaluate: Any, results: Any) -> None:
    def hashed(*arguments: object) -> tuple[int, str]:
        figures = json.loads(evaluate("--results", results(), "--format", "json", *arguments)[1])
        return figures["images"], figures["settings"]["references_sha256"]

    assert hashed("--limit", 3) == hashed("--limit", 3)
    assert hashed("--limit", 3)[0] == 3
    assert len({hashed("--limit", 3, "--seed", seed)[1] for seed in range(5)}) > 1
    assert hashed("--limit", 9) == hashed()


# ------------------------------------------------------------------------------------------------------------- METEOR


def test_meteor_is_the_official_ones(evaluate: Any, results: Any) -> None:
    try:
        official.require_official()
    except UsageError as problem:
        pytest.skip(str(problem))
    path = results({2: "", 3: "a ||| cup", 4: "Ein Café, 犬"})
    figures = json.loads(evaluate("--results", path, "--official", "--format", "json")[1])
    assert 0 < figures["METEOR"] < 1
    assert "METEOR" in evaluate("--results", results(), "--official")[1]
    assert official.meteor({"a": "a dog runs"}, {"a": ["A dog runs.", "x"]}) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("missing", "advice"), [("java", "default-jre-headless"), ("pycocoevalcap", "pip install")])
def test_without_java_or_the_package_a_sentence_says_what_to_install(
    missing: str, advice: str, evaluate: Any, results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(official.shutil, "which", lambda name: None if name == missing else f"/bin/{name}")
    monkeypatch.setattr(official.importlib.util, "find_spec", lambda name: None if name == missing else object())
    code, out, err = evaluate("--results", results(), "--official")
    assert (code, out) == (2, "")
    assert advice in err
    assert err.count("\n") == 1
    other = {"java": "pip install", "pycocoevalcap": "default-jre-headless"}[missing]
    assert other not in err


def test_a_failing_java_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pycocoevalcap")
    if sys.platform == "win32":
        pytest.skip("needs a Unix shell")
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nread line\necho nonsense\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CaptionerError, match="Java program failed"):
        official.meteor({"a": "a dog"}, {"a": ["a dog"]})


# ----------------------------------------------------------------------------------------------- what is missing or wrong


def test_missing_photos_are_told_before_the_model_works(
    evaluate: Any, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("coffee.png", "camera.png"):
        (images / name).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(predictions, "_records", None)
        code, out, err = evaluate("--images", images)
    assert (code, out) == (2, "")
    assert "2 photos (the first: 'coffee.png', 'camera.png') of 5 missing" in err
    code, out, err = evaluate("--images", images, "--allow-missing", "--format", "json")
    assert code == 0
    assert json.loads(out)["images"] == 3
    assert json.loads(out)["settings"]["photos_missing"] == 2
    assert "2 photos" in err
    assert "they are left out" in err


def test_unreadable_photos_fail_but_the_captions_are_kept(evaluate: Any, images: Path, tmp_path: Path) -> None:
    (images / "coffee.png").write_bytes(b"no photo")
    out = tmp_path / "out.json"
    code, printed, err = evaluate("--images", images, "--results-out", out)
    assert (code, printed) == (1, "")
    assert "1 photo (the first: '3') could not be read; --allow-missing leaves them out." in err
    assert [one["image_id"] for one in json.loads(out.read_text())] == [1, 2, 4, 5]
    arguments = ("--images", images, "--allow-missing", "--sweep-beams", "1", "--format", "json")
    code, printed, err = evaluate(*arguments)
    assert code == 0
    assert json.loads(printed)["images"] == json.loads(printed)["beam_sizes"]["1"]["images"] == 4


def test_nothing_left_to_score_is_a_sentence(evaluate: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, out, err = evaluate("--images", tmp_path / "empty", "--allow-missing")
    assert (code, out) == (2, "")
    assert "no photos to score" in err


def test_results_without_annotations(evaluate: Any, results: Any) -> None:
    path = results(more=[{"image_id": number, "caption": "a dog"} for number in (77, 78, 79, 80)])
    code, out, err = evaluate("--results", path)
    assert (code, out) == (2, "")
    assert "4 ids (the first: '77', '78', '79') without annotations" in err
    code, out, err = evaluate("--results", path, "--allow-missing", "--format", "json")
    assert code == 0
    assert json.loads(out)["images"] == 5


def test_annotated_photos_without_results(evaluate: Any, results: Any) -> None:
    code, out, err = evaluate("--results", results({2: None, 5: None}))
    assert (code, out) == (2, "")
    assert "2 photos (the first: '2', '5') of 5 without a caption" in err
    code, out, _ = evaluate("--results", results({2: None, 5: None}), "--allow-missing")
    assert code == 0
    assert {line.split()[-1] for line in out.splitlines()[1:]} == {"3"}  # beside every score


def test_annotations_of_photos_without_captions(evaluate: Any, results: Any, coco: Path) -> None:
    data = json.loads(coco.read_text())
    data["images"].append({"id": 9, "file_name": "9.jpg"})
    coco.write_text(json.dumps(data))
    code, _, err = evaluate("--results", results())
    assert code == 2
    assert "1 photo (the first: '9') without a caption" in err


def test_ids_that_are_there_twice(evaluate: Any, results: Any) -> None:
    twice = [{"image_id": number, "caption": "a dog"} for number in (1, 4)]
    code, out, err = evaluate("--results", results(more=twice))
    assert (code, out) == (2, "")
    assert "2 ids (the first: '1', '4') there more than once" in err


def test_empty_captions_are_scored_and_told(evaluate: Any, results: Any) -> None:
    code, out, err = evaluate("--results", results({1: "", 3: " ... "}), "--format", "json")
    assert code == 0
    assert "2 photos (the first: '1', '3') of 5 with an empty caption, which scores 0." in err
    assert json.loads(out)["language"]["captions"]["empty"] == 2
    full = json.loads(evaluate("--results", results(), "--format", "json")[1])
    assert json.loads(out)["CIDEr"] < full["CIDEr"]


def test_text_beyond_ascii_goes_through(evaluate: Any, results: Any, tmp_path: Path) -> None:
    caption = "Ein Café 犬 🐕 “naïve”"
    report = tmp_path / "bericht ü"
    code, _, err = evaluate("--results", results({1: caption}), "--report", report)
    assert (code, err) == (0, "")
    assert json.loads((report / "results.json").read_text(encoding="utf-8"))[0]["caption"] == caption
    for name in ("report.html", "per_image.csv"):
        assert caption in (report / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"image_id": 1, "capt', "ends too early, as if truncated"),
        (b'[{"image_id": 1, "caption": "caf\xe9"}]', "is not UTF-8 text"),
        (b'[{"image_id": 1, "text": "a"}]', "1 item (the first: {'image_id': 1, 'text': 'a'}) of another form"),
        (b"[]", "holds no results"),
        (b"", "ends too early"),
    ],
)
def test_damaged_results(content: bytes, message: str, evaluate: Any, tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    path.write_bytes(content)
    code, out, err = evaluate("--results", path)
    assert (code, out) == (2, "")
    assert message in err
    assert "damaged.json" in err
    assert err.count("\n") == 1


def test_truncated_annotations(evaluate: Any, results: Any, coco: Path) -> None:
    coco.write_bytes(coco.read_bytes()[:-100])
    code, _, err = evaluate("--results", results())
    assert code == 2
    assert "annotations.json ends too early, as if truncated" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--results", "r.json", "--sweep-beams", "1,3"], 2, "--sweep-beams needs the model"),
        (["--images", "nowhere"], 2, "nowhere: no such directory"),
        (["--images", ".", "--sweep-beams", "1,x"], 2, "--sweep-beams"),
        (["--images", ".", "--sweep-beams", "0"], 2, "0 is below 1"),
        (["--images", ".", "--sweep-beams", "1000"], 2, "beam_size"),
        (["--results", "r.json", "--results-out", "nowhere/out.json"], 4, "no such directory"),
        (["--results", "r.json", "--report", "/dev/null/report"], 4, "cannot be written"),
        (["--images", ".", "--model", "photo-xx"], 3, "photo-xx"),
        (["--compare", "a", "b"], 2, "not allowed with argument"),
    ],
)
def test_mistakes_are_told_at_once(arguments: list[str], code: int, message: str, evaluate: Any) -> None:
    found, out, err = evaluate(*arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


def test_comparing_prints_a_table_and_a_sentence(
    evaluate: Any, results: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = str(tmp_path / "a"), str(tmp_path / "b")
    for directory, changes in ((first, {1: "a dog", 2: "a dog"}), (second, {})):
        assert evaluate("--results", results(changes), "--report", directory)[0] == 0
    assert main(["evaluate", "--compare", first, second]) == 0
    table = capsys.readouterr().out
    assert re.search(r"^CIDEr .* \+", table, re.MULTILINE)
    assert "photo by photo A is ahead on 0, B on 2, neither on 3 of 5." in table
    assert main(["evaluate", "--compare", first, second, "--format", "json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["conclusion"] in table
    assert {one["image_id"] for one in figures["second_wins"]} == {"1", "2"}
    assert np.isclose(figures["differences"]["CIDEr"]["second"], 10, atol=5)
    assert main(["evaluate", "--compare", first, str(tmp_path / "none")]) == 2
    assert "cannot be read" in capsys.readouterr().err
