"""Models that generate from right to left: loading, training and distillation."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import captioner
from captioner import DecodingOptions, UsageError, checkpoint
from captioner.checkpoint.weights import load_model
from captioner.config import TextConfig
from captioner.datasets import CaptionedPhoto
from captioner.text import Tokenizer
from tests.training_runs import save_other
from train.objectives import PhaseSettings
from train.objectives.distillation import Teachers
from train.photos.config import DataSettings, TrainConfig
from train.photos.corpus import read_corpus
from train.photos.validation import caption_photos

WIDE = DecodingOptions(beam_size=5, num_captions=5, max_length=7, no_repeat_ngram=3)


@pytest.fixture
def backwards(small_checkpoint: Path) -> Path:
    """The small model with other weights, configured to generate from right to left."""
    path = small_checkpoint.with_name("backwards")
    shutil.copytree(small_checkpoint, path)
    config = json.loads((path / checkpoint.CONFIG).read_text())
    config["model"]["text"]["direction"] = "right-to-left"
    (path / checkpoint.CONFIG).write_text(json.dumps(config))
    return save_other(path, path)


def test_a_model_from_right_to_left_is_read_from_left_to_right(backwards: Path, photos: dict[str, Path]) -> None:
    caption = captioner.load(backwards, device="cpu").caption(photos["coffee"], DecodingOptions(min_length=4))
    assert caption.text == Tokenizer().detokenize(caption.tokens[::-1])
    assert caption.text != Tokenizer().detokenize(caption.tokens)


# ------------------------------------------------------------------------------------------------------------- training


def test_captions_are_learned_from_right_to_left(backwards: Path, photos: dict[str, Path], tmp_path: Path) -> None:
    records = [
        CaptionedPhoto(id=name, file=str(path), captions=("A dog on the beach.",)) for name, path in photos.items()
    ]
    read = checkpoint.read(backwards)
    config = TrainConfig(
        name="backwards",
        data=DataSettings(root=str(tmp_path), cache=str(tmp_path / "cache"), min_count=1),
        phase=(PhaseSettings(name="decoder", epochs=1),),
        image=read.config.image,
        text=TextConfig(direction="right-to-left"),
        decoding=WIDE,
    )
    corpus = read_corpus(config, {"train": records[:3], "validation": records[3:]}, read, [])
    assert corpus.words[0] == [["beach", "the", "on", "dog", "a"]]
    model = captioner.load(backwards, device="cpu")
    said = caption_photos(load_model(read), corpus.validation, config, read.vocabulary, torch.no_grad())
    assert said == {record.id: model.caption(record.file, WIDE).text for record in records[3:]}


def test_teachers_write_in_the_students_direction(small_checkpoint: Path) -> None:
    teacher = checkpoint.read(small_checkpoint)
    with pytest.raises(UsageError, match="small writes left-to-right, unlike the other models"):
        Teachers([teacher], teacher.vocabulary, TextConfig(direction="right-to-left"), torch.device("cpu"))
    assert Teachers([teacher], teacher.vocabulary, teacher.config.text, torch.device("cpu")).encoders
