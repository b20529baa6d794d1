"""Data augmentation: random crops, mirroring and color jitter. The same seed gives the same view."""

import math
import random
import re
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

_SIDES = re.compile(r"\b(left|right)", re.IGNORECASE)


def may_be_mirrored(captions: Sequence[str]) -> bool:
    """Whether no caption says left or right, which would be wrong for the mirrored photo."""
    return not any(map(_SIDES.search, captions))


def crops(
    pixels: NDArray[np.uint8],
    seeds: Sequence[str],
    *,
    smallest: float,
    mirror: Sequence[bool] | None = None,
    side: int = 0,
) -> Tensor:
    """Crop a random part of every photo and scale it to one size (random resized crop).

    Args:
        pixels: (B, S, S, 3).
        seeds: one per photo; the same seed gives the same crop.
        smallest: smallest share of the area that is kept; 1 keeps everything.
        mirror: whether each photo may be mirrored, with probability 0.5; None mirrors none.
        side: side of the result in pixels; 0 for S.

    Returns:
        (B, 3, side, side), uint8.
    """
    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2)
    size = images.shape[-1]
    side = side or size
    if smallest >= 1 and mirror is None and side == size:
        return images.contiguous()
    cut = []
    for image, seed, mirrored in zip(images, seeds, mirror or [False] * len(seeds), strict=True):
        chance = random.Random(seed)
        area, ratio = chance.uniform(smallest, 1), math.exp(chance.uniform(math.log(3 / 4), math.log(4 / 3)))
        height = min(size, round(size * math.sqrt(area / ratio)))
        width = min(size, round(size * math.sqrt(area * ratio)))
        top, left = chance.randint(0, size - height), chance.randint(0, size - width)
        part = image
        if smallest < 1 or side != size:
            part = transforms.resized_crop(image, top, left, height, width, [side, side], antialias=True)
        cut.append(part.flip(-1) if mirrored and chance.random() < 0.5 else part)
    return torch.stack(cut)


def jitter(images: Tensor, seed: str, *, strength: float) -> Tensor:
    """Change brightness, contrast and saturation of every photo by a random factor in [1 - strength, 1 + strength].

    Args:
        images: (B, 3, S, S), uint8.
        seed: the same seed changes the batch in the same way.
        strength: in [0, 1).

    Returns:
        (B, 3, S, S), float32 in [0, 1].
    """
    values = images.float() / 255
    if not strength:
        return values
    chance = random.Random(seed)
    factors = torch.tensor([[1 + chance.uniform(-strength, strength) for _ in range(3)] for _ in range(len(images))])
    brightness, contrast, saturation = factors.T.reshape(3, -1, 1, 1, 1)
    values = values * brightness
    values = torch.lerp(values.mean((1, 2, 3), keepdim=True), values, contrast)
    return torch.lerp(values.mean(1, keepdim=True), values, saturation).clamp_(0, 1)
