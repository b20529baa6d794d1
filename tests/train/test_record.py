"""`train record` writes a checkpoint's scores."""

import json
from pathlib import Path

import pytest

from captioner import checkpoint
from captioner.cli import main as captioner_main
from train.__main__ import main
from train.record import HEADER, with_rows

ROOT = Path(__file__).parents[2]
NEW = ["| Flickr8k test, 10 | 1 | 2 | 3 | 4 | 5 | 6 |", "| *95 % interval* | 1–2 | 1–2 | 1–2 | 1–2 | 1–2 | 1–2 |"]


@pytest.fixture
def annotations(tmp_path: Path, photos: dict[str, Path]) -> list[str]:
    """Arguments for `captioner evaluate`."""
    said = {"coffee": ("a cup of coffee", "coffee on a table"), "rocket": ("a rocket", "the rocket is ready")}
    data = {
        "images": [{"id": number, "file_name": photos[name].name} for number, name in enumerate(said)],
        "annotations": [
            {"image_id": number, "caption": text} for number, texts in enumerate(said.values()) for text in texts
        ],
    }
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(data))
    return ["--annotations", str(path), "--images", str(photos["coffee"].parent), "--device", "cpu"]


def test_what_evaluate_finds_is_written_into_the_checkpoint_and_its_card(
    small_checkpoint: Path, annotations: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert captioner_main(["evaluate", *annotations, "--model", str(small_checkpoint), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    readme = tmp_path / "README.md"
    readme.write_text("# here\n\n" + "\n".join(HEADER) + "\n| Other, 3 | 0 | 0 | 0 | 0 | 0 | 0 |\n\nMore.\n")
    for _ in range(2):  # a second run duplicates nothing
        assert main(["record", "--also", str(readme), str(small_checkpoint), "Two photos", *annotations]) == 0
    scores = checkpoint.read(small_checkpoint).scores
    assert scores["validation"] == {"Bleu_4": 0.1}
    assert scores["Two photos"] == {name: round(found[name], 6) for name in scores["Two photos"]}
    assert list(scores["Two photos"]) == ["Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "ROUGE_L", "CIDEr"]
    row = "| Two photos, 2 | " + " | ".join(f"{100 * found[name]:.1f}" for name in scores["Two photos"]) + " |"
    ends = [found["confidence_intervals"][name] for name in scores["Two photos"]]
    interval = "| *95 % interval* | " + " | ".join(f"{100 * low:.1f}–{100 * high:.1f}" for low, high in ends) + " |"
    card = (small_checkpoint / checkpoint.CARD).read_text()
    assert card.startswith("# small\n\n## Scores\n")
    assert card.endswith("\n".join([*HEADER, row, interval]) + "\n")
    assert readme.read_text().endswith(
        "\n".join(["| Other, 3 | 0 | 0 | 0 | 0 | 0 | 0 |", row, interval, "", "More."]) + "\n"
    )


def test_rows_take_the_place_of_their_like_and_of_nothing_else() -> None:
    for file in (ROOT / "README.md", ROOT / "captioner" / "pretrained" / "photo-en" / checkpoint.CARD):
        before = file.read_text(encoding="utf-8")
        after = with_rows(before, "Flickr8k test", NEW)
        old, new = before.splitlines(), after.splitlines()
        changed = [place for place, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
        assert [new[place] for place in changed] == NEW
        assert old[changed[0]].startswith("| Flickr8k test, 1,000 |")
        assert len(with_rows(before, "Flickr8k", NEW).splitlines()) == len(old) + 2
    without_interval = "\n".join([*HEADER, "| Flickr8k test | 0 |", "| Other, 3 | 0 |"])
    assert with_rows(without_interval, "Flickr8k test", NEW).splitlines() == [*HEADER, *NEW, "| Other, 3 | 0 |"]


def test_only_the_models_own_scores_are_recorded(
    small_checkpoint: Path, annotations: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.read_bytes() for file in small_checkpoint.iterdir()}
    (tmp_path / "results.json").write_text("[]")
    assert main(["record", str(small_checkpoint), "x", *annotations, "--results", str(tmp_path / "results.json")]) == 2
    assert "record evaluates the model itself" in capsys.readouterr().err
    assert main(["record", "--also", str(tmp_path / "none.md"), str(small_checkpoint), "x", *annotations]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main(["record", str(tmp_path / "none"), "x", *annotations]) == 3
    assert {file: file.read_bytes() for file in small_checkpoint.iterdir()} == before


def test_missing_photos_are_left_out_only_if_told(
    small_checkpoint: Path, annotations: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "photos"
    images.mkdir()
    (images / "coffee.png").symlink_to(Path(annotations[3]) / "coffee.png")
    command = ["record", str(small_checkpoint), "x", *annotations[:2], "--images", str(images), "--device", "cpu"]
    assert main(command) == 2
    assert "1 photo (first: 'rocket.jpg') of 2 missing; --allow-missing skips them." in capsys.readouterr().err
    assert "x" not in checkpoint.read(small_checkpoint).scores
    assert main([*command, "--allow-missing"]) == 0
    assert "skipping them" in capsys.readouterr().err
    assert "| x, 1 |" in (small_checkpoint / checkpoint.CARD).read_text()
