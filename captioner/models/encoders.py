"""Encoders: what a decoder looks at while it writes.

To add another kind, write a class with the methods of `captioner.models.interfaces.Encoder`, name it in
`build_image_encoder` or `build_encoder`, and name or configure it in `captioner.config`. Search, checkpoint, prediction
and training stay as they are.
"""

from collections import OrderedDict
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from captioner.config import (
    Backbone,
    ImageConfig,
    ImageEncoderConfig,
    ModelConfig,
    TextEncoderConfig,
    TranslatorConfig,
)
from captioner.models.interfaces import Encoder, Vectors
from captioner.models.quantized import EFFICIENTNET_V2_B0, EPSILON

GRID_CHANNELS: dict[Backbone, int] = {
    "mobilenet_v2": 1280,
    "mobilenet_v3_large": 960,
    "resnet18": 512,
    "resnet50": 2048,
    "resnet101": 2048,
    "efficientnet_b0": 1280,
    "efficientnet_v2_b0": 1280,
    "efficientnet_v2_s": 1280,
    "convnext_tiny": 768,
    "regnet_y_1_6gf": 888,
}
"""Channels of each backbone's last grid. A table, because finding out would cost every start a forward pass."""

CLASSIFIER_PARTS = {"avgpool", "classifier", "fc"}
"""What torchvision's classifiers have behind the grid; everything before it is the encoder."""

PADDING = 0
"""The id that fills up short sentences (`captioner.text.PAD`)."""


class ImageEncoder(nn.Module):
    """A torchvision CNN up to its last grid of features.

    The images' normalization is a part of it, so that it is written once and travels with the weights' checkpoint.
    The parameters keep torchvision's names: a state dict of its classifier fits.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ImageEncoderConfig, image: ImageConfig) -> None:
        super().__init__()
        network = _classifier(config.backbone)
        parts = OrderedDict((name, part) for name, part in network.named_children() if name not in CLASSIFIER_PARTS)
        self.network = nn.Sequential(parts).to(memory_format=torch.channels_last)  # on CPUs nearly twice as fast
        self.output_size = GRID_CHANNELS[config.backbone]
        # Made on the CPU even where the model is built without memory (device "meta"): they are not in the weights.
        self.register_buffer("mean", torch.tensor(image.mean, device="cpu").view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(image.std, device="cpu").view(3, 1, 1), persistent=False)

    @property
    def blocks(self) -> nn.ModuleList:
        """The network's parts from the first to the last, as finely as torchvision lines them up."""
        parts = list(self.network.children())
        return nn.ModuleList(parts[0].children() if len(parts) == 1 else parts)

    def settle(self) -> None:
        """Make each batch norm a part of the convolution before it, for inference; the weights get other names.

        In all of our backbones a batch norm that stands behind a convolution among its module's parts also reads it.
        """
        for module in self.network.modules():
            for (_, part), (name, norm) in pairwise(list(module.named_children())):
                if isinstance(part, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    mean, variance = norm.running_mean, norm.running_var
                    assert mean is not None
                    assert variance is not None
                    weight, bias = fuse_conv_bn_weights(
                        part.weight, part.bias, mean, variance, norm.eps, norm.weight, norm.bias
                    )
                    part.weight, part.bias = weight, bias
                    setattr(module, name, nn.Identity())
        self.network.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Vectors:
        """Encode photos.

        Args:
            images: (B, 3, H, W), RGB, uint8 in [0, 255] or floating point in [0, 1].

        Returns:
            Vectors of shape (B, N, D): the grid row by row, N = (H / 32) · (W / 32).
        """
        if images.dtype == torch.uint8:
            images = images.float() / 255
        images = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        grid: Tensor = self.network(images)  # (B, D, h, w)
        return Vectors(grid.flatten(2).transpose(1, 2).float())


def _classifier(backbone: Backbone) -> nn.Module:
    """The whole network, as torchvision builds it, with random weights."""
    import torchvision  # imported where needed: it takes as long as torch, and int8 inference does without
    from torchvision.models.efficientnet import EfficientNet, FusedMBConvConfig, MBConvConfig

    network: nn.Module
    if backbone != "efficientnet_v2_b0":
        network = torchvision.models.get_model(backbone, weights=None)
        return network
    # torchvision has the parts of EfficientNetV2-B0, but not this size.
    network = EfficientNet(
        [(FusedMBConvConfig if row.fused else MBConvConfig)(*row[1:]) for row in EFFICIENTNET_V2_B0],
        dropout=0.2,
        last_channel=GRID_CHANNELS[backbone],
        norm_layer=partial(nn.BatchNorm2d, eps=EPSILON),
    )
    return network


class TextEncoder(nn.Module):
    """A bidirectional LSTM: every token's vector knows what stands before and behind it (Schuster and Paliwal 1997)."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.LSTM(
            config.embedding_size,
            config.hidden_size,
            config.layers,
            batch_first=True,
            bidirectional=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.output_size = 2 * config.hidden_size

    @property
    def blocks(self) -> nn.ModuleList:
        """The network's parts from the first to the last."""
        return nn.ModuleList([self.embedding, self.layers])

    def settle(self) -> None:
        """PyTorch's LSTM is as fast as it gets."""

    def forward(self, tokens: Tensor) -> Vectors:
        """Encode sentences.

        Args:
            tokens: (B, N), ids, at least one a sentence, filled up with `PADDING`, which changes nothing.

        Returns:
            Vectors of shape (B, N, D), one a token.
        """
        padding = tokens == PADDING
        lengths = (~padding).sum(1).cpu()
        # Packed, so that the backward direction begins at a sentence's own end.
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.embedding(tokens)), lengths, batch_first=True, enforce_sorted=False
        )
        values, _ = nn.utils.rnn.pad_packed_sequence(
            self.layers(packed)[0], batch_first=True, total_length=tokens.shape[1]
        )
        return Vectors(values, padding)


def build_image_encoder(config: ImageEncoderConfig, image: ImageConfig) -> Encoder:
    """Build the encoder of photos that a configuration names, with random weights."""
    return ImageEncoder(config, image)


def build_encoder(config: ModelConfig | TranslatorConfig) -> Encoder:
    """Build the encoder of a model, with random weights."""
    if isinstance(config, ModelConfig):
        return build_image_encoder(config.encoder, config.image)
    return TextEncoder(config.encoder)
