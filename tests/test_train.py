"""Training: what a run leaves behind, and that it goes on where it was stopped."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

import captioner
from captioner import checkpoint
from tests.training_runs import RECIPE, epochs, fit, kill_runs, steps, words_of_fit, write_data
from train import loop
from train.loop import Run
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


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, photos: dict[str, Path]) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_data(root, photos)
    return root


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    out = tmp_path_factory.mktemp("run")
    assert fit(data, out) == 0
    return out


def test_a_run_leaves_a_checkpoint_that_captions(run: Path, photos: dict[str, Path]) -> None:
    model = captioner.load(run / "best", device="cpu")
    assert model.caption(photos["coffee"], captioner.DecodingOptions(min_length=2)).text
    assert [(epoch["phase"], epoch["epoch"]) for epoch in epochs(run)] == [("decoder", 1), ("decoder", 2), ("joint", 1)]
    best = max(epoch["CIDEr"] for epoch in epochs(run))
    assert model.checkpoint.scores["validation"]["CIDEr"] == pytest.approx(best, abs=1e-4)
    assert model.decoding.max_length == 6


def test_a_checkpoint_tells_nobody_where_things_were(run: Path, data: Path) -> None:
    assert str(data) not in (run / "best" / "config.json").read_text()


def test_every_step_is_logged_with_its_gradient_norm(run: Path) -> None:
    log = steps(run)
    assert [step["step"] for step in log] == list(range(1, 7))  # 2 passes of 2 batches, one of 2
    assert all(step["norm"] > 0 for step in log)


def test_a_run_draws_its_curves_and_keeps_tensorboards_files(run: Path) -> None:
    with Image.open(run / "curves.png") as picture:
        assert picture.size == (1200, 700)
    assert list((run / "board").glob("events*"))


def test_the_encoder_learns_in_its_phase(run: Path, data: Path) -> None:
    before = load_file(data / "weights.safetensors")
    after = load_file(run / "state.safetensors")
    names = [name for name in before if name.startswith("features") and name.endswith(".weight")]
    still = [name for name in names if torch.equal(before[name], after[f"model.encoder.network.{name}"])]
    assert still == []
    statistics = [name for name in before if name.endswith("running_mean") and name.startswith("features")]
    assert all(torch.equal(before[name], after[f"model.encoder.network.{name}"]) for name in statistics)


def test_a_run_is_never_overwritten(run: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "state.safetensors").read_bytes()
    assert fit(data, run) == 2
    assert "holds a run already; --resume goes on with it" in capsys.readouterr().err
    assert fit(data, run, "--resume", "--set", "training.seed=2") == 2
    assert "made with another configuration (training.seed was 1 and is 2)" in capsys.readouterr().err
    assert (run / "state.safetensors").read_bytes() == before


def test_a_run_goes_on_only_with_what_it_began_with(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = tmp_path / "data"
    shutil.copytree(data, ours)
    assert fit(ours, tmp_path / "out") == 0
    (ours / "weights.safetensors").unlink()  # no longer needed: the state has them
    ours = ours.rename(tmp_path / "moved")
    for photo in (ours / "images").iterdir():
        os.utime(photo, (0, 0))
    assert fit(ours, tmp_path / "out", "--resume") == 0
    text = (ours / "captions.json").read_text()
    (ours / "captions.json").write_text(text.replace("this is coffee", "that is coffee"))
    assert fit(ours, tmp_path / "out", "--resume") == 2
    assert "made with other photos or captions" in capsys.readouterr().err


def test_tied_weights_are_trained_kept_and_resumed(data: Path, tmp_path: Path) -> None:
    change = ["--set", "decoder.tie_weights=true", "--set", "phase.1.epochs=1"]
    assert fit(data, tmp_path, *change) == 0
    assert fit(data, tmp_path, "--resume", *change) == 0
    assert captioner.load(tmp_path / "best", device="cpu").checkpoint.config.decoder.tie_weights


REFINED = """
[[phase]]
name = "text"
objective = "text"
epochs = 1
batch_size = 1
warmup = 1
[[phase]]
name = "blocks"
epochs = 1
batch_size = 3
learning_rate = 1e-3
encoder_learning_rate = 1e-4
encoder_blocks = 2
flip = true
scheduled_sampling = 0.5
warmup = 1
[[phase]]
name = "reward"
objective = "self-critical"
epochs = 1
batch_size = 3
samples = 3
flip = true
views = 2
warmup = 1
"""


@pytest.fixture(scope="module")
def refined(data: Path, run: Path) -> list[str]:
    """Settings of a run that begins with the checkpoint of `run`, sees further photos and reads texts."""
    more = data / "more"
    (more / "images").mkdir(parents=True)
    names = ["chelsea-0.png", "coffee-0.png"]
    for name in names:
        shutil.copy(data / "images" / name, more / "images" / name)
    coco = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
        "annotations": [{"image_id": n, "caption": f"a brand new thing on the left {n}"} for n in range(2)],
    }
    (more / "captions.json").write_text(json.dumps(coco))
    with gzip.open(data / "texts.jsonl.gz", "wt") as file:
        file.write('{"captions": ["a photo of words alone", "words alone"]}\n')
    (data / "plain.txt").write_text("one line\n\nanother line\n")
    head = RECIPE[: RECIPE.index("[[phase]]")]
    (data / "refined.toml").write_text(f'start = "{run / "best"}"\n' + head + REFINED)
    texts = f'data.text=["{data / "texts.jsonl.gz"}", "{data / "plain.txt"}"]'
    return ["--set", f'data.also=["{more / "captions.json"}"]', "--set", texts]


@pytest.fixture(scope="module")
def refined_run(data: Path, refined: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("refined")
    assert fit(data, out, *refined, recipe="refined.toml") == 0
    return out


def test_a_run_goes_on_from_a_checkpoint_with_further_photos_and_words(
    data: Path, run: Path, refined_run: Path
) -> None:
    before, after = checkpoint.read(run / "best"), checkpoint.read(refined_run / "best")
    known = before.vocabulary.tokens
    assert after.vocabulary.tokens[: len(known)] == known
    assert {"brand", "left", "alone", "line"} <= set(after.vocabulary.tokens[len(known) :])
    assert after.training["config"]["start"] == "best"
    assert str(data) not in (refined_run / "best" / "config.json").read_text()


def test_each_objective_logs_what_it_is_about(refined_run: Path) -> None:
    assert [epoch["phase"] for epoch in epochs(refined_run)] == ["text", "blocks", "reward"]
    # Four texts in fives, seven photos (two of them the further ones) in threes, twice.
    assert ["reward" in step and "broken_off" in step for step in steps(refined_run)] == [False] * 4 + [True] * 3


def test_only_the_last_blocks_learn_if_that_is_asked(run: Path, refined_run: Path) -> None:
    old, new = load_file(run / "best" / "model.safetensors"), load_file(refined_run / "state.safetensors")
    names = [name for name in old if name.startswith("encoder.") and name.endswith("weight")]
    blocks = {int(name.split(".")[3]) for name in names}
    moved = {int(name.split(".")[3]) for name in names if not torch.equal(old[name].float(), new[f"model.{name}"])}
    assert moved == set(sorted(blocks)[-2:])


def test_a_start_from_another_model_is_refused(
    data: Path, refined: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(data, tmp_path, *refined, "--set", "decoder.hidden_size=32", recipe="refined.toml") == 2
    assert "is another model (decoder.hidden_size was 16 and is 32)" in capsys.readouterr().err
    assert fit(data, tmp_path, *refined, "--set", "text.direction=right-to-left", recipe="refined.toml") == 2
    assert "text.direction was 'left-to-right' and is 'right-to-left'" in capsys.readouterr().err
    assert fit(data, tmp_path, *refined, "--set", "start=nowhere", recipe="refined.toml") == 3
    assert "nowhere: no such checkpoint directory" in capsys.readouterr().err


def test_text_without_a_photo_pays_no_penalty_for_where_it_looks(
    data: Path, refined: list[str], refined_run: Path, tmp_path: Path
) -> None:
    penalty = ("--set", "training.attention_regularisation=1.0")
    assert fit(data, tmp_path, *refined, *penalty, recipe="refined.toml") == 0
    ours, theirs = ([step["loss"] for step in steps(out)] for out in (tmp_path, refined_run))
    assert ours[0] == theirs[0]
    assert ours[4] > theirs[4]


@pytest.fixture(scope="module")
def killed_runs(data: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("killed")
    kill_runs(data, out, MOMENTS, recipe="recipe.toml")
    return out


@pytest.fixture(scope="module")
def killed_refined_runs(
    data: Path, refined_run: Path, refined: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("killed-refined")
    kill_runs(data, out, MOMENTS_OF_OBJECTIVES, *refined, recipe="refined.toml")
    return out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_goes_on_as_if_nothing_had_been(run: Path, data: Path, killed_runs: Path, moment: str) -> None:
    assert_goes_on(killed_runs / moment, run, data=data, recipe="recipe.toml", torn=not moment.startswith("after"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("moment", MOMENTS_OF_OBJECTIVES)
def test_every_objective_goes_on_as_if_nothing_had_been(
    refined_run: Path, refined: list[str], data: Path, killed_refined_runs: Path, moment: str
) -> None:
    torn = not moment.startswith("after")
    assert_goes_on(killed_refined_runs / moment, refined_run, *refined, data=data, recipe="refined.toml", torn=torn)


def test_a_pass_outlives_a_stop_during_its_validation(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: Run) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_validate", stopped)
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
    assert "--resume goes on from the last saved state" in capsys.readouterr().err
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
    code = "import sys; from pathlib import Path; from captioner.locks import locked\nwith locked(Path(sys.argv[1])): print(flush=True); input()"
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
    assert "best: stands there already; --out starts a run elsewhere" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.usefixtures("signals_heard")
def test_a_process_that_is_ended_between_steps_leaves_no_torn_file(data: Path, tmp_path: Path) -> None:
    words = words_of_fit(data, tmp_path / "out")
    code = (
        "import os, runpy, signal, train.loop;"
        "train.loop.Run._validate = lambda run: os.kill(os.getpid(), signal.SIGTERM);"
        "runpy.run_module('train', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 130
    assert done.stderr.endswith("train: interrupted.\n")
    assert step_of_state(tmp_path / "out") == 2
    assert not list(tmp_path.rglob("*.part"))


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


@pytest.mark.parametrize(
    "change",
    [
        ["training.attention_regularisation=1.0"],
        ["text.tokens=char", "decoding.no_repeat_ngram=0"],
        ["decoder.cell=gru"],
        ["decoder.attention=none"],
    ],
)
def test_a_lever_changes_what_is_learned(data: Path, run: Path, tmp_path: Path, change: list[str]) -> None:
    assert fit(data, tmp_path, *(word for one in (*change, "phase.0.epochs=1") for word in ("--set", one))) == 0
    assert steps(tmp_path)[0]["loss"] != steps(run)[0]["loss"]
    assert captioner.load(tmp_path / "best", device="cpu").checkpoint.scores["validation"]


def test_teachers_change_what_is_learned_with_and_without_their_own_grids(
    data: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teach = ["--set", f'distillation.teachers=["{run / "best"}"]', "--set", "phase.0.epochs=1"]
    assert fit(data, tmp_path / "taught", *teach) == 0
    assert [epoch["phase"] for epoch in epochs(tmp_path / "taught")] == ["decoder", "joint"]
    assert steps(tmp_path / "taught")[0]["loss"] != steps(run)[0]["loss"]
    assert str(data) not in (tmp_path / "taught" / "best" / "config.json").read_text()
    assert fit(data, tmp_path / "other", *teach, "--set", "data.min_count=3") == 0  # its words are its teachers'
    words = [captioner.load(one / "best", device="cpu").checkpoint.vocabulary for one in (run, tmp_path / "other")]
    assert words[0] == words[1]
    teach[1] = f'distillation.teachers=["{run / "best"}", "photo-en"]'
    assert fit(data, tmp_path / "both", *teach) == 2
    assert "has another vocabulary than the models beside it" in capsys.readouterr().err
