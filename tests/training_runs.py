"""What tests of training need: a small data directory, a recipe, and what a run has logged."""

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

from captioner.checkpoint import writing
from train import loop, state
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
REFINED = """
[[phase]]
name = "text"
objective = "text"
epochs = 1
batch_size = 1
warmup = 1
[[phase]]
name = "blocks"
epochs = 1
batch_size = 3
learning_rate = 1e-3
encoder_learning_rate = 1e-4
encoder_blocks = 2
size = 32
flip = true
warmup = 1
[[phase]]
name = "reward"
objective = "self-critical"
epochs = 1
batch_size = 3
samples = 3
flip = true
views = 2
warmup = 1
"""


def write_data(root: Path, photos: dict[str, Path]) -> None:
    """Parts of real photos, told apart by their captions; one photo is broken. Beside them the recipe and an encoder's
    weights.
    """
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


def write_refined(data: Path, start: Path) -> list[str]:
    """A recipe, refined.toml, that begins with a checkpoint; further photos, also to validate on, texts, and the
    settings that name them."""
    more = data / "more"
    (more / "images").mkdir(parents=True)
    names = ["chelsea-0.png", "coffee-0.png"]
    for name in names:
        shutil.copy(data / "images" / name, more / "images" / name)
    coco = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
        "annotations": [{"image_id": n, "caption": f"a brand new thing on the left {n}"} for n in range(2)],
    }
    (more / "captions.json").write_text(json.dumps(coco))
    measured = data / "measured" / "captions.csv"
    shutil.copytree(data / "images", measured.parent / "images")
    measured.write_text("file,caption\nrocket-1.png,a rocket\nchelsea-1.png,a cat\n")
    with gzip.open(data / "texts.jsonl.gz", "wt") as file:
        file.write('{"captions": ["a photo of words alone", "words alone"]}\n')
    (data / "plain.txt").write_text("one line\n\nanother line\n")
    model, phases = RECIPE.index("[decoder]"), RECIPE.index("[[phase]]")
    head = RECIPE[:model] + RECIPE[RECIPE.index("[decoding]") : phases]  # the model's settings are the checkpoint's
    (data / "refined.toml").write_text(f'start = "{start}"\n' + head + REFINED)
    texts = f'data.text=["{data / "texts.jsonl.gz"}", "{data / "plain.txt"}"]'
    validation = f'data.validation=["{measured}"]'
    return ["--set", f'data.also=["{more / "captions.json"}"]', "--set", texts, "--set", validation]


def words_of_fit(data: Path, out: Path, *more: str, recipe: str = "recipe.toml") -> list[str]:
    settings = [
        f"data.root={data}",
        f"data.cache={data / 'cache'}",
        f"encoder.weights={data / 'weights.safetensors'}",
    ]
    return ["fit", str(data / recipe), "--out", str(out), *(w for s in settings for w in ("--set", s)), *more]


def fit(data: Path, out: Path, *more: str, recipe: str = "recipe.toml") -> int:
    return main(words_of_fit(data, out, *more, recipe=recipe))


def kill_runs(data: Path, out: Path, moments: list[str], *more: str, recipe: str) -> None:
    """Start a run for each moment, in OUT/moment, and kill its process there; see `be_killed`.

    They are children of a process of their own, which has only imported what they need: PyTorch's threads outlive no
    fork.
    """
    runs = [(moment, words_of_fit(data, out / moment, *more, recipe=recipe)) for moment in moments]
    subprocess.run([sys.executable, "-m", "tests.training_runs"], input=json.dumps(runs), text=True, check=True)


def be_killed(moment: str, words: list[str]) -> None:
    """Train and die by SIGKILL: "state-3" half-way through the third write of the state, "after-3" once that stands,
    and "best-3" half-way through the third file of checkpoints (four each)."""
    kind, _, number = moment.partition("-")
    save_state, save_file, replacing = loop.save_state, state.save_file, writing.replacing
    calls = 0

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def torn(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        save_file(tensors, path, metadata)
        os.truncate(path, path.stat().st_size // 2)
        die()

    def fatal(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == int(number) and kind == "state":
            state.save_file = torn
        save_state(*arguments)
        if calls == int(number):
            die()

    @contextlib.contextmanager
    def torn_file(path: Path) -> Iterator[Path]:
        nonlocal calls
        calls += 1
        with replacing(path) as temporary:
            yield temporary
            if calls == int(number):
                os.truncate(temporary, temporary.stat().st_size // 2)
                die()

    if kind == "best":
        writing.replacing = torn_file
    else:
        loop.save_state = fatal
    main(words)


def epochs(out: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (out / "epochs.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if "seconds" not in key} for record in records]


def steps(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]


if __name__ == "__main__":
    import matplotlib.pyplot  # noqa: F401  (what takes seconds to import, once for all of them)
    import nltk.translate  # noqa: F401

    torch.set_num_threads(1)  # as in conftest.py: with two, sums come in another order
    runs = json.load(sys.stdin)
    children: dict[int, str] = {}
    while runs or children:
        while runs and len(children) < (os.cpu_count() or 1):
            at, fit_words = runs.pop()
            if not (child := os.fork()):
                be_killed(at, fit_words)
                os._exit(1)  # it lived
            children[child] = at
        child, status = os.wait()
        at = children.pop(child)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(f"moment {at}: not killed")
