"""Encoders compute the vectors that a decoder attends to.

To add an encoder, write a class with the methods of `captioner.models.interfaces.Encoder`, build it in
`build_image_encoder` or `build_encoder`, and add its configuration to `captioner.config`. Search, checkpoints,
prediction and training need no changes.
"""

from collections import OrderedDict
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from captioner.config import Backbone, ImageConfig, ImageEncoderConfig, ModelConfig, TextEncoderConfig, TranslatorConfig
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
"""Channels of each backbone's last feature map. Computing them would cost a forward pass at every start."""

CLASSIFIER_PARTS = {"avgpool", "classifier", "fc"}
"""The parts of torchvision's classifiers after the last feature map; the encoder is everything before them."""

PADDING = 0
"""The padding id (`captioner.text.PAD`)."""


class ImageEncoder(nn.Module):
    """A torchvision CNN up to its last feature map.

    The encoder normalizes the images itself, so that normalization is implemented once and is part of the checkpoint.
    Parameters keep torchvision's names, so a state dict of the classifier can be loaded.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ImageEncoderConfig, image: ImageConfig) -> None:
        super().__init__()
        network = _classifier(config.backbone)
        parts = OrderedDict((name, part) for name, part in network.named_children() if name not in CLASSIFIER_PARTS)
        self.network = nn.Sequential(parts).to(memory_format=torch.channels_last)  # nearly twice as fast on CPUs
        self.output_size = GRID_CHANNELS[config.backbone]
        # On the CPU even if the model is built on the device "meta": these buffers are not in the weights file.
        self.register_buffer("mean", torch.tensor(image.mean, device="cpu").view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(image.std, device="cpu").view(3, 1, 1), persistent=False)

    @property
    def blocks(self) -> nn.ModuleList:
        """The network's blocks from first to last, as torchvision divides it."""
        parts = list(self.network.children())
        return nn.ModuleList(parts[0].children() if len(parts) == 1 else parts)

    def settle(self) -> None:
        """Fold each batch normalization into the convolution before it, for inference. This renames the weights.

        In all backbones above, a batch normalization that follows a convolution in its module's list of children also
        takes its output.
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
            Vectors of shape (B, N, D): the feature map row by row, N = (H / 32) · (W / 32).
        """
        if images.dtype == torch.uint8:
            images = images.float() / 255
        images = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        grid: Tensor = self.network(images)  # (B, D, h, w)
        return Vectors(grid.flatten(2).transpose(1, 2).float())


def _classifier(backbone: Backbone) -> nn.Module:
    """Build torchvision's classifier with random weights."""
    import torchvision  # imported here because it takes as long as importing torch, and int8 inference does without it
    from torchvision.models.efficientnet import EfficientNet, FusedMBConvConfig, MBConvConfig

    network: nn.Module
    if backbone != "efficientnet_v2_b0":
        network = torchvision.models.get_model(backbone, weights=None)
        return network
    # torchvision has EfficientNetV2's blocks, but not the size B0.
    network = EfficientNet(
        [(FusedMBConvConfig if row.fused else MBConvConfig)(*row[1:]) for row in EFFICIENTNET_V2_B0],
        dropout=0.2,
        last_channel=GRID_CHANNELS[backbone],
        norm_layer=partial(nn.BatchNorm2d, eps=EPSILON),
    )
    return network


class TextEncoder(nn.Module):
    """A bidirectional LSTM: the vector of each token depends on both sides of it (Schuster and Paliwal 1997)."""

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
        """The network's blocks from first to last."""
        return nn.ModuleList([self.embedding, self.layers])

    def settle(self) -> None:
        """Do nothing: PyTorch's LSTM needs no preparation for inference."""

    def forward(self, tokens: Tensor) -> Vectors:
        """Encode sentences.

        Args:
            tokens: (B, N), ids, at least one per sentence, padded with `PADDING`. Padding does not affect the result.

        Returns:
            Vectors of shape (B, N, D), one per token.
        """
        padding = tokens == PADDING
        lengths = (~padding).sum(1).cpu()
        # Packed, so that the backward direction starts at the end of each sentence, not at its padding.
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.embedding(tokens)), lengths, batch_first=True, enforce_sorted=False
        )
        values, _ = nn.utils.rnn.pad_packed_sequence(
            self.layers(packed)[0], batch_first=True, total_length=tokens.shape[1]
        )
        return Vectors(values, padding)


def build_image_encoder(config: ImageEncoderConfig, image: ImageConfig) -> Encoder:
    """Build an encoder of photos with random weights."""
    return ImageEncoder(config, image)


def build_encoder(config: ModelConfig | TranslatorConfig) -> Encoder:
    """Build the encoder of a model with random weights."""
    if isinstance(config, ModelConfig):
        return build_image_encoder(config.encoder, config.image)
    return TextEncoder(config.encoder)
