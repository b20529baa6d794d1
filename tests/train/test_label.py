"""Captions by an ensemble of models for photos without captions."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch

import captioner
from captioner import DecodingOptions, checkpoint
from captioner.checkpoint.weights import load_model
from captioner.text import BOS, EOS
from tests.training_runs import save_other
from train.__main__ import main
from train.objectives.distillation import Teachers
from train.photos.config import DataSettings
from train.photos.data import read_splits


@pytest.fixture
def unlabelled(tmp_path: Path, photos: dict[str, Path]) -> Path:
    directory = tmp_path / "unlabelled"
    (directory / "images" / "more").mkdir(parents=True)
    shutil.copy(photos["coffee"], directory / "images")
    shutil.copy(photos["rocket"], directory / "images" / "more")
    (directory / "images" / "broken.jpg").write_bytes(b"no photo")
    return directory


@pytest.fixture
def another(small_checkpoint: Path) -> Path:
    """The small model with other weights in its decoder."""
    return save_other(small_checkpoint, small_checkpoint.with_name("another"))


def label(directory: Path, *models: Path, captions: int = 1) -> int:
    named = [word for model in models for word in ("--model", str(model))]
    return main(["label", str(directory), *named, "--captions", str(captions), "--cache", str(directory / "cache")])


def test_labels_are_the_models_captions_and_a_run_reads_them(
    unlabelled: Path, small_checkpoint: Path, photos: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert label(unlabelled / ".." / unlabelled.name, small_checkpoint, captions=2) == 0
    said = capsys.readouterr()
    assert Path(said.out.strip()).samefile(unlabelled / "labels.json")
    assert "broken.jpg" in said.err
    people = unlabelled.with_name("people")
    people.mkdir()
    (people / "captions.csv").write_text("file,caption,split\ncat.jpg,a cat,train\ndog.jpg,a dog,dev\n")
    data = DataSettings(root=str(people), also=(str(unlabelled / "labels.json"),))
    model = captioner.load(small_checkpoint, device="cpu")
    options = DecodingOptions(beam_size=2, num_captions=2, max_length=7)
    expected = {
        str(unlabelled / "images" / file): tuple(one.text for one in model.caption(photos[name], options).alternatives)
        for file, name in (("coffee.png", "coffee"), ("more/rocket.jpg", "rocket"))
    }
    assert {photo.file: photo.captions for photo in read_splits(data)["train"]} == {"cat.jpg": ("a cat",)} | expected
    assert label(unlabelled, small_checkpoint) == 2
    assert "already exists" in capsys.readouterr().err


def test_several_models_write_what_they_hold_probable_on_average(
    unlabelled: Path, small_checkpoint: Path, another: Path
) -> None:
    first, second = checkpoint.read(small_checkpoint), checkpoint.read(another)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    options = DecodingOptions(beam_size=3, max_length=5)
    together = Teachers([first, second], first.vocabulary, first.config.text, torch.device("cpu"))
    for photo, (best, *_) in zip(images, together.generate(images, options), strict=True):
        tokens = [BOS, *best.tokens, *([EOS] if best.finished else [])]
        said = []
        for model in map(load_model, (first, second)):
            forced = model.decoder(model.encoder(photo[None]), torch.tensor([[tokens[:-1]]]))
            said.append(forced.logits[0, 0].log_softmax(-1)[range(len(tokens) - 1), tokens[1:]])
        expected = torch.logaddexp(*said) - math.log(2)
        assert best.log_prob == pytest.approx(expected.sum().item(), abs=1e-3)
    assert label(unlabelled, small_checkpoint, another) == 0
    data = json.loads((unlabelled / "labels.json").read_text())
    assert data["info"]["description"] == "written by models, not by people: small, another"
    assert len(data["annotations"]) == 2


def test_one_model_twice_writes_what_it_writes_alone(small_checkpoint: Path) -> None:
    read = checkpoint.read(small_checkpoint)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    once, twice = (
        Teachers([read] * count, read.vocabulary, read.config.text, torch.device("cpu")).generate(
            images, DecodingOptions()
        )
        for count in (1, 2)
    )
    assert [one[0].tokens for one in once] == [one[0].tokens for one in twice]


def test_a_folder_without_photos_is_told(
    tmp_path: Path, small_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert label(tmp_path, small_checkpoint) == 2
    assert "no readable photo" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        label(tmp_path)


def test_models_that_do_not_fit_together_are_refused(
    unlabelled: Path, small_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert label(unlabelled, small_checkpoint, Path("photo-en")) == 2
    assert "photos of different sizes" in capsys.readouterr().err
