"""Measure what int8 inference needs to know, and write it into a checkpoint; see `captioner.models.quantized`."""

import json
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
from captioner.checkpoint import CONFIG
from captioner.checkpoint.weights import load_model
from captioner.errors import UsageError
from captioner.files import replacing
from captioner.predict import Captioner, PreparedPhoto
from train.photos.places import find_place
from train.photos.splits import divide

INSIDE = 0.9999
"""Share of the values that a range holds: rounding all to coarser steps costs more than clipping the greatest."""
AT_ONCE = 8
SAMPLED = 7  # one value in so many is looked at


def quantize(name: str, data: Sequence[Path], *, photos: int) -> dict[str, tuple[float, float]]:
    """Measure the range of the inputs of each convolution and matrix on training photos; write them into `config.json`.

    Args:
        name: the checkpoint.
        data: directories or files of captioned photos; of each, training photos are drawn.
        photos: how many of each.

    Returns:
        What was written, by the names of modules.

    Raises:
        UsageError: there are no such photos, or the model has an encoder that cannot be quantized.
        ModelError: there is no such checkpoint.
        ImageError: a photo cannot be read.
    """
    read = checkpoint.read(name)
    backbone = read.config.encoder.backbone
    if backbone != "efficientnet_v2_b0":
        raise UsageError(f"{read.path}: its encoder is {backbone}, but int8 is made for efficientnet_v2_b0 alone.")
    model = load_model(read)
    model.encoder.settle()
    captioner = Captioner(model, read, device=next(model.parameters()).device)
    found = _measure(model, captioner, [captioner.prepare(path) for one in data for path in _draw(one, photos)])
    path = read.path / CONFIG
    config = json.loads(path.read_text(encoding="utf-8")) | {"ranges": found}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return found


def _draw(data: Path, count: int) -> list[Path]:
    """The files of so many training photos."""
    photos = datasets.read(data)
    train = divide(photos)[0] if data.is_dir() else list(photos)
    place = find_place(data, train)
    return [place.path(one) for one in random.Random(0).sample(train, min(count, len(train)))]


def _measure(model: nn.Module, captioner: Captioner, photos: Sequence[PreparedPhoto]) -> dict[str, tuple[float, float]]:
    """What holds `INSIDE` of the values of each input."""
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
    # Batches of photos are alike, but the few values of one step of the decoder are not like the next step's.
    ranges = {}
    for name, found in seen.items():
        lows, highs = np.array(found).T
        bounds = (lows.mean(), highs.mean()) if name.startswith("encoder") else (lows.min(), highs.max())
        ranges[name] = (round(float(bounds[0]), 5), round(float(bounds[1]), 5))
    return ranges
