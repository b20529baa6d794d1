"""Shared fixtures: sample photos, small models and training runs."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import skimage
import torch
from PIL import Image
from skimage import data as photographs

from captioner import checkpoint
from captioner.cli import main
from captioner.config import DecoderConfig, ImageConfig, ImageEncoderConfig, ModelConfig
from captioner.decoding import DecodingOptions
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.predict import Captioner
from captioner.text import SPECIAL_TOKENS, Vocabulary
from captioner.translation.translator import Translator
from tests.folder_runs import Fake
from tests.sentence_pairs import PAIRS, settings, write_pairs
from tests.training_runs import fit, write_data, write_refined
from train.loop import Training
from train.sentences.task import Translating

torch.set_num_threads(1)  # with small tensors, more threads only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the same for subprocesses

SLOWEST = ("browser", "data", "test_parallel", "test_page_caption", "learned")

SAMPLES = Path(skimage.__file__).parent / "data"
WORDS = ("a", "man", "dog", "on", "beach", "the", "'s", "hat")
CAPTIONS = {
    "astronaut": ["A woman in an orange space suit smiles.", "an astronaut in front of a flag"],
    "chelsea": ["A cat looks at the camera.", "a close-up of a tabby cat"],
    "coffee": ["A cup of coffee on a table.", "coffee in a white cup with a spoon"],
    "camera": ["A man with a camera stands on the grass.", "a photographer in a black coat"],
    "rocket": ["A rocket stands on its launch pad.", "a white rocket at night"],
}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests for pytest-xdist, slowest groups first, so that none of them runs alone at the end.

    Tests that share a training run are one group, as are those of one file and all that use the browser, which takes a
    whole core.
    """
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: SLOWEST.index(groups[item]) if groups[item] in SLOWEST else len(SLOWEST))


def _group(item: pytest.Item) -> str:
    if item.get_closest_marker("browser"):
        return "browser"
    fixtures = getattr(item, "fixturenames", ())
    return next((name for name in ("data", "learned") if name in fixtures), item.path.stem)


@pytest.fixture(scope="session")
def photos() -> dict[str, Path]:
    """Real photographs (CC0), by name."""
    names = ("astronaut.png", "chelsea.png", "coffee.png", "camera.png", "rocket.jpg")
    return {Path(name).stem: SAMPLES / name for name in names}


@pytest.fixture(scope="session")
def astronaut() -> Image.Image:
    return Image.fromarray(photographs.astronaut())


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
    """A checkpoint of a small model with random weights, including batch normalization statistics."""
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


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    model = Fake()
    monkeypatch.setattr(Captioner, "load", lambda *_, **__: model)
    return model


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photos/0.jpg to photos/9.jpg in the working directory; 3.jpg is damaged; photo n is n + 8 pixels wide."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "photos"
    path.mkdir()
    for number in range(10):
        Image.new("RGB", (number + 8, 8)).save(path / f"{number}.jpg")
    (path / "3.jpg").write_bytes(b"broken")
    return path


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Annotations of five photos in COCO's format, ids 1 to 5."""
    names = {"rocket": "rocket.jpg"}
    data = {
        "images": [
            {"id": number, "file_name": names.get(name, f"{name}.png")} for number, name in enumerate(CAPTIONS, start=1)
        ],
        "annotations": [
            {"image_id": number, "caption": caption}
            for number, captions in enumerate(CAPTIONS.values(), start=1)
            for caption in captions
        ],
    }
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def images(tmp_path: Path, photos: dict[str, Path]) -> Path:
    """A directory with the five photos."""
    directory = tmp_path / "images"
    directory.mkdir()
    for path in photos.values():
        shutil.copy(path, directory)
    return directory


@pytest.fixture
def evaluate(coco: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `captioner evaluate` on the annotations; returns the exit code, stdout and stderr."""

    def evaluate(*arguments: object) -> tuple[int, str, str]:
        code = main(["evaluate", "--annotations", str(coco), *map(str, arguments)])
        return code, *capsys.readouterr()

    return evaluate


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., Path]:
    """Write a results file: the second caption of each photo, with the given changes."""

    def results(changes: dict[int, str | None] | None = None, more: list[dict[str, object]] | None = None) -> Path:
        texts = {number: captions[1] for number, captions in enumerate(CAPTIONS.values(), start=1)} | (changes or {})
        data = [{"image_id": number, "caption": text} for number, text in texts.items() if text is not None]
        path = tmp_path / "results.json"
        path.write_text(json.dumps(data + (more or [])), encoding="utf-8")
        return path

    return results


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny translator trained on ten sentences, in the same way as the real one."""
    root = tmp_path_factory.mktemp("pairs")
    write_pairs(root)
    # One pass of many steps, so that it is validated once.
    for language, lines in PAIRS.items():
        (root / f"train.{language}").write_text("\n".join(lines * 200) + "\n", encoding="utf-8")
    run = Training(Translating(settings(root)), root / "run")
    (root / "run").mkdir()
    run.start()
    run.fit()
    return root / "run" / "best"


@pytest.fixture
def translator(learned: Path) -> Translator:
    """The tiny translator, loaded."""
    return Translator.load(learned, device="cpu")


@pytest.fixture
def signals_heard() -> Iterator[None]:
    """Restore the default signal handlers, which `nohup` or a shell's background job may have disabled."""
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, photos: dict[str, Path]) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_data(root, photos)
    return root


@pytest.fixture(scope="session")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("run")
    assert fit(data, out) == 0
    return out


@pytest.fixture(scope="session")
def refined(data: Path, run: Path) -> list[str]:
    """Settings of a run that starts from the checkpoint of `run`, with further photos and texts."""
    return write_refined(data, run / "best")


@pytest.fixture(scope="session")
def refined_run(data: Path, refined: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("refined")
    assert fit(data, out, *refined, recipe="refined.toml") == 0
    return out
