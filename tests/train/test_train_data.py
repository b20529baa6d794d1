"""Parts of training: initial weights, batches, augmentation, captions as ids, learning rates."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file

from captioner import checkpoint
from captioner.checkpoint.weights import load_model
from captioner.config import ModelConfig
from captioner.datasets import CaptionedPhoto
from captioner.errors import UsageError
from captioner.inference import pad
from captioner.models.encoders import ImageEncoder
from tests.sentence_pairs import write_descriptions
from train.__main__ import main
from train.batches import batches
from train.optimizer import exponential_average, fitting_warmup, learning_rate
from train.photos.augmentation import crops, jitter, may_be_mirrored
from train.photos.config import EncoderSettings
from train.photos.data import PhotoSet, load_photos, read_texts
from train.photos.features import weights_key
from train.photos.pretrained import pretrained_encoder


def test_features_of_another_normalisation_are_other_features(small_config: ModelConfig) -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder(small_config.encoder, small_config.image)
    before = weights_key(encoder)
    encoder.std.fill_(0.5)
    assert weights_key(encoder) != before


def test_weights_are_a_safetensors_file_and_no_pickle(tmp_path: Path) -> None:
    weights = torchvision.models.resnet18(weights=None).state_dict()
    save_file(weights, tmp_path / "weights.safetensors")
    settings = EncoderSettings(backbone="resnet18", weights=str(tmp_path / "weights.safetensors"))
    found = pretrained_encoder(settings)
    assert all(torch.equal(value, weights[name]) for name, value in found.network.state_dict().items())
    for content in (weights, {"network": Path("anything")}):
        torch.save(content, tmp_path / "pickle.pth")
        with pytest.raises(
            UsageError, match=r"pickle\.pth is not a safetensors file .* convert a state dict that you trust with"
        ):
            pretrained_encoder(replace(settings, weights=str(tmp_path / "pickle.pth")))


def test_a_backbone_that_torchvision_has_no_weights_for_needs_a_file() -> None:
    with pytest.raises(UsageError, match=r"torchvision has no weights for efficientnet_v2_b0; give a safetensors file"):
        pretrained_encoder(EncoderSettings(backbone="efficientnet_v2_b0"))


def test_weights_may_be_a_models_encoder_but_no_other_networks() -> None:
    ours = pretrained_encoder(EncoderSettings(backbone="efficientnet_v2_b0", weights="photo-en"))
    found = load_model(checkpoint.read("photo-en")).encoder.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in ours.state_dict().items())
    with pytest.raises(UsageError, match=r"photo-en: not weights of resnet18: .* is missing or has another shape"):
        pretrained_encoder(EncoderSettings(backbone="resnet18", weights="photo-en"))


def test_texts_are_captions_of_photos_that_are_not_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_descriptions(tmp_path / "task2", {"train": ["A dog.", "Held out."], "val": ["Two cats."]}, "en")
    (tmp_path / "captions.json").write_text('[{"file": "1_a.jpg", "split": "dev", "captions": ["A bird."]}]')
    command = ["multi30k", "texts", str(tmp_path / "texts.txt"), "--data", str(tmp_path), "--held-out", str(tmp_path)]
    assert main(command) == 0
    assert read_texts([str(tmp_path / "texts.txt")]) == ["A dog."] * 5 + ["Two cats."] * 5
    assert "10 captions in" in capsys.readouterr().out
    assert main(command) == 4
    assert "texts.txt: cannot be written (File exists)" in capsys.readouterr().err


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
    assert crops(pixels, ["a", "b"], smallest=1, side=24).shape == (2, 3, 24, 24)
    smaller = crops(pixels, ["a", "b"], smallest=0.3, side=40)
    assert torch.equal(smaller, cut)


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


@pytest.mark.parametrize(
    ("steps", "warmup", "fitting"), [(200, 100, 100), (199, 100, 19), (14, 100, 1), (1, 1, 1), (9, 0, 0)]
)
def test_a_warm_up_is_never_longer_than_half_a_run(steps: int, warmup: int, fitting: int) -> None:
    assert fitting_warmup(warmup, steps) == fitting
    assert max(learning_rate(step, steps, warmup) for step in range(steps)) == pytest.approx(1)


def test_an_average_forgets_its_random_start() -> None:
    update = exponential_average(0.99)
    average, value = [torch.tensor([100.0])], [torch.tensor([1.0])]
    for count in range(200):
        update(average, value, count)
    assert average[0].item() == pytest.approx(1, abs=0.01)


def test_photos_whose_captions_know_left_and_right_are_not_mirrored() -> None:
    assert may_be_mirrored(["a dog", "a bright light"])
    assert not may_be_mirrored(["a dog", "A man on the Left."])
    assert not may_be_mirrored(["a left-handed pitcher"])
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    plain = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    seen = [crops(pixels, [f"{n}a", f"{n}b"], smallest=1, mirror=[True, False]) for n in range(20)]
    assert all(torch.equal(views[1], plain[1]) for views in seen)
    mirrored = [torch.equal(views[0], plain[0].flip(-1)) for views in seen]
    assert 0 < sum(mirrored) < 20
    assert all(torch.equal(views[0], plain[0]) for views, flipped in zip(seen, mirrored, strict=True) if not flipped)


def test_a_copy_of_the_photos_is_decoded_anew_and_still_the_same_photos(
    tmp_path: Path, photos: dict[str, Path]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    records = [CaptionedPhoto(id=path.name, file=path.name, captions=("a",)) for path in photos.values()]
    for path in photos.values():
        shutil.copy(path, here)
    shutil.copytree(here, there, copy_function=shutil.copyfile)  # with times of their own
    os.utime(there / records[0].file, (0, 0))

    def load(images: Path, records: list[CaptionedPhoto]) -> PhotoSet:
        return load_photos(records, images, size=8, cache=tmp_path / "cache", name="train")

    first, copy = load(here, records), load(there, records)
    assert copy.key != first.key
    assert copy.names == first.names
    assert load(there, [replace(one, file=str(here / one.file)) for one in records]).names == first.names
    with (there / records[0].file).open("ab") as file:
        file.write(b"more")
    assert load(there, records).names != first.names
    assert load(here, records[1:]).names != first.names


def test_a_damaged_text_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"captions": 7}\n')
    with pytest.raises(UsageError, match=r"texts\.jsonl contains no readable captions"):
        read_texts([str(path)])
    with pytest.raises(UsageError, match=r"none\.txt"):
        read_texts([str(tmp_path / "none.txt")])
