"""Training: the files of a run, and the effects of settings."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import captioner
from captioner import checkpoint
from tests.training_runs import epochs, fit, steps


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
    assert "already contains a run; continue it with --resume" in capsys.readouterr().err
    assert fit(data, run, "--resume", "--set", "training.seed=2") == 2
    assert "was saved with another configuration (training.seed was 1 and is 2)" in capsys.readouterr().err
    assert (run / "state.safetensors").read_bytes() == before


def test_a_run_goes_on_only_with_what_it_began_with(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = tmp_path / "data"
    shutil.copytree(data, ours)
    assert fit(ours, tmp_path / "out") == 0
    (ours / "weights.safetensors").unlink()  # no longer needed: they are part of the state
    ours = ours.rename(tmp_path / "moved")
    for photo in (ours / "images").iterdir():
        os.utime(photo, (0, 0))
    assert fit(ours, tmp_path / "out", "--resume") == 0
    text = (ours / "captions.json").read_text()
    (ours / "captions.json").write_text(text.replace("this is coffee", "that is coffee"))
    assert fit(ours, tmp_path / "out", "--resume") == 2
    assert "was saved with other photos or captions" in capsys.readouterr().err


def test_tied_weights_are_trained_kept_and_resumed(data: Path, tmp_path: Path) -> None:
    change = ["--set", "decoder.tie_weights=true", "--set", "phase.1.epochs=1"]
    assert fit(data, tmp_path, *change) == 0
    assert fit(data, tmp_path, "--resume", *change) == 0
    assert captioner.load(tmp_path / "best", device="cpu").checkpoint.config.decoder.tie_weights


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
    # Batches of five texts (of four) and three photos (of seven, two of them further ones), two passes.
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
    assert "is a different model (decoder.hidden_size was 16 and is 32)" in capsys.readouterr().err
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
    assert fit(data, tmp_path / "other", *teach, "--set", "data.min_count=3") == 0  # the vocabulary is the teachers'
    words = [captioner.load(one / "best", device="cpu").checkpoint.vocabulary for one in (run, tmp_path / "other")]
    assert words[0] == words[1]
    teach[1] = f'distillation.teachers=["{run / "best"}", "photo-en"]'
    assert fit(data, tmp_path / "both", *teach) == 2
    assert "has another vocabulary than the other models" in capsys.readouterr().err


def test_several_validation_files_are_scored_apart_and_their_mean_chooses(refined_run: Path) -> None:
    for epoch in epochs(refined_run):
        apart = [value for name, value in epoch.items() if name.startswith("CIDEr_")]
        assert len(apart) == 2
        assert epoch["CIDEr"] == pytest.approx(sum(apart) / 2)
    scores = checkpoint.read(refined_run / "best").scores["validation"]
    assert "CIDEr_measured" in scores
    assert scores["CIDEr"] == pytest.approx(max(epoch["CIDEr"] for epoch in epochs(refined_run)), abs=1e-4)
