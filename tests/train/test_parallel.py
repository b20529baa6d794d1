"""Training with two processes takes the same steps as with one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.training_runs import write_weights
from train import loop
from train.__main__ import main

ROOT = Path(__file__).parents[2]
RECIPE = """
name = "tiny"
[data]
min_count = 1
[decoder]
hidden_size = 16
embedding_size = 8
heads = 2
[image]
size = 64
[decoding]
beam_size = 1
max_length = 6
[training]
save_every = 1
threads = 1
[[phase]]
name = "decoder"
epochs = 2
batch_size = 2
warmup = 1
[[phase]]
name = "joint"
epochs = 1
batch_size = 3
encoder_learning_rate = 1e-4
crop = 0.5
colour = 0.2
warmup = 1
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, photos: dict[str, Path]) -> list[str]:
    """Settings for five photos with captions of different lengths; the last batch of a pass has one photo."""
    root = tmp_path_factory.mktemp("data")
    (root / "images").mkdir()
    records = []
    for number, (name, path) in enumerate(photos.items()):
        with Image.open(path) as image:
            image.convert("RGB").resize((100, 100)).save(root / "images" / f"{name}.png")
            image.convert("RGB").crop((0, 0, 200, 200)).save(root / "images" / f"{name}-part.png")
        captions = [f"a {'very ' * number}good photo of {name}", name][: 1 + number % 2]
        records.append({"file": f"{name}.png", "split": "train", "captions": captions})
        records.append({"file": f"{name}-part.png", "split": "dev", "captions": captions})
    (root / "captions.json").write_text(json.dumps(records))
    (root / "recipe.toml").write_text(RECIPE)
    write_weights(root / "weights.safetensors")
    places = (f"data.root={root}", f"data.cache={root / 'cache'}", f"encoder.weights={root / 'weights.safetensors'}")
    return ["fit", str(root / "recipe.toml"), *(word for place in places for word in ("--set", place))]


@pytest.fixture(scope="module")
def alone(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    assert main([*command, "--out", str(out)]) == 0
    return out


def train_together(
    command: list[str], *more: str, program: tuple[str, ...] = ("-m", "train")
) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *program]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [*launcher, *command, *more],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def records(out: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_text().splitlines()]


def assert_same(ours: Path, theirs: Path) -> None:
    assert len(records(ours, "steps.jsonl")) == 8  # two passes of three batches, one of two
    for name, keys in (("steps.jsonl", ("step", "loss", "norm", "rate")), ("epochs.jsonl", ("epoch", "step", "loss"))):
        for our, their in zip(records(ours, name), records(theirs, name), strict=True):
            assert [our[key] for key in keys] == pytest.approx([their[key] for key in keys], abs=1e-5)
    weights = load_file(theirs / "state.safetensors")
    for name, value in load_file(ours / "state.safetensors").items():
        # A bias of the keys adds a constant to all scores, which has no effect: Adam's steps there are rounding
        # errors.
        if name.startswith("model.") and not name.endswith("attention.key.bias"):
            assert torch.allclose(value, weights[name], atol=1e-4), name


def test_two_processes_take_the_steps_of_one(command: list[str], alone: Path, tmp_path: Path) -> None:
    done = train_together(command, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path, alone)
    assert done.stdout.count("done: the best checkpoint is") == 1
    assert (tmp_path / "best" / "model.safetensors").is_file()


def test_two_processes_go_on_where_one_was_stopped(
    command: list[str], alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = loop.save_state

    def killing(path: Path, tensors: Any, facts: dict[str, Any]) -> None:
        saved(path, tensors, facts)
        if facts["at"]["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_state", killing)
    assert main([*command, "--out", str(tmp_path)]) == 130
    done = train_together(command, "--out", str(tmp_path), "--resume")
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path, alone)


INTERRUPTED = """
import os, signal, sys
from train import loop
from train.__main__ import main

rate = loop.learning_rate

def interrupted(step, *more):
    if os.environ["RANK"] == "1" and step == 1:
        os.kill(os.getpid(), signal.SIGINT)
    return rate(step, *more)

loop.learning_rate = interrupted
sys.exit(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.usefixtures("signals_heard")
def test_an_end_that_one_process_is_asked_for_all_make_at_the_same_step(
    command: list[str], alone: Path, tmp_path: Path
) -> None:
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    out = ("--out", str(tmp_path / "out"), "--set", "training.save_every=200")
    done = train_together(command, *out, program=(str(tmp_path / "interrupted.py"),))
    assert done.stderr.count("train: continue from the last saved state with --resume.") == 1
    assert len(records(tmp_path / "out", "steps.jsonl")) == 2
    done = train_together(command, *out, "--resume")
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "out", alone)


def test_a_mistake_ends_all_processes(command: list[str], tmp_path: Path) -> None:
    done = train_together(command, "--out", str(tmp_path / "out"), "--set", "encoder.weights=none.safetensors")
    assert done.returncode != 0
    assert "none.safetensors cannot be read" in done.stderr
