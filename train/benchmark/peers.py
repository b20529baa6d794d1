"""What a user would pick instead: other captioners of the usual sizes, with random weights, which cost the same time.

Each reads JPEG files and searches for sentences of a given length, so that all do the same work as ours.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from PIL import Image
from torch import Tensor

from captioner.config import DecoderConfig, ImageConfig, ImageEncoderConfig, ModelConfig
from captioner.decoding import DecodingOptions
from captioner.errors import UsageError
from captioner.images import open_image, to_pixels
from captioner.inference import generate
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.interfaces import Vectors

Describe = Callable[[Sequence[Path], int], int]
"""Caption photos, each in that many tokens; returns how many sentences of that length came."""

BATCH = 8
BEAMS = 3


def transformers() -> Any:
    """The package `transformers`.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise UsageError(
            "the benchmark compares with Hugging Face's transformers, which is missing; "
            "install it by: pip install -r requirements-dev.txt."
        ) from None
    return transformers


def blip_base(*, beams: int = BEAMS, **smaller: int) -> Describe:
    """BLIP-base as Salesforce/blip-image-captioning-base configures it (Li et al. 2022): 384 pixels, ViT-B/16, 12
    layers of text.

    Args:
        beams: of the search; its own default is 1.
        smaller: settings of both halves that a test changes.
    """
    hf = transformers()
    text = {"vocab_size": 30524, "num_attention_heads": 12, "encoder_hidden_size": 768, **smaller}
    vision = {"image_size": 384, "patch_size": 16, **smaller}
    config = hf.BlipConfig(text_config=text, vision_config=vision)
    model = hf.BlipForConditionalGeneration(config).eval()
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return _describe(model, ImageConfig(size=vision["image_size"], mean=mean, std=std), beams, {})


def vit_gpt2(*, beams: int = BEAMS, **smaller: int) -> Describe:
    """ViT-B/16 at 224 pixels with GPT-2 as its decoder, as nlpconnect/vit-gpt2-image-captioning configures it; see
    `blip_base`.
    """
    hf = transformers()
    vision = hf.ViTConfig(**smaller)
    names = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
    text = hf.GPT2Config(
        add_cross_attention=True,
        is_decoder=True,
        **{names[name]: value for name, value in smaller.items() if name in names},
    )
    config = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(vision, text)
    model = hf.VisionEncoderDecoderModel(config).eval()
    image = ImageConfig(size=vision.image_size, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    start = {"decoder_start_token_id": text.bos_token_id, "pad_token_id": 0}
    return _describe(model, image, beams, start)


def _describe(model: Any, image: ImageConfig, beams: int, settings: dict[str, int]) -> Describe:
    """Batches of photos through the model's own `generate`."""

    def describe(paths: Sequence[Path], length: int) -> int:
        found = 0
        for start in range(0, len(paths), BATCH):
            pixels = torch.stack([_read(path, image) for path in paths[start : start + BATCH]])
            with torch.inference_mode():
                tokens = model.generate(
                    pixel_values=pixels,
                    min_new_tokens=length,
                    max_new_tokens=length,
                    num_beams=beams,
                    do_sample=False,
                    **settings,
                )
            found += len(tokens) if tokens.shape[1] >= length else 0
        return found

    return describe


def resnet101_tutorial(*, size: int = 256, beams: int = 5, vocabulary: int = 9490) -> Describe:
    """ResNet-101 and an LSTM with additive attention over 14 × 14 cells, one photo at a time, as tutorials have it (Xu
    et al. 2015).

    The modules are ours, which is to its advantage: channels-last order, a search without loops over beams.
    """
    decoder = DecoderConfig(
        vocabulary_size=vocabulary, cell="lstm", layers=1, hidden_size=512, embedding_size=512, attention="additive"
    )
    image = ImageConfig(size=size)
    model = EncoderDecoder(ModelConfig(encoder=ImageEncoderConfig(backbone="resnet101"), decoder=decoder, image=image))
    model.requires_grad_(False).eval()
    plain = ImageConfig(size=size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))  # the encoder itself normalizes

    def describe(paths: Sequence[Path], length: int) -> int:
        options = DecodingOptions(beam_size=beams, min_length=length, max_length=length, no_repeat_ngram=0)
        found = 0
        for path in paths:
            with torch.inference_mode():
                grid = model.encoder(_read(path, plain)[None]).values.transpose(1, 2)  # (1, D, N)
                side = size // 32
                wide = F.adaptive_avg_pool2d(grid.reshape(1, -1, side, side), 14)
                (best,) = generate(model.decoder, Vectors(wide.flatten(2).transpose(1, 2)), options)
            found += len(best[0].tokens) == length
        return found

    return describe


def _read(path: Path, image: ImageConfig) -> Tensor:
    """A photo as the peers' own preparation gives it: squashed, scaled, normalised, (3, S, S)."""
    photo: Image.Image = open_image(path, draft=image.size).image
    pixels = torch.from_numpy(to_pixels(photo, image.size)).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(image.mean).view(3, 1, 1)) / torch.tensor(image.std).view(3, 1, 1)
