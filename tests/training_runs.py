"""What tests of training need: a small data directory, a recipe, and what a run has logged."""

import json
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

from train.__main__ import main

RECIPE = """
name = "tiny"
[data]
min_count = 1
[decoder]
hidden_size = 16
embedding_size = 8
heads = 2
layers = 2
dropout = 0.2
[image]
size = 64
[decoding]
beam_size = 2
max_length = 6
[training]
save_every = 1
precision = "bf16"
[[phase]]
name = "decoder"
epochs = 2
batch_size = 3
views = 2
crop = 0.5
warmup = 1
[[phase]]
name = "joint"
epochs = 1
batch_size = 4
learning_rate = 1e-3
encoder_learning_rate = 1e-4
crop = 0.5
colour = 0.2
warmup = 1
"""


def write_data(root: Path, photos: dict[str, Path]) -> None:
    """Parts of real photos, told apart by their captions; one photo is broken. Beside them the recipe and an encoder's weights."""
    (root / "images").mkdir()
    records = []
    for name, path in photos.items():
        with Image.open(path) as image:
            for part in range(2):
                file = f"{name}-{part}.png"
                image.convert("RGB").resize((300, 200)).crop((part * 90, 0, part * 90 + 200, 200)).save(
                    root / "images" / file
                )
                captions = [f"a photo of {name}", f"this is {name} again"]
                records.append({"file": file, "split": "train" if part == 0 else "dev", "captions": captions})
    (root / "images" / "broken.png").write_bytes(b"no photo")
    records.append({"file": "broken.png", "split": "train", "captions": ["something broken"]})
    (root / "captions.json").write_text(json.dumps(records))
    (root / "recipe.toml").write_text(RECIPE)
    torch.manual_seed(0)
    network = torchvision.models.mobilenet_v2(weights=None).train()
    for _ in range(20):  # statistics that fit, without which nothing comes through so many layers
        network(torch.randn(8, 3, 64, 64))
    save_file(network.state_dict(), root / "weights.safetensors")


def fit(data: Path, out: Path, *more: str, recipe: str = "recipe.toml") -> int:
    settings = [
        f"data.root={data}",
        f"data.cache={data / 'cache'}",
        f"encoder.weights={data / 'weights.safetensors'}",
    ]
    return main(["fit", str(data / recipe), "--out", str(out), *(w for s in settings for w in ("--set", s)), *more])


def epochs(out: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (out / "epochs.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if "seconds" not in key} for record in records]


def steps(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]
