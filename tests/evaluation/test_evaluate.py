"""`captioner evaluate`: what it prints and writes."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import captioner
from captioner.cli import main
from captioner.datasets import read_coco
from captioner.errors import ImageError, UsageError
from captioner.evaluation.evaluate import EvaluationOptions, evaluate_captions, write_report
from captioner.evaluation.evaluate import evaluate as evaluate_photos
from captioner.evaluation.scores import METRICS


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
    items = [("train", ["Something new."]), ("dev", ["coffee in a white cup with a spoon"])]
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
    assert "ignored 1 caption of photos that are not evaluated" in err


def test_a_limit_draws_the_same_photos_again(evaluate: Any, results: Any) -> None:
    def hashed(*arguments: object) -> tuple[int, str]:
        figures = json.loads(evaluate("--results", results(), "--format", "json", *arguments)[1])
        return figures["images"], figures["settings"]["references_sha256"]

    assert hashed("--limit", 3) == hashed("--limit", 3)
    assert hashed("--limit", 3)[0] == 3
    assert len({hashed("--limit", 3, "--seed", seed)[1] for seed in range(5)}) > 1
    assert hashed("--limit", 9) == hashed()


def test_comparing_prints_a_table_and_a_sentence(
    evaluate: Any, results: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = str(tmp_path / "a"), str(tmp_path / "b")
    for directory, changes in ((first, {1: "a dog", 2: "a dog"}), (second, {})):
        assert evaluate("--results", results(changes), "--report", directory)[0] == 0
    assert main(["evaluate", "--compare", first, second]) == 0
    table = capsys.readouterr().out
    assert re.search(r"^CIDEr .* \+", table, re.MULTILINE)
    assert "of 5 photos, A leads on 0, B on 2, and 3 are tied." in table
    assert main(["evaluate", "--compare", first, second, "--format", "json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["conclusion"] in table
    assert {one["image_id"] for one in figures["second_wins"]} == {"1", "2"}
    assert np.isclose(figures["differences"]["CIDEr"]["second"], 10, atol=5)
    assert main(["evaluate", "--compare", first, str(tmp_path / "none")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_python_gets_what_the_verb_prints(
    evaluate: Any, images: Path, coco: Path, small_checkpoint: Path, tmp_path: Path
) -> None:
    (images / "coffee.png").write_bytes(b"no photo")
    arguments = ("--images", images, "--model", small_checkpoint, "--sweep-beams", "1,2", "--device", "cpu")
    printed = json.loads(evaluate(*arguments, "--allow-missing", "--format", "json")[1])
    photos = read_coco(coco)
    told: list[str] = []
    steps: list[tuple[int, int]] = []
    options = EvaluationOptions(allow_missing=True, tell=told.append, settings={"references": str(coco)})
    for model in (captioner.load(small_checkpoint, device="cpu"), str(small_checkpoint)):
        steps.clear()
        outcome = evaluate_photos(
            model, photos, options, images=images, beam_sizes=(2, 1), progress=lambda *step: steps.append(step)
        )
        found = json.loads(json.dumps(outcome.to_json()))
        assert found["settings"] == {name: value for name, value in printed["settings"].items() if value is not None}
        assert found | {"settings": 0} == printed | {"settings": 0}
        assert [done for done, _ in steps] == list(range(1, 10))  # five photos, and four of them with another beam size
        assert steps[0][1] == 10
        assert steps[-1] == (9, 9)
    assert sum("coffee.png" in sentence for sentence in told) == 2
    assert evaluate_captions(outcome.captions, outcome.photos).scores.as_dict() == outcome.scores.as_dict()
    write_report(outcome, tmp_path / "report")
    assert json.loads((tmp_path / "report" / "scores.json").read_text()) == found
    with pytest.raises(ImageError, match=r"1 photo \(first: '3'\) could not be read; allow_missing skips"):
        evaluate_photos(small_checkpoint, photos, images=images)
    with pytest.raises(UsageError, match=r"theirs: 1 photo .* of 5 without a caption"):
        evaluate_captions(outcome.captions, photos, source="theirs")
