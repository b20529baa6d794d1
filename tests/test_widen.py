"""A decoder with more units: it says what it said, and the new units can learn."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.config import ModelConfig
from captioner.decoding import DecodingOptions
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.encoders import Vectors
from captioner.text import SPECIAL_TOKENS, Vocabulary
from captioner.weights import load_model
from tests.conftest import WORDS
from train.__main__ import main
from train.widening import widen


def written(path: Path, config: ModelConfig, **decoder: Any) -> Checkpoint:
    """A checkpoint of a random model whose decoder is changed."""
    torch.manual_seed(0)
    model = EncoderDecoder(dataclasses.replace(config, decoder=dataclasses.replace(config.decoder, **decoder)))
    vocabulary = Vocabulary((*SPECIAL_TOKENS, *WORDS))
    checkpoint.save(path, model, vocabulary=vocabulary, decoding=DecodingOptions(), scores={}, training={}, card="")
    return checkpoint.read(path)


@pytest.mark.parametrize(
    "decoder",
    [
        {"attention": "dot", "tie_weights": True},
        {"attention": "dot", "layers": 1, "cell": "gru"},
        {"attention": "none", "cell": "rnn"},
    ],
)
def test_a_wider_decoder_says_the_same_and_can_learn(
    tmp_path: Path, small_config: ModelConfig, decoder: dict[str, Any]
) -> None:
    read = written(tmp_path / "narrow", small_config, **decoder)
    narrow, wide = load_model(read).decoder, widen(read, 24).decoder
    vectors = Vectors(torch.randn(3, 4, 1280))
    tokens = torch.randint(len(WORDS), (3, 2, 6))
    before, after = narrow(vectors, tokens), wide(vectors, tokens)
    torch.testing.assert_close(after.logits, before.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(after.attention, before.attention, atol=1e-5, rtol=1e-5)
    after.logits.square().sum().backward()
    said = wide.project if read.config.decoder.tie_weights else wide.classify
    assert said.weight.grad is not None
    assert bool((said.weight.grad[:, 16:] != 0).all())


def test_the_command_writes_a_checkpoint(learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["widen", str(learned), "--hidden-size", "80", "--out", str(tmp_path / "wide")]) == 2
    assert "attention 'multi-head' cannot be widened" in capsys.readouterr().err
    assert not (tmp_path / "wide").exists()
    assert main(["widen", "text-en-de-fr-cs", "--hidden-size", "384", "--out", str(tmp_path / "wide")]) == 2
    assert "its decoder has 384 units; ask for more" in capsys.readouterr().err
    command = ["widen", "text-en-de-fr-cs", "--hidden-size", "400", "--out", str(tmp_path / "wide")]
    assert main(command) == 0
    assert checkpoint.read_translator(tmp_path / "wide").config.decoder.hidden_size == 400
    assert main(command) == 4
    assert "stands there already" in capsys.readouterr().err
