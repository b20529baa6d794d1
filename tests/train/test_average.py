"""Checkpoint averaging: every weight is averaged, and incompatible checkpoints are refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from captioner import checkpoint
from train.__main__ import main


@pytest.fixture
def twins(small_checkpoint: Path, tmp_path: Path) -> list[Path]:
    """Two checkpoints of the same network; the weights of the second are three times as large."""
    other = tmp_path / "other"
    other.mkdir()
    for file in small_checkpoint.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    weights = load_file(other / checkpoint.WEIGHTS)
    parameters = {name: 3 * value if _is_learned(name) else value for name, value in weights.items()}
    save_file(parameters, other / checkpoint.WEIGHTS)
    return [small_checkpoint, other]


def _is_learned(name: str) -> bool:
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def test_every_weight_is_the_mean(twins: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["average", *map(str, twins), "--out", str(tmp_path / "mean")]
    assert main(command) == 0
    one, mean = (load_file(path / checkpoint.WEIGHTS) for path in (twins[0], tmp_path / "mean"))
    assert one.keys() == mean.keys()
    for name, value in one.items():
        expected = 2 * value.float() if _is_learned(name) else value.float()
        assert torch.allclose(mean[name].float(), expected, rtol=1e-3, atol=1e-6), name
    read = checkpoint.read(tmp_path / "mean")
    assert len(read.training["mean_of"]) == 2
    assert main(command) == 4
    assert "already exists" in capsys.readouterr().err


def test_two_networks_have_no_mean(twins: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vocabulary = json.loads((twins[1] / checkpoint.VOCABULARY).read_text())
    (twins[1] / checkpoint.VOCABULARY).write_text(json.dumps(vocabulary).replace('"dog"', '"cat"'))
    assert main(["average", *map(str, twins), "--out", str(tmp_path / "mean")]) == 2
    assert "only related checkpoints can be averaged" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()


def test_a_translator_has_a_mean_too(learned: Path, tmp_path: Path) -> None:
    assert main(["average", str(learned), str(learned), "--out", str(tmp_path / "mean")]) == 0
    before, after = (load_file(path / checkpoint.WEIGHTS) for path in (learned, tmp_path / "mean"))
    assert all(torch.equal(before[name], after[name]) for name in before)
