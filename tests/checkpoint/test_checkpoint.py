"""Checkpoints: round trips lose nothing, and damaged or foreign files are refused."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from captioner import checkpoint
from captioner.checkpoint.weights import load_model
from captioner.config import ModelConfig, from_mapping, to_mapping
from captioner.decoding import DecodingOptions
from captioner.errors import ModelError, OutputError
from captioner.files import replacing
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.text import SPECIAL_TOKENS, Vocabulary


def save(path: Path, model: EncoderDecoder) -> None:
    size = model.config.decoder.vocabulary_size - len(SPECIAL_TOKENS)
    checkpoint.save(
        path,
        model,
        vocabulary=Vocabulary((*SPECIAL_TOKENS, *(f"w{n}" for n in range(size)))),
        decoding=DecodingOptions(),
        scores={},
        training={},
        card="",
    )


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; a value None deletes the key."""
    data = json.loads(path.read_text())
    for key, value in changes.items():
        *inner, last = key.split("__")
        place = data
        for part in inner:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    path.write_text(json.dumps(data))


@pytest.mark.parametrize("tie", [False, True])
def test_every_weight_survives_the_round_trip(tmp_path: Path, small_config: ModelConfig, tie: bool) -> None:
    data = to_mapping(small_config)
    data["decoder"]["tie_weights"] = tie
    model = EncoderDecoder(from_mapping(ModelConfig, data, where="test"))
    with torch.no_grad():
        for value in model.state_dict().values():
            value.copy_(torch.rand(value.shape).half() if value.is_floating_point() else value + 7)
    save(tmp_path, model)
    loaded = load_model(checkpoint.read(tmp_path))
    assert loaded.config == model.config
    expected = model.state_dict()
    assert list(loaded.state_dict()) == list(expected)
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)
    for name, value in loaded.named_buffers():  # including those that are not saved
        torch.testing.assert_close(value, dict(model.named_buffers())[name], rtol=0, atol=0)
    assert not any(value.requires_grad for value in loaded.parameters())


def test_tied_weights_are_stored_once(tmp_path: Path, small_config: ModelConfig) -> None:
    data = to_mapping(small_config)
    data["decoder"]["tie_weights"] = True
    save(tmp_path, EncoderDecoder(from_mapping(ModelConfig, data, where="test")))
    assert "decoder.classify.weight" not in load_file(tmp_path / "model.safetensors")
    loaded = load_model(checkpoint.read(tmp_path))
    assert loaded.decoder.classify.weight is loaded.decoder.embedding.weight


def test_weights_are_half_precision_on_disk_and_single_in_memory(small_checkpoint: Path) -> None:
    stored = load_file(small_checkpoint / "model.safetensors")
    assert {value.dtype for value in stored.values() if value.is_floating_point()} == {torch.float16}
    model = load_model(checkpoint.read(small_checkpoint))
    assert {value.dtype for value in model.parameters()} == {torch.float32}


def test_everything_but_the_weights_is_read_back(small_checkpoint: Path) -> None:
    read = checkpoint.read(small_checkpoint)
    assert read.decoding == DecodingOptions(beam_size=2, max_length=7)
    assert read.scores == {"validation": {"Bleu_4": 0.1}}
    assert read.vocabulary.tokens[:5] == (*SPECIAL_TOKENS, "a")
    assert (small_checkpoint / "README.md").read_text() == "# small\n"


