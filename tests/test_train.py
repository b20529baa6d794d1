"""Training: data made ready, a run that goes on where it was stopped, and mistakes that cost nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file

import captioner
from captioner.config import ImageConfig, ImageEncoderConfig, ModelConfig
from captioner.errors import UsageError
from captioner.models.encoders import ImageEncoder
from train import loop
from train.__main__ import main
from train.augment import crops, jitter
from train.config import EncoderSettings
from train.data import batches, pad
from train.features import weights_key
from train.optimizer import exponential_average, learning_rate
from train.pretrained import load_pretrained

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


def fit(data: Path, out: Path, *more: str) -> int:
    settings = [
        f"data.root={data}",
        f"data.cache={data / 'cache'}",
        f"encoder.weights={data / 'weights.safetensors'}",
    ]
    return main(
        ["fit", str(data / "recipe.toml"), "--out", str(out), *(w for s in settings for w in ("--set", s)), *more]
    )


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


def test_the_encoder_learns_in_its_phase(run: Path, data: Path) -> None:
    before = load_file(data / "weights.safetensors")
    after = load_file(run / "state.safetensors")
    names = [name for name in before if name.startswith("features") and name.endswith(".weight")]
    still = [name for name in names if torch.equal(before[name], after[f"model.encoder.network.{name}"])]
    assert still == []
    statistics = [name for name in before if name.endswith("running_mean") and name.startswith("features")]
    assert all(torch.equal(before[name], after[f"model.encoder.network.{name}"]) for name in statistics)


@pytest.mark.parametrize("moment", range(1, 12))
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Killed at the n-th time the state is written, before or after the new one took the old one's place."""
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
        assert fit(data, tmp_path) == 130
    again = ["--resume"] if (tmp_path / "state.safetensors").exists() else []
    assert fit(data, tmp_path, *again) == 0
    assert steps(tmp_path) == steps(run)
    assert epochs(tmp_path) == epochs(run)
    ours, theirs = load_file(tmp_path / "state.safetensors"), load_file(run / "state.safetensors")
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert (tmp_path / "best" / "model.safetensors").read_bytes() == (run / "best" / "model.safetensors").read_bytes()


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


def test_a_run_that_diverges_stops_with_a_sentence(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(data, tmp_path, "--set", "phase.0.learning_rate=1e30") == 1
    assert "the loss is no longer a number; lower decoder's learning rates" in capsys.readouterr().err


def test_features_of_another_normalisation_are_other_features(small_config: ModelConfig) -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder(small_config.encoder, small_config.image)
    before = weights_key(encoder)
    encoder.std.fill_(0.5)
    assert weights_key(encoder) != before


def test_resuming_nothing_is_said(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(data, tmp_path, "--resume") == 2
    assert "no readable training state" in capsys.readouterr().err


def test_a_broken_photo_is_named_and_skipped(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(data, tmp_path, "--set", "phase.0.epochs=1") == 0
    skipped = [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 1
    assert "broken.png" in skipped[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.root=", "data.root is not set"),
        ("data.root=/nowhere", "/nowhere"),
        ("decoder.cel=lstm", "unknown key 'decoder.cel'"),
        ("decoder.heads=7", "hidden_size 16 is not a multiple of heads 7"),
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


def test_weights_may_be_a_classic_state_dict_but_nothing_that_runs(tmp_path: Path) -> None:
    encoder = ImageEncoder(ImageEncoderConfig(backbone="resnet18"), ImageConfig())
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    load_pretrained(encoder, EncoderSettings(backbone="resnet18", weights=str(tmp_path / "weights.pth")))
    torch.save({"network": Path("anything")}, tmp_path / "object.pth")
    with pytest.raises(UsageError, match="is no state dict"):
        load_pretrained(encoder, EncoderSettings(backbone="resnet18", weights=str(tmp_path / "object.pth")))


def test_batches_hold_every_photo_once_and_captions_of_one_length() -> None:
    lengths = np.random.default_rng(0).integers(5, 25, size=1000).tolist()
    lengths[17] = 0  # no caption
    groups = batches(lengths, 16, "a")
    assert sorted(photo for group in groups for photo in group) == [n for n in range(1000) if n != 17]
    spread = [max(lengths[photo] for photo in group) - min(lengths[photo] for photo in group) for group in groups]
    assert np.mean(spread) < 4
    assert batches(lengths, 16, "a") == groups
    assert batches(lengths, 16, "b") != groups


def test_crops_follow_from_their_seed_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    whole = crops(pixels, ["a", "b"], smallest=1)
    assert torch.equal(whole, torch.from_numpy(pixels).permute(0, 3, 1, 2))
    cut = crops(pixels, ["a", "b"], smallest=0.3)
    assert cut.shape == (2, 3, 40, 40)
    assert not torch.equal(cut, whole)
    assert torch.equal(crops(pixels[::-1], ["b", "a"], smallest=0.3).flip(0), cut)


def test_jitter_stays_in_range_and_can_be_switched_off() -> None:
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(jitter(images, "a", strength=0), images / 255)
    changed = jitter(images, "a", strength=0.5)
    assert not torch.allclose(changed, images / 255)
    assert 0 <= changed.min() <= changed.max() <= 1
    assert torch.equal(jitter(images, "a", strength=0.5), changed)


def test_captions_are_filled_up_with_padding() -> None:
    assert pad([[[1, 5, 2]], [[1, 2], [1, 6, 7, 2]]]).tolist() == [
        [[1, 5, 2, 0], [0, 0, 0, 0]],
        [[1, 2, 0, 0], [1, 6, 7, 2]],
    ]


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, 100, 10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == pytest.approx(1)
    assert rates[55] == pytest.approx(0.5)
    assert rates[-1] < 0.01
    assert learning_rate(0, 100, 0) == pytest.approx(1)


def test_an_average_forgets_its_random_start() -> None:
    update = exponential_average(0.99)
    average, value = [torch.tensor([100.0])], [torch.tensor([1.0])]
    for count in range(200):
        update(average, value, count)
    assert average[0].item() == pytest.approx(1, abs=0.01)
