"""`captioner evaluate`: errors for missing and invalid input."""

import json
from pathlib import Path
from typing import Any

import pytest

from captioner.cli import main
from captioner.predict import Captioner


def test_missing_photos_are_told_before_the_model_works(
    evaluate: Any, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("coffee.png", "camera.png"):
        (images / name).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Captioner, "load", None)
        code, out, err = evaluate("--images", images)
    assert (code, out) == (2, "")
    assert "2 photos (first: 'coffee.png', 'camera.png') of 5 missing" in err
    code, out, err = evaluate("--images", images, "--allow-missing", "--format", "json")
    assert code == 0
    assert json.loads(out)["images"] == 3
    assert json.loads(out)["settings"]["photos_missing"] == 2
    assert "2 photos" in err
    assert "skipping them" in err


def test_unreadable_photos_fail_but_the_captions_are_kept(evaluate: Any, images: Path, tmp_path: Path) -> None:
    (images / "coffee.png").write_bytes(b"no photo")
    out = tmp_path / "out.json"
    code, printed, err = evaluate("--images", images, "--results-out", out)
    assert (code, printed) == (1, "")
    assert "1 photo (first: '3') could not be read; --allow-missing skips them." in err
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
    assert "4 ids (first: '77', '78', '79') without annotations" in err
    code, out, err = evaluate("--results", path, "--allow-missing", "--format", "json")
    assert code == 0
    assert json.loads(out)["images"] == 5


def test_annotated_photos_without_results(evaluate: Any, results: Any) -> None:
    code, out, err = evaluate("--results", results({2: None, 5: None}))
    assert (code, out) == (2, "")
    assert "2 photos (first: '2', '5') of 5 without a caption" in err
    code, out, _ = evaluate("--results", results({2: None, 5: None}), "--allow-missing")
    assert code == 0
    assert {line.split()[-1] for line in out.splitlines()[1:]} == {"3"}  # beside every score


def test_annotations_of_photos_without_captions(evaluate: Any, results: Any, coco: Path) -> None:
    data = json.loads(coco.read_text())
    data["images"].append({"id": 9, "file_name": "9.jpg"})
    coco.write_text(json.dumps(data))
    code, _, err = evaluate("--results", results())
    assert code == 2
    assert "1 photo (first: '9') without a caption" in err
    code, _, err = evaluate("--results", results(), "--allow-missing")
    assert code == 0
    assert "photo '9' without a caption." in err


def test_ids_that_are_there_twice(evaluate: Any, results: Any) -> None:
    twice = [{"image_id": number, "caption": "a dog"} for number in (1, 4)]
    code, out, err = evaluate("--results", results(more=twice))
    assert (code, out) == (2, "")
    assert "2 ids (first: '1', '4') listed more than once" in err


def test_empty_captions_are_scored_and_told(evaluate: Any, results: Any) -> None:
    code, out, err = evaluate("--results", results({1: "", 3: " ... "}), "--format", "json")
    assert code == 0
    assert "2 photos (first: '1', '3') of 5 with an empty caption, which scores 0." in err
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
        (b'[{"image_id": 1, "capt', "is truncated"),
        (b'[{"image_id": 1, "caption": "caf\xe9"}]', "is not UTF-8 text"),
        (b'[{"image_id": 1, "text": "a"}]', "1 item (first: {'image_id': 1, 'text': 'a'}) with missing or"),
        (b"[]", "contains no results"),
        (b"", "is truncated"),
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
    assert "annotations.json is truncated" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--results", "r.json", "--sweep-beams", "1,3"], 2, "--sweep-beams needs captions of the model"),
        (["--images", "nowhere"], 2, "nowhere: no such directory"),
        (["--images", ".", "--sweep-beams", "1,x"], 2, "--sweep-beams"),
        (["--images", ".", "--sweep-beams", "0"], 2, "0 is too small; give at least 1"),
        (["--images", ".", "--sweep-beams", "1000"], 2, "beam_size"),
        (["--results", "r.json", "--results-out", "nowhere/out.json"], 4, "no such directory"),
        (["--results", "r.json", "--report", "/dev/null/report"], 4, "cannot be written"),
        (["--images", ".", "--model", "photo-xx"], 3, "photo-xx"),
        (["--compare", "a", "b"], 2, "not allowed with argument"),
        (["--results", "r.json", "--split", "dev"], 2, "--annotations has no splits"),
        (["--results", "r.json", "--model", "photo-en", "--beam-size", "1"], 2, "leave out --model, --beam-size"),
        (["--results", "r.json", "--no-repeat-words"], 2, "leave out --repeat-words"),
    ],
)
def test_mistakes_are_told_at_once(arguments: list[str], code: int, message: str, evaluate: Any) -> None:
    found, out, err = evaluate(*arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--limit", "3"], "--limit"),
        (["--seed", "1", "--official"], "--seed, --official"),
        (["--split", "test"], "--split"),
        (["--images", "x", "--report", "y"], "--images, --report"),
        (["--beam-size", "1"], "--beam-size"),
    ],
)
def test_comparing_refuses_what_it_would_ignore(
    given: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--compare", "a", "b", *given]) == 2
    assert capsys.readouterr().err == f"captioner: --compare only reads two reports; leave out {named}.\n"


def test_one_photo_has_no_cider(evaluate: Any, results: Any, coco: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    code, out, err = evaluate("--results", results(), "--limit", 1, "--format", "json", "--report", report)
    assert (code, json.loads(out)["CIDEr"]) == (0, 0)
    assert "CIDEr is always 0 for a single photo" in err
    assert "CIDEr is always 0 for a single photo" in (report / "report.html").read_text()


def test_empty_references_are_named(evaluate: Any, results: Any, coco: Path) -> None:
    data = json.loads(coco.read_text())
    data["annotations"] += [{"image_id": 2, "caption": ""}, {"image_id": 4, "caption": " ... "}]
    coco.write_text(json.dumps(data))
    code, _, err = evaluate("--results", results())
    assert code == 0
    assert "2 photos (first: '2', '4') of 5 with an empty reference" in err


@pytest.mark.parametrize(
    ("reference", "said"),
    [("一只狗在草地上奔跑", True), ("สุนัขวิ่งบนหญ้า", True), ("개가 잔디 위를 달린다", False), ("a dog in 北京", False)],
)
def test_scripts_without_spaces_are_named(
    evaluate: Any, results: Any, coco: Path, *, reference: str, said: bool
) -> None:
    data = json.loads(coco.read_text())
    data["annotations"].append({"image_id": 3, "caption": reference})
    coco.write_text(json.dumps(data))
    code, _, err = evaluate("--results", results())
    assert code == 0
    assert ("1 photo (first: '3') of 5 with references in a script without spaces" in err) == said
