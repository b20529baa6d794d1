"""Measure the input ranges that int8 inference needs (see `captioner.models.quantized`)."""

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from torchvision.ops import SqueezeExcitation
from tqdm import tqdm

from captioner import checkpoint, datasets
from captioner.checkpoint.weights import load_model
from captioner.errors import UsageError
from captioner.predict import Captioner, PreparedPhoto
from train.photos.places import find_place
from train.photos.splits import divide

INSIDE = 0.9999
"""Quantile of the values that ends a range: coarser steps for all values cost more than clipping the largest ones."""
OF_STEPS = 0.99
"""Share of the decoder's steps whose values a range covers; with all steps, ranges would grow with more photos."""
AT_ONCE = 8
SAMPLED = 7  # every seventh value is measured


def quantize(name: str, data: Sequence[Path], *, photos: int) -> dict[str, tuple[float, float]]:
    """Measure the input ranges of convolutions and matrix products, and write them to the checkpoint's `config.json`.

    Args:
        name: a checkpoint directory or the name of an embedded model.
        data: captioned photos: directories, of which the split train is used, or files.
        photos: number of photos to draw from each.

    Returns:
        The ranges; see `captioner.models.interfaces.Ranges`.

    Raises:
        UsageError: the photos are missing, or the model's encoder cannot be quantized.
        ModelError: there is no such checkpoint, or it is damaged.
        ImageError: a photo cannot be read.
    """
    read = checkpoint.read(name)
    backbone = read.config.encoder.backbone
    if backbone != "efficientnet_v2_b0":
        raise UsageError(f"{read.path}: the encoder is {backbone}, but int8 supports only efficientnet_v2_b0.")
    model = load_model(read)
    model.encoder.settle()
    captioner = Captioner(model, read, device=next(model.parameters()).device)
    found = _measure(model, captioner, [captioner.prepare(path) for one in data for path in _draw(one, photos)])
    checkpoint.update(read.path, "ranges", found)
    return found


def _draw(data: Path, count: int) -> list[Path]:
    """Draw `count` training photos at random (with a fixed seed), and return their files."""
    photos = datasets.read(data)
    train = divide(photos)[0] if data.is_dir() else list(photos)
    place = find_place(data, train)
    return [place.path(one) for one in random.Random(0).sample(train, min(count, len(train)))]


def _measure(model: nn.Module, captioner: Captioner, photos: Sequence[PreparedPhoto]) -> dict[str, tuple[float, float]]:
    """Caption the photos, and return the range between the quantiles 1 - `INSIDE` and `INSIDE` of each input."""
    seen: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def watch(name: str, module: nn.Module) -> None:
        def look(_: nn.Module, given: tuple[Any, ...]) -> None:
            parts = {name: given[0]}
            if isinstance(module, nn.LSTMCell):
                parts = {f"{name}.inputs": given[0], f"{name}.state": given[1][0]}
            for part, values in parts.items():
                least, greatest = np.quantile(values.flatten()[::SAMPLED].numpy(), [1 - INSIDE, INSIDE])
                seen[part].append((float(least), float(greatest)))

        if isinstance(module, nn.Conv2d | nn.Linear | nn.LSTMCell):
            module.register_forward_pre_hook(look)

    floats = {id(part) for one in model.modules() if isinstance(one, SqueezeExcitation) for part in one.modules()}
    for name, module in model.named_modules():
        if id(module) not in floats:
            watch(name, module)
    for start in tqdm(range(0, len(photos), AT_ONCE), "photos", unit="batch"):
        captioner.caption_batch(photos[start : start + AT_ONCE])
    # Batches of photos have similar ranges, so the encoder's are averaged. Steps of the decoder differ and have few
    # values, so its ranges cover almost all steps.
    ranges = {}
    for name, found in seen.items():
        lows, highs = np.array(found).T
        bounds = np.quantile(lows, 1 - OF_STEPS), np.quantile(highs, OF_STEPS)
        if name.startswith("encoder"):
            bounds = lows.mean(), highs.mean()
        ranges[name] = (round(float(bounds[0]), 5), round(float(bounds[1]), 5))
    return ranges
