"""The TensorBoard logs of a run."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import captioner
from captioner import checkpoint
from captioner.checkpoint.weights import load_model
from captioner.datasets import CaptionedPhoto
from captioner.images import open_image, to_pixels
from captioner.predict import Caption
from train.board import Board, draw_attention
from train.objectives import PhaseSettings
from train.photos.config import DataSettings, TrainConfig
from train.photos.data import PhotoSet
from train.photos.validation import sample_captions

CAPTION = Caption(
    text="A cat.",
    tokens=("a", "cat"),
    log_prob=-1.0,
    confidence=0.5,
    alternatives=(),
    attention=((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
    grid=(2, 2),
    width=64,
    height=64,
)


def written(directory: Path) -> EventAccumulator:
    events = EventAccumulator(str(directory / "board"))
    events.Reload()
    return events


def test_scores_and_losses_are_scalars(tmp_path: Path) -> None:
    board = Board(tmp_path)
    for step in (1, 2):
        board.scalars("step", {"step": step, "loss": 4.0 / step, "norm": 1.0, "rate": 0.5})
    board.scalars("epoch", {"phase": "decoder", "epoch": 1, "step": 2, "loss": 3.0, "CIDEr": 0.5})
    board.close()
    events = written(tmp_path)
    assert events.Tags()["scalars"] == ["step/loss", "step/norm", "step/rate", "epoch/loss", "epoch/CIDEr"]
    assert [(event.step, event.value) for event in events.Scalars("step/loss")] == [(1, 4.0), (2, 2.0)]
    assert [(event.step, event.value) for event in events.Scalars("epoch/CIDEr")] == [(2, 0.5)]


def test_what_an_interrupted_run_wrote_too_much_no_longer_counts(tmp_path: Path) -> None:
    board = Board(tmp_path)
    for step in range(1, 6):
        board.scalars("step", {"step": step, "loss": 1.0})
    board.close()
    again = Board(tmp_path, step=3)
    again.scalars("step", {"step": 4, "loss": 2.0})
    again.close()
    assert [(event.step, event.value) for event in written(tmp_path).Scalars("step/loss")] == [
        (1, 1.0),
        (2, 1.0),
        (3, 1.0),
        (4, 2.0),
    ]


def test_captions_come_with_where_the_model_looked(
    tmp_path: Path, photos: dict[str, Path], small_checkpoint: Path
) -> None:
    model = captioner.load(small_checkpoint, device="cpu")
    pixels = to_pixels(open_image(photos["chelsea"]).image, 64)
    caption = model.caption(photos["chelsea"], captioner.DecodingOptions(min_length=3), attention=True)
    board = Board(tmp_path)
    board.samples(7, [pixels], [caption])
    board.close()
    [event] = written(tmp_path).Images("sample/0")
    assert event.step == 7
    (tmp_path / "sample.png").write_bytes(event.encoded_image_string)
    with Image.open(tmp_path / "sample.png") as image:
        assert (np.asarray(image) == draw_attention(pixels, caption)).all()


def test_a_model_in_training_captions_samples(small_checkpoint: Path, photos: dict[str, Path]) -> None:
    read = checkpoint.read(small_checkpoint)
    config = TrainConfig(
        name="small", data=DataSettings(), phase=(PhaseSettings(name="all", epochs=1),), decoding=read.decoding
    )
    pixels = np.stack([to_pixels(open_image(path).image, 64) for path in photos.values()])
    records = tuple(CaptionedPhoto(name, name, ("A photo",)) for name in photos)
    shown, captions = sample_captions(
        load_model(read), PhotoSet(records, pixels, "", "", ()), config, read.vocabulary, count=2
    )
    assert np.array_equal(shown, pixels[:2])
    expected = captioner.load(small_checkpoint, device="cpu").caption_batch(list(photos.values())[:2])
    assert [caption.text for caption in captions] == [caption.text for caption in expected]
    assert [len(caption.attention or ()) for caption in captions] == [len(caption.tokens) for caption in captions]


def test_a_photo_is_bright_where_the_model_looked() -> None:
    drawn = draw_attention(np.full((64, 64, 3), 200, np.uint8), CAPTION).astype(int)
    photo, first, second = (drawn[20:180, left : left + 160, 0] for left in (0, 160, 320))
    assert (photo == 200).all()
    assert first[:40, :40].mean() > 190 > 40 > first[-40:, -40:].mean()
    assert second[-40:, -40:].mean() > 190 > 40 > second[:40, :40].mean()
    assert (drawn[:20] < 100).any()  # the caption
    assert (drawn[180:, 160:320] < 100).any()  # and the word


def test_a_caption_of_no_words_shows_its_photo() -> None:
    empty = dataclasses.replace(CAPTION, text="", tokens=(), attention=(), grid=None)
    assert (draw_attention(np.full((64, 64, 3), 200, np.uint8), empty)[20:180, :160] == 200).all()


def test_a_missing_tensorboard_is_said_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.delattr(torch.utils, "tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    board = Board(tmp_path)
    board.scalars("step", {"step": 1, "loss": 1.0})
    board.samples(1, [np.zeros((8, 8, 3), np.uint8)], [CAPTION])
    board.close()
    assert "install it with: pip install -r train/requirements.txt" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
