"""A run gives the same result whether or not it was killed or interrupted."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from captioner.images import to_pixels
from tests.training_runs import epochs, fit, fit_with_copies, kill_runs, steps, words_of_fit
from train import loop
from train.loop import Training
from train.optimizer import learning_rate

MOMENTS = [
    *(f"state-{n}" for n in range(1, 15)),
    "after-2",
    "after-8",
    "after-11",
    *(f"best-{n}" for n in (1, 2, 4, 6, 11)),
]
SELDOM = "--set", "training.save_every=200"
MOMENTS_OF_OBJECTIVES = [*(f"state-{n}" for n in (1, 3, 5, 6, 8, 11)), "after-4", "after-7", "after-10"]


KILLED = ["state-5", "best-6"]


@pytest.fixture(scope="module")
def copies(data: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("copies")
    fit_with_copies(data, out, MOMENTS, recipe="recipe.toml")
    return out


@pytest.fixture(scope="module")
def refined_copies(data: Path, refined_run: Path, refined: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("refined-copies")
    fit_with_copies(data, out, MOMENTS_OF_OBJECTIVES, *refined, recipe="refined.toml")
    return out


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    run: Path, data: Path, copies: Path, tmp_path: Path, moment: str
) -> None:
    killed = shutil.copytree(copies / moment, tmp_path / moment)
    assert_goes_on(killed, run, data=data, recipe="recipe.toml", torn=not moment.startswith("after"))


@pytest.mark.parametrize("moment", MOMENTS_OF_OBJECTIVES)
def test_every_objective_goes_on_as_if_nothing_had_been(
    refined_run: Path, refined: list[str], data: Path, refined_copies: Path, tmp_path: Path, moment: str
) -> None:
    killed, torn = shutil.copytree(refined_copies / moment, tmp_path / moment), not moment.startswith("after")
    assert_goes_on(killed, refined_run, *refined, data=data, recipe="refined.toml", torn=torn)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_leaves_what_was_copied(run: Path, data: Path, copies: Path, tmp_path: Path) -> None:
    """The tests above resume copies of one run; here, runs are really killed."""
    kill_runs(data, tmp_path, KILLED, recipe="recipe.toml")
    for moment in KILLED:
        killed, copied = tmp_path / moment, copies / moment
        assert files(killed) == files(copied)
        assert steps(killed) == steps(copied)
        assert epochs(killed) == epochs(copied)
        ours, theirs = load_file(killed / "state.safetensors"), load_file(copied / "state.safetensors")
        assert set(ours) == set(theirs)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        assert_goes_on(killed, run, data=data, recipe="recipe.toml", torn=True)


def test_a_pass_outlives_a_stop_during_its_validation(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: Training) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_validate", stopped)
        assert fit(data, tmp_path, *SELDOM) == 130
    assert step_of_state(tmp_path) == 2
    assert_goes_on(tmp_path, run, *SELDOM, data=data, recipe="recipe.toml", torn=0)


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize(("number", "step"), [(signal.SIGINT, 1), (signal.SIGTERM, 2), (signal.SIGHUP, 5)])
def test_a_run_that_is_asked_to_end_loses_no_step(
    run: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    step: int,
) -> None:
    begun = 0

    def rate(*arguments: int) -> float:
        nonlocal begun
        begun += 1
        if begun == step:
            os.kill(os.getpid(), number)
        return learning_rate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "learning_rate", rate)
        assert fit(data, tmp_path, *SELDOM) == 130
    assert "continue from the last saved state with --resume" in capsys.readouterr().err
    assert step_of_state(tmp_path) == begun == step
    assert_goes_on(tmp_path, run, *SELDOM, data=data, recipe="recipe.toml", torn=0)


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.usefixtures("signals_heard")
def test_an_end_asked_for_while_a_pass_is_saved_is_not_forgotten(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = loop.save_state

    def saving(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_state", saving)
        assert fit(data, tmp_path, *SELDOM) == 130
    assert step_of_state(tmp_path) == 2
    assert_goes_on(tmp_path, run, *SELDOM, data=data, recipe="recipe.toml", torn=0)


def test_a_run_whose_reader_is_gone_loses_no_step(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError

    with monkeypatch.context() as patch:
        patch.setattr("train.loop.tqdm.set_postfix", broken)
        patch.setattr("train.__main__.os.dup2", lambda *_: None)
        assert fit(data, tmp_path, *SELDOM) == 130
    assert step_of_state(tmp_path) == 1
    assert_goes_on(tmp_path, run, *SELDOM, data=data, recipe="recipe.toml", torn=0)


def test_two_runs_are_never_in_one_directory(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import sys; from pathlib import Path; from captioner.files import locked\n"
        "with locked(Path(sys.argv[1])): print(flush=True); input()"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "state.safetensors")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        assert fit(data, tmp_path) == 4
        other.kill()
    assert "another run is writing it" in capsys.readouterr().err
    assert not (tmp_path / "steps.jsonl").exists()
    shutil.copytree(run / "best", tmp_path / "best")
    assert fit(data, tmp_path) == 2
    assert "best: already exists; choose another directory with --out" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.usefixtures("signals_heard")
def test_an_end_asked_for_while_photos_are_decoded_comes_at_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []

    def decode(image: Image.Image, size: int) -> NDArray[np.uint8]:
        decoded.append(size)
        if len(decoded) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return to_pixels(image, size)

    monkeypatch.setattr("train.photos.data.to_pixels", decode)
    assert fit(data, tmp_path / "out", "--set", f"data.cache={tmp_path / 'cache'}") == 130
    assert decoded
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.usefixtures("signals_heard")
def test_a_process_that_is_ended_between_steps_leaves_no_torn_file(data: Path, tmp_path: Path) -> None:
    words = words_of_fit(data, tmp_path / "out")
    code = (
        "import os, runpy, signal, train.loop;"
        "train.loop.Training._validate = lambda run: os.kill(os.getpid(), signal.SIGTERM);"
        "runpy.run_module('train', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 130
    assert done.stderr.endswith("train: interrupted.\n")
    assert step_of_state(tmp_path / "out") == 2
    assert not list(tmp_path.rglob("*.part"))


def files(directory: Path) -> set[str]:
    """Relative paths of the files, without the random parts of temporary names and TensorBoard's timestamps."""
    paths = [path.relative_to(directory) for path in directory.rglob("*") if path.parent.name != "board"]
    return {re.sub(r"\.\w{8}\.part$", ".part", path.as_posix()) for path in paths}


def step_of_state(out: Path) -> int:
    with safe_open(out / "state.safetensors", framework="pt") as file:
        step: int = json.loads(file.metadata()["facts"])["at"]["step"]
    return step


def assert_goes_on(killed: Path, unkilled: Path, *more: str, data: Path, recipe: str, torn: int) -> None:
    assert len(list(killed.rglob(".*.part"))) == torn
    again = ["--resume"] if (killed / "state.safetensors").exists() else []
    assert fit(data, killed, *more, *again, recipe=recipe) == 0
    assert steps(killed) == steps(unkilled)
    assert epochs(killed) == epochs(unkilled)
    ours, theirs = load_file(killed / "state.safetensors"), load_file(unkilled / "state.safetensors")
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert (killed / "best" / "model.safetensors").read_bytes() == (
        unkilled / "best" / "model.safetensors"
    ).read_bytes()
    assert not list(killed.rglob(".*.part"))
