"""What several test files need: sample photos and a small model with a life of its own."""

from pathlib import Path

import pytest
import skimage
import torch

from captioner import checkpoint
from captioner.config import DecoderConfig, ImageConfig, ImageEncoderConfig, ModelConfig
from captioner.decoding import DecodingOptions
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.text import SPECIAL_TOKENS, Vocabulary

torch.set_num_threads(1)  # small tensors: more threads would only wait for each other

SAMPLES = Path(skimage.__file__).parent / "data"
WORDS = ("a", "man", "dog", "on", "beach", "the", "'s", "hat")


@pytest.fixture(scope="session")
def photos() -> dict[str, Path]:
    """Real photographs (CC0), by name."""
    names = ("astronaut.png", "chelsea.png", "coffee.png", "camera.png", "rocket.jpg")
    return {Path(name).stem: SAMPLES / name for name in names}


@pytest.fixture
def small_config() -> ModelConfig:
    return ModelConfig(
        encoder=ImageEncoderConfig(backbone="mobilenet_v2"),
        decoder=DecoderConfig(
            vocabulary_size=len(SPECIAL_TOKENS) + len(WORDS), layers=2, hidden_size=16, embedding_size=12, heads=4
        ),
        image=ImageConfig(size=64),
    )


@pytest.fixture
def small_checkpoint(tmp_path: Path, small_config: ModelConfig) -> Path:
    """A checkpoint of a small model in which every weight is random, batch-norm statistics too."""
    torch.manual_seed(0)
    model = EncoderDecoder(small_config)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand_like(value) * 0.1)
    path = tmp_path / "small"
    checkpoint.save(
        path,
        model.eval(),
        vocabulary=Vocabulary((*SPECIAL_TOKENS, *WORDS)),
        decoding=DecodingOptions(beam_size=2, max_length=7),
        scores={"validation": {"Bleu_4": 0.1}},
        training={"photos": 0},
        card="# small\n",
    )
    return path
