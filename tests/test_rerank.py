"""A second model's say: sentences from right to left, their probability, and the order that two models agree on."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import captioner
from captioner import Captioner, DecodingOptions, UsageError, checkpoint
from captioner.checkpoint.weights import load_model
from captioner.cli import main
from captioner.config import TextConfig
from captioner.decoding import Hypothesis
from captioner.evaluation.data import CaptionedPhoto
from captioner.inference import agreed
from captioner.text import Tokenizer
from train.objectives import PhaseSettings
from train.objectives.distillation import Teachers
from train.photos.config import DataSettings, TrainConfig
from train.photos.corpus import read_corpus
from train.photos.validation import caption_photos

WIDE = DecodingOptions(beam_size=5, num_captions=5, max_length=7, no_repeat_ngram=3)


@pytest.fixture
def backwards(small_checkpoint: Path) -> Path:
    """The small model with other weights, which are taken for those of one that writes from right to left."""
    path = small_checkpoint.with_name("backwards")
    shutil.copytree(small_checkpoint, path)
    config = json.loads((path / checkpoint.CONFIG).read_text())
    config["model"]["text"]["direction"] = "right-to-left"
    (path / checkpoint.CONFIG).write_text(json.dumps(config))
    read = checkpoint.read(path)
    model = load_model(read)
    torch.manual_seed(1)
    for parameter in model.decoder.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.5)
    facts = {"decoding": read.decoding, "scores": {}, "training": {}, "card": ""}
    checkpoint.save(path, model, vocabulary=read.vocabulary, **facts)  # type: ignore[arg-type]
    return path


def test_a_model_from_right_to_left_is_read_from_left_to_right(backwards: Path, photos: dict[str, Path]) -> None:
    caption = captioner.load(backwards, device="cpu").caption(photos["coffee"], DecodingOptions(min_length=4))
    assert caption.text == Tokenizer().detokenize(caption.tokens[::-1])
    assert caption.text != Tokenizer().detokenize(caption.tokens)


def test_a_sentence_is_as_probable_as_when_it_was_written(photos: dict[str, Path]) -> None:
    model = captioner.load(device="cpu")
    files = [photos["rocket"], photos["chelsea"]]
    captions = model.caption_batch(files, DecodingOptions(beam_size=4, num_captions=4))
    captions[1] = dataclasses.replace(captions[1], alternatives=captions[1].alternatives[:2])  # fewer, and shorter
    said = model.log_probs(files, [[one.text for one in caption.alternatives] for caption in captions])
    for found, caption in zip(said, captions, strict=True):
        assert found == pytest.approx([one.log_prob for one in caption.alternatives], abs=1e-3)
    assert model.log_probs(files[:1], [["A xyzzy."]])[0][0] < 0


def test_two_models_agree_by_the_sum_of_what_they_hold_probable() -> None:
    found = [Hypothesis((5,) * n, log_prob, log_prob / n, finished=True) for n, log_prob in ((2, -4.0), (4, -8.4))]
    assert agreed(found, [-4.0, -4.0]) == found[::-1]  # −8 / 2 below −12.4 / 4
    assert agreed(found, [-4.0, -9.0]) == found
    sure = Hypothesis((5,), 0.0, 0.0, finished=True)
    assert agreed([*found, sure], [-4.0, -4.0, -1.0])[0] is sure


def test_captions_come_in_the_order_that_both_models_find(
    small_checkpoint: Path, backwards: Path, photos: dict[str, Path]
) -> None:
    model, second = (captioner.load(path, device="cpu") for path in (small_checkpoint, backwards))
    both = captioner.load(small_checkpoint, device="cpu", rerank=backwards)
    files = list(photos.values())
    found, reranked = (one.caption_batch(files, WIDE, attention=True) for one in (model, both))
    best = both.caption_batch(files, dataclasses.replace(WIDE, num_captions=1))
    moved = 0
    for file, before, after, first in zip(files, found, reranked, best, strict=True):
        opinions = second.log_probs([file], [[one.text for one in before.alternatives]])[0]
        lengths = [((5 + len(one.tokens) + 1) / 6) ** WIDE.length_penalty for one in before.alternatives]
        together = [(one.log_prob + o) / n for one, o, n in zip(before.alternatives, opinions, lengths, strict=True)]
        assert [one.text for one in after.alternatives] == [
            before.alternatives[place].text for place in np.argsort(together)[::-1]
        ]
        assert first.text == after.text
        assert len(first.alternatives) == 1
        own = next(one for one in before.alternatives if one.text == after.text)
        assert after.log_prob == pytest.approx(own.log_prob, abs=1e-4)
        assert after.attention is not None
        assert len(after.attention) == len(after.tokens)
        moved += after.text != before.text
    assert moved


def test_models_that_read_other_photos_cannot_agree(small_checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="reads photos of another size"):
        Captioner.load(device="cpu", rerank=small_checkpoint)


def test_the_command_line_reranks(
    small_checkpoint: Path,
    backwards: Path,
    photos: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = captioner.load(small_checkpoint, device="cpu", rerank=backwards)
    flags = ["--model", str(small_checkpoint), "--rerank", str(backwards), "--device", "cpu"]
    assert main(["caption", str(photos["coffee"]), *flags]) == 0
    assert capsys.readouterr().out.strip() == both.caption(photos["coffee"]).text
    annotations = tmp_path / "annotations.json"
    annotations.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": photos["coffee"].name}],
                "annotations": [{"image_id": 1, "caption": "a cup"}],
            }
        )
    )
    images = str(photos["coffee"].parent)
    evaluate = ["evaluate", "--annotations", str(annotations), "--images", images, "--format", "json", *flags]
    assert main(evaluate) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["rerank"] == "backwards"
    assert main(["caption", str(photos["coffee"]), *flags, "--engine", "ray"]) == 2
    assert "--rerank needs both models in one process" in capsys.readouterr().err
    assert main(["caption", str(photos["coffee"]), "--rerank", str(tmp_path / "none")]) == 3


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
    with pytest.raises(UsageError, match="small writes left-to-right, unlike the models"):
        Teachers([teacher], teacher.vocabulary, TextConfig(direction="right-to-left"), torch.device("cpu"))
    assert Teachers([teacher], teacher.vocabulary, teacher.config.text, torch.device("cpu")).encoders
