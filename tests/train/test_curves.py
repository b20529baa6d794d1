"""The plot of a run's curves."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.__main__ import main
from train.curves import draw_curves

EPOCH = {"phase": "decoder", "epoch": 1, "step": 60, "loss": 3.5, "Bleu_4": 0.18, "CIDEr": 0.4}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Made-up logs of two phases; the last line is incomplete."""
    steps = [
        {"step": n, "loss": 4 / n**0.1, "norm": 1 + n % 7, "rate": 1 - n / 120, "seconds": 0.1} for n in range(1, 121)
    ]
    text = "".join(json.dumps(step) + "\n" for step in steps)
    (tmp_path / "steps.jsonl").write_text(text + '{"step": 121, "lo')
    epochs = [EPOCH, EPOCH | {"phase": "joint", "step": 120, "CIDEr": 0.5}]
    (tmp_path / "epochs.jsonl").write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs))
    return tmp_path


def picture(directory: Path) -> np.ndarray:
    with Image.open(draw_curves(directory)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_curves_are_drawn_beside_the_logs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curves", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "curves.png")
    with Image.open(run / "curves.png") as image:
        assert image.size == (1200, 700)


def test_each_panel_shows_its_values(run: Path) -> None:
    """Another value in a log changes its quarter of the plot, and no other."""
    before = picture(run)
    log = (run / "steps.jsonl").read_text()
    for key, rows, columns in (("loss", 0, 0), ("norm", 1, 0), ("rate", 1, 1)):
        lines = log.splitlines(keepends=True)
        lines[60] = json.dumps({**json.loads(lines[60]), key: 1.5 if key == "rate" else 6.5}) + "\n"
        (run / "steps.jsonl").write_text("".join(lines))
        changed = np.argwhere((picture(run) != before).any(-1))
        assert len(changed)
        assert set(np.minimum(changed // [350, 600], 1).flatten().tolist()) <= {rows, columns}
        assert (changed[:, 0] // 350).min() == (changed[:, 0] // 350).max() == rows
        assert (changed[:, 1] // 600).min() == (changed[:, 1] // 600).max() == columns
    (run / "steps.jsonl").write_text(log)
    (run / "epochs.jsonl").write_text(json.dumps(EPOCH | {"CIDEr": 0.1}) + "\n")
    changed = np.argwhere((picture(run) != before).any(-1))
    assert ((changed[:, 0] < 350) & (changed[:, 1] > 600)).any()


def test_a_reward_takes_the_place_of_the_learning_rate(run: Path) -> None:
    before = picture(run)
    with (run / "steps.jsonl").open("a") as log:
        log.write('ss": 3, "norm": 1, "rate": 0.1, "reward": 0.5}\n{"step": 122, "loss": 3, "norm": 1, "rate": 0.1}\n')
    assert (picture(run)[350:, 600:] != before[350:, 600:]).any()


def test_a_run_without_validation_yet_has_curves(run: Path) -> None:
    (run / "epochs.jsonl").unlink()
    assert draw_curves(run).is_file()


def test_nothing_to_draw_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curves", str(tmp_path)]) == 2
    assert "contains no logged training step" in capsys.readouterr().err
    (tmp_path / "steps.jsonl").write_text("no log\n")
    assert main(["curves", str(tmp_path)]) == 2
    assert "not a readable training log" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.png"))


def test_a_missing_matplotlib_is_said(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["curves", str(run)]) == 2
    assert (
        "curves are plotted, but matplotlib is missing; install it with: pip install -r train/requirements.txt"
        in capsys.readouterr().err
    )