def spoil_weights(path: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    weights, name = load_file(path / "model.safetensors"), "decoder.cells.0.bias_hh"
    save_file({**weights, name: change(weights[name])}, path / "model.safetensors")


DAMAGES = {
    "no config": (lambda path: (path / "config.json").unlink(), r"config\.json: the file is missing"),
    "no vocabulary": (lambda path: (path / "vocabulary.json").unlink(), r"vocabulary\.json: the file is missing"),
    "no weights": (lambda path: (path / "model.safetensors").unlink(), r"model\.safetensors: the weights are missing"),
    "cut config": (lambda path: (path / "config.json").write_text('{"format'), r"config\.json: not readable as JSON"),
    "not UTF-8": (lambda path: (path / "config.json").write_bytes(b'"\xff"'), r"config\.json: not readable as JSON"),
    "a list": (lambda path: (path / "config.json").write_text("[]"), r"config\.json: format None is unknown"),
    "format": (lambda path: edit(path / "config.json", format="captioner/9"), r"format 'captioner/9' is unknown"),
    "key": (lambda path: edit(path / "config.json", extra=1), r"unknown key 'extra'"),
    "no model": (lambda path: edit(path / "config.json", model=None), r"model: 'encoder' is missing"),
    "cell": (lambda path: edit(path / "config.json", model__decoder__cell="x"), r"model: decoder\.cell: .*not 'x'"),
    "backbone": (lambda path: edit(path / "config.json", model__encoder__backbone="vgg"), r"encoder\.backbone"),
    "decoding": (lambda path: edit(path / "config.json", decoding__beam_size=0), r"decoding: beam_size"),
    "decoding list": (lambda path: edit(path / "config.json", decoding=[]), r"'decoding' is not an object"),
    "vocabulary size": (
        lambda path: edit(path / "config.json", model__decoder__vocabulary_size=99),
        r"vocabulary\.json has 12 tokens, but decoder\.vocabulary_size in config\.json is 99",
    ),
    "vocabulary": (lambda path: edit(path / "vocabulary.json", tokens=["a"]), r"vocabulary\.json: .*begins with"),
    "shape": (
        lambda path: edit(path / "config.json", model__decoder__hidden_size=32),
        r"model\.safetensors: decoder\.\S+ has shape \(16.*, expected \(32",
    ),
    "fewer weights": (
        lambda path: edit(path / "config.json", model__decoder__layers=1),
        r"model\.safetensors: decoder\.combine\.bias is missing",
    ),
    "std of 0": (lambda path: edit(path / "config.json", model__image__std=[0, 1, 1]), r"model: image\.std\.0"),
    "scores": (lambda path: edit(path / "config.json", scores={"x": 0.1}), r"scores\.x is not an object of numbers"),
    "deep": (lambda path: (path / "config.json").write_text("[" * 100_000), r"config\.json: not readable as JSON"),
    "no number": (
        lambda path: spoil_weights(path, lambda value: value * float("nan")),
        r"decoder\.cells\.0\.bias_hh has NaN or infinite values; the checkpoint is probably corrupt",
    ),
    "type": (lambda path: spoil_weights(path, lambda value: value.int()), r"bias_hh has type torch\.int32"),
    "not safetensors": (
        lambda path: (path / "model.safetensors").write_bytes(b"x" * 100),
        r"model\.safetensors: not a readable safetensors file",
    ),
    "cut weights": (
        lambda path: (path / "model.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:-10]),
        r"model\.safetensors: not a readable safetensors file",
    ),
    "a pickle": (
        lambda path: (path / "model.safetensors").write_bytes(pickle.dumps({"weights": [1.0]})),
        r"not a readable safetensors file .*no other format is loaded",
    ),
    "a torch file": (
        lambda path: torch.save({"x": torch.zeros(1)}, path / "model.safetensors"),
        r"not a readable safetensors file",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_named_in_one_sentence(small_checkpoint: Path, damage: str) -> None:
    spoil, message = DAMAGES[damage]
    spoil(small_checkpoint)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(checkpoint.read(small_checkpoint))
    assert "\n" not in str(caught.value)


def test_weights_of_no_part_are_refused(small_checkpoint: Path) -> None:
    path = small_checkpoint / "model.safetensors"
    save_file({**load_file(path), "decoder.extra": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match=r"decoder\.extra does not belong to this model"):
        load_model(checkpoint.read(small_checkpoint))


def test_an_unknown_name_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such checkpoint directory or embedded model \(embedded: .*photo-en"):
        checkpoint.find("photo-xx")
    with pytest.raises(ModelError, match="no such checkpoint"):
        checkpoint.find(tmp_path / "none")


def test_what_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path, small_config: ModelConfig) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save(tmp_path / "file" / "inside", EncoderDecoder(small_config))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_the_embedded_model_is_complete_and_small() -> None:
    read = checkpoint.read()
    files = {name: size for name, size, _ in checkpoint.files(read.path)}
    assert set(files) == {"config.json", "vocabulary.json", "model.safetensors", "README.md"}
    assert sum(files.values()) <= 25_000_000
    assert read.scores["Flickr8k test"]["Bleu_4"] >= 0.18
