"""Fixtures for tests of training: a small dataset, recipes, and runs to kill and resume."""

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

from captioner import checkpoint
from captioner.checkpoint import writing
from captioner.checkpoint.weights import load_model
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
    """A dataset of crops of real photos with distinct captions, one of them damaged; a recipe and encoder weights."""
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
    write_weights(root / "weights.safetensors")


def write_weights(path: Path) -> None:
    """Random weights of an encoder."""
    torch.manual_seed(0)
    network = torchvision.models.mobilenet_v2(weights=None).train()
    for _ in range(20):  # statistics of real activations; with others, no signal passes through that many layers
        network(torch.randn(8, 3, 64, 64))
    save_file(network.state_dict(), path)


def save_other(model: Path, path: Path) -> Path:
    """Save a checkpoint's model with other weights in its decoder."""
    read = checkpoint.read(model)
    other = load_model(read)
    torch.manual_seed(1)
    for parameter in other.decoder.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.5)
    checkpoint.save(path, other, vocabulary=read.vocabulary, decoding=read.decoding, scores={}, training={}, card="")
    return path


def write_refined(data: Path, start: Path) -> list[str]:
    """A recipe, refined.toml, that starts from a checkpoint, with further photos, validation photos and texts."""
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
    head = RECIPE[:model] + RECIPE[RECIPE.index("[decoding]") : phases]  # the model's settings are in the checkpoint
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


def fit_with_copies(data: Path, out: Path, moments: list[str], *more: str, recipe: str) -> None:
    """Train once, in OUT/run, and copy that directory to OUT/moment at each moment (see `watched`).

    The file that is being written is cut in half, as if the run had been killed there.
    """

    def copy(moment: str, unfinished: Path | None) -> None:
        if moment in moments:
            shutil.copytree(out / "run", out / moment)
            if unfinished:
                cut_in_half(out / moment / unfinished.relative_to(out / "run"))

    with watched(copy):
        assert fit(data, out / "run", *more, recipe=recipe) == 0


def kill_runs(data: Path, out: Path, moments: list[str], *, recipe: str) -> None:
    """Start a run for each moment, in OUT/moment, and kill its process there; see `watched`.

    The runs are forked from a subprocess that has only imported modules, because PyTorch's threads do not survive a
    fork.
    """
    runs = [(moment, words_of_fit(data, out / moment, recipe=recipe)) for moment in moments]
    subprocess.run([sys.executable, "-m", "tests.training_runs"], input=json.dumps(runs), text=True, check=True)


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@contextlib.contextmanager
def watched(at: Callable[[str, Path | None], None]) -> Iterator[None]:
    """Call `at` at every moment of training at which a kill could do harm, with the file being written, if any.

    Moments are "state-3", before the third state file replaces the last one; "after-3", after that; and "best-3",
    before the third checkpoint file (four per checkpoint) is replaced.
    """
    save_state, save_file, replacing = loop.save_state, state.save_file, writing.replacing
    states = files = 0

    def saving_file(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        save_file(tensors, path, metadata)
        at(f"state-{states}", path)

    def saving_state(*arguments: Any) -> None:
        nonlocal states
        states += 1
        save_state(*arguments)
        at(f"after-{states}", None)

    @contextlib.contextmanager
    def replacing_file(path: Path) -> Iterator[Path]:
        nonlocal files
        files += 1
        with replacing(path) as temporary:
            yield temporary
            at(f"best-{files}", temporary)

    loop.save_state, state.save_file, writing.replacing = saving_state, saving_file, replacing_file
    try:
        yield
    finally:
        loop.save_state, state.save_file, writing.replacing = save_state, save_file, replacing


def be_killed(moment: str, words: list[str]) -> None:
    """Train until a moment, and die by SIGKILL halfway through the file that is being written."""

    def die(now: str, unfinished: Path | None) -> None:
        if now == moment:
            if unfinished:
                cut_in_half(unfinished)
            os.kill(os.getpid(), signal.SIGKILL)

    with watched(die):
        main(words)


def epochs(out: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (out / "epochs.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if "seconds" not in key} for record in records]


def steps(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]


if __name__ == "__main__":
    import matplotlib.pyplot  # noqa: F401  (what takes seconds to import, once for all of them)
    import nltk.translate  # noqa: F401

    torch.set_num_threads(1)  # as in conftest.py: with two threads, the order of sums changes
    for at, fit_words in json.load(sys.stdin):
        if not (child := os.fork()):
            be_killed(at, fit_words)
            os._exit(1)  # the process was not killed
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
            sys.exit(f"moment {at}: not killed")
