"""Training: data made ready, a run that goes on where it was stopped, and mistakes that cost nothing."""

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file

import captioner
from captioner import checkpoint
from train import loop
from train.__main__ import main

RECIPE = """
name = "tiny"
[data]
min_count = 1
[decoder]
hidden_size = 16
embedding_size = 8
heads = 2
layers = 2
dropout = 0.2
[image]
size = 64
[decoding]
beam_size = 2
max_length = 6
[training]
save_every = 1
precision = "bf16"
[[phase]]
name = "decoder"
epochs = 2
batch_size = 3
views = 2
crop = 0.5
warmup = 1
[[phase]]
name = "joint"
epochs = 1
batch_size = 4
learning_rate = 1e-3
encoder_learning_rate = 1e-4
crop = 0.5
colour = 0.2
warmup = 1
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, photos: dict[str, Path]) -> Path:
    """A data directory: parts of real photos, told apart by their captions; one photo is broken."""
    root = tmp_path_factory.mktemp("data")
    (root / "images").mkdir()
    records = []
    for name, path in photos.items():
        with Image.open(path) as image:
            for part in range(2):
                file = f"{name}-{part}.png"
                image.convert("RGB").resize((300, 200)).crop((part * 90, 0, part * 90 + 200, 200)).save(
                    root / "images" / file
                )
                captions = [f"a photo of {name}", f"this is {name} again"]
                records.append({"file": file, "split": "train" if part == 0 else "dev", "captions": captions})
    (root / "images" / "broken.png").write_bytes(b"no photo")
    records.append({"file": "broken.png", "split": "train", "captions": ["something broken"]})
    (root / "captions.json").write_text(json.dumps(records))
    (root / "recipe.toml").write_text(RECIPE)
    torch.manual_seed(0)
    network = torchvision.models.mobilenet_v2(weights=None).train()
    for _ in range(20):  # statistics that fit, without which nothing comes through so many layers
        network(torch.randn(8, 3, 64, 64))
    save_file(network.state_dict(), root / "weights.safetensors")
    return root


def fit(data: Path, out: Path, *more: str, recipe: str = "recipe.toml") -> int:
    settings = [
        f"data.root={data}",
        f"data.cache={data / 'cache'}",
        f"encoder.weights={data / 'weights.safetensors'}",
    ]
    return main(["fit", str(data / recipe), "--out", str(out), *(w for s in settings for w in ("--set", s)), *more])


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    out = tmp_path_factory.mktemp("run")
    assert fit(data, out) == 0
    return out


def epochs(out: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (out / "epochs.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if "seconds" not in key} for record in records]


def steps(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]


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
    assert "made with another configuration" in capsys.readouterr().err
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
    assert "is another model" in capsys.readouterr().err
    assert fit(data, tmp_path, *refined, "--set", "start=nowhere", recipe="refined.toml") == 3
    assert "nowhere: no such checkpoint directory" in capsys.readouterr().err


def killed(monkeypatch: pytest.MonkeyPatch, moment: int, out: Path, *more: str, data: Path, recipe: str) -> None:
    """Kill a run at the n-th time the state is written, before or after the new one took the old one's place; resume it."""
    saved = loop.save_state
    calls = 0

    def killing(path: Path, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == moment and moment % 2:
            path.with_name(f".{path.name}.torn").write_bytes(b"half of a state")
            raise KeyboardInterrupt
        saved(path, *arguments)
        if calls == moment:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_state", killing)
        assert fit(data, out, *more, recipe=recipe) == 130
    again = ["--resume"] if (out / "state.safetensors").exists() else []
    assert fit(data, out, *more, *again, recipe=recipe) == 0


def assert_same(one: Path, other: Path) -> None:
    assert steps(one) == steps(other)
    assert epochs(one) == epochs(other)
    ours, theirs = load_file(one / "state.safetensors"), load_file(other / "state.safetensors")
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert (one / "best" / "model.safetensors").read_bytes() == (other / "best" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("moment", range(1, 12))
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    killed(monkeypatch, moment, tmp_path, data=data, recipe="recipe.toml")
    assert_same(tmp_path, run)


@pytest.mark.parametrize("moment", [1, 3, 4, 6, 8, 9, 10, 11, 13])
def test_every_objective_goes_on_as_if_nothing_had_been(
    refined_run: Path, refined: list[str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    killed(monkeypatch, moment, tmp_path, *refined, data=data, recipe="refined.toml")
    assert_same(tmp_path, refined_run)


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


def test_a_run_that_diverges_stops_with_a_sentence(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(data, tmp_path, "--set", "phase.0.learning_rate=1e30") == 1
    assert "the loss is no longer a number; lower decoder's learning rates" in capsys.readouterr().err


def test_resuming_nothing_is_said(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(data, tmp_path, "--resume") == 2
    assert "no readable training state" in capsys.readouterr().err


def test_a_broken_photo_is_named_and_skipped(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(data, tmp_path, "--set", "phase.0.epochs=1") == 0
    skipped = [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 1
    assert "broken.png" in skipped[0]


def test_my_photos_are_trained_on_from_a_table(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images").symlink_to(data / "images")
    names = [path.name for path in sorted((data / "images").iterdir())]
    lines = [f"{name},a photo of {name.split('-')[0]},{'train' if '-0' in name else 'dev'}" for name in names]
    text = "\n".join(["file,caption,split", *lines, "coffee-0.png,a cup, of coffee,train"])
    (tmp_path / "captions.csv").write_text(text)
    assert fit(data, tmp_path / "out", "--set", f"data.root={tmp_path}", "--set", "phase.0.epochs=1") == 0
    err = capsys.readouterr().err
    assert f"skipped: {tmp_path / 'captions.csv'}, line {len(names) + 2} has too many fields" in err
    assert "broken.png" in err
    assert "2 photos or captions skipped in all." in err
    (tmp_path / "captions.jsonl").touch()
    assert fit(data, tmp_path / "other", "--set", f"data.root={tmp_path}") == 2
    assert "several files of captions (captions.csv, captions.jsonl)" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.root=", "data.root is not set"),
        ("data.root=/nowhere", "/nowhere"),
        ("decoder.cel=lstm", "unknown key 'decoder.cel'"),
        ("decoder.heads=7", "hidden_size 16 is not a multiple of heads 7"),
        ("text.tokens=char", "no_repeat_ngram counts tokens, which are characters here; set it to 0"),
        ("data.min_count=99", "no word stands in 99 captions"),
        ("phase.0.learning_rate=inf", "phase.0.learning_rate"),
        ("encoder.weights=none.safetensors", "none.safetensors cannot be read"),
        ("encoder.backbone=resnet18", "not weights of resnet18"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    assert fit(data, tmp_path / "out", "--set", change) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
