"""Int8 inference is close to float32, independent of the batch, and imports less."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from PIL import Image
from skimage import data
from torch import nn

from captioner import checkpoint
from captioner.checkpoint.weights import load_model
from captioner.cli import main as captioner_command
from captioner.errors import ModelError, UsageError
from captioner.inference import find_precision
from captioner.models.quantized import Affine, QuantizedLinear, QuantizedLSTMCell, is_supported
from captioner.predict import Captioner
from train.__main__ import main as train

CPU = torch.device("cpu")
needs_int8 = pytest.mark.skipif(not is_supported(), reason="this processor has no VNNI instructions")


@pytest.fixture(scope="module")
def models() -> dict[str, Captioner]:
    return {name: Captioner.load("photo-en", device="cpu", precision=name) for name in ("int8", "float32")}


@needs_int8
def test_grids_and_captions_are_close_to_those_of_float32(models: dict[str, Captioner]) -> None:
    photos = [models["int8"].prepare(_pil(name)) for name in ("astronaut", "chelsea", "coffee", "rocket")]
    vectors = {name: one._encode(photos).values for name, one in models.items()}
    likeness = F.cosine_similarity(vectors["int8"].flatten(1), vectors["float32"].flatten(1))
    assert likeness.min() > 0.95
    texts = [[caption.text] for caption in models["float32"].caption_batch(photos)]
    words = [text[0].rstrip(".").lower().split() for text in texts]
    assert all(len(one) > 3 for one in words)
    found = {name: np.ravel(one.log_probs(photos, texts)) for name, one in models.items()}
    assert np.abs(found["int8"] - found["float32"]).max() < 2.5  # of about -10


@needs_int8
def test_the_photos_of_a_batch_do_not_change_each_other(models: dict[str, Captioner]) -> None:
    photos = [models["int8"].prepare(_pil(name)) for name in ("astronaut", "chelsea", "coffee", "rocket", "camera")]
    together = models["int8"].caption_batch(photos)
    for photo, caption in zip(photos, together, strict=True):
        alone = models["int8"].caption_batch([photo])[0]
        assert (alone.text, alone.log_prob) == (caption.text, caption.log_prob)  # bit for bit


@needs_int8
def test_matrices_and_cells_compute_what_they_did() -> None:
    torch.manual_seed(0)
    linear, cell = nn.Linear(40, 30), nn.LSTMCell(40, 20)
    inputs, state = torch.rand(6, 40) * 4 - 2, (torch.rand(6, 20) * 2 - 1, torch.rand(6, 20) * 2 - 1)
    with torch.inference_mode():
        assert torch.allclose(QuantizedLinear(linear, (-2, 2))(inputs), linear(inputs), atol=0.03)
        small = QuantizedLSTMCell(cell, inputs=(-2, 2), state=(-1, 1))
        for found, expected in zip(small(inputs, state), cell(inputs, state), strict=True):
            assert torch.allclose(found, expected, atol=0.03)


def test_bytes_hold_zero_exactly_and_cut_what_is_out_of_range() -> None:
    affine = Affine.over(-1, 3)
    values = affine.quantize(torch.tensor([0.0, -1.0, 3.0, 50.0, -50.0]))
    assert values.dtype == torch.uint8
    assert values.tolist() == [affine.zero, 0, 255, 255, 0]
    assert Affine.over(2, 3).zero == 0  # with 0


@needs_int8
def test_int8_needs_neither_torchvision_nor_the_compiler() -> None:
    code = (
        "import sys, numpy, PIL.Image, captioner\n"
        "model = captioner.load(device='cpu')\n"
        "assert model.precision == 'int8', model.precision\n"
        "model.caption(PIL.Image.fromarray(numpy.zeros((64, 64, 3), 'uint8')))\n"
        "assert not {'torchvision', 'torch._dynamo'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_precision_is_chosen_by_name_and_refused_in_a_sentence() -> None:
    assert find_precision("float32", CPU, prepared=True) == "float32"
    assert find_precision("auto", CPU, prepared=False) == "float32"
    assert find_precision("auto", torch.device("meta"), prepared=True) == "float32"
    assert find_precision("auto", CPU, prepared=True) == ("int8" if is_supported() else "float32")
    with pytest.raises(UsageError, match="'int4' is unknown; known: auto, int8, float32"):
        find_precision("int4", CPU, prepared=True)
    with pytest.raises(UsageError, match="int8: the checkpoint was not prepared for it"):
        find_precision("int8", CPU, prepared=False)
    with pytest.raises(UsageError, match="VNNI"):
        find_precision("int8", torch.device("meta"), prepared=True)


def test_info_names_the_precision_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert captioner_command(["info", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["precision"] == Captioner.load("photo-en", device="cpu").precision


def test_ranges_that_are_no_ranges_are_a_damaged_checkpoint(tmp_path: Path) -> None:
    for wrong in ([1], [2, 1], ["a", "b"], [0, float("inf")], 3):
        _with_ranges(tmp_path, {"encoder.network.features.0.0": wrong})
        with pytest.raises(ModelError, match=r"ranges.encoder.network.features.0.0 is not a pair of finite numbers"):
            checkpoint.read(tmp_path)


@needs_int8
def test_a_range_that_is_missing_is_named(tmp_path: Path) -> None:
    ranges = dict(checkpoint.read("photo-en").ranges)
    del ranges["encoder.network.features.7.0"]
    _with_ranges(tmp_path, ranges)
    with pytest.raises(ModelError, match=r"int8: 'network.features.7.0' is missing"):
        load_model(checkpoint.read(tmp_path), quantized=True)


def test_the_trainer_measures_ranges_on_training_photos(tmp_path: Path) -> None:
    photos, model = tmp_path / "photos", tmp_path / "model"
    (photos / "images").mkdir(parents=True)
    for name in ("astronaut", "coffee"):
        _pil(name).save(photos / "images" / f"{name}.png")
    splits = {"astronaut": "train", "coffee": "dev"}
    rows = [{"file": f"{name}.png", "captions": ["a thing"], "split": split} for name, split in splits.items()]
    (photos / "captions.json").write_text(json.dumps(rows))
    model.mkdir()
    _with_ranges(model, {})
    before = checkpoint.digest(checkpoint.read(model))
    assert train(["quantize", str(model), "--data", str(photos), "--photos", "2"]) == 0
    read = checkpoint.read(model)
    assert set(read.ranges) == set(checkpoint.read("photo-en").ranges)
    least, greatest = read.ranges["decoder.cells.0.state"]
    assert -1 <= least < 0 < greatest <= 1  # an LSTM's output
    assert all(low >= -0.2785 for name, (low, _) in read.ranges.items() if name.endswith("block.3.0"))  # SiLU's minimum
    assert checkpoint.digest(read) != before


def _with_ranges(path: Path, ranges: object) -> None:
    """Copy the embedded model, with other ranges."""
    source = checkpoint.find("photo-en")
    for name in ("vocabulary.json", "model.safetensors"):
        shutil.copy(source / name, path / name)
    config = json.loads((source / "config.json").read_text()) | {"ranges": ranges}
    (path / "config.json").write_text(json.dumps(config))


def _pil(name: str) -> Image.Image:
    return Image.fromarray(getattr(data, name)()).convert("RGB")
