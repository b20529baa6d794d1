"""The benchmark compares implementations that do the same work, and its table says what was measured."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from captioner import checkpoint
from captioner.checkpoint.weights import load_model
from captioner.errors import CaptionerError, UsageError
from captioner.images import open_image
from captioner.predict import Captioner
from train.__main__ import main
from train.benchmark import everything, gpu, ours, peers, processes, table, versions
from train.benchmark.everything import Plan
from train.benchmark.photos import find_photos, make_photos

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40, "image_size": 32}
PLAN = Plan(photos=3, peer_photos=2, rounds=1, memory=(2, 3), growth=2, seconds=0.0)
KEYS = {
    "photos_per_s",
    "encoder_photos_per_s",
    "blip_photos_per_s",
    "resnet101_photos_per_s",
    "speedup_blip_base",
    "speedup_resnet101",
    "share_of_encoder_limit",
    "latency_p50_ms",
    "latency_p95_ms",
    "cold_start_ratio",
    "peak_rss_over_imports_mb",
    "machine",
}
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")


@pytest.fixture
def few(tmp_path: Path) -> list[Path]:
    (tmp_path / "made").mkdir()
    return make_photos(tmp_path / "made", 3)


def test_photos_are_made_of_photographs_and_differ(few: list[Path]) -> None:
    assert all(path.read_bytes().startswith(b"\xff\xd8") for path in few)
    images = [open_image(path).image for path in few]
    assert [image.size for image in images] == [(341, 256)] * 3
    assert len({image.tobytes() for image in images}) == 3


def test_the_users_photos_come_by_name(few: list[Path], tmp_path: Path) -> None:
    assert find_photos(few[0].parent, 2, tmp_path) == few[:2]
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="holds no photo"):
        find_photos(tmp_path / "none", 2, tmp_path)


def test_every_peer_writes_as_many_words_as_it_is_told(few: list[Path]) -> None:
    pytest.importorskip("transformers")
    assert peers.blip_base(**TINY)(few, 6) == 3
    assert peers.vit_gpt2(**TINY)(few, 6) == 3
    assert peers.resnet101_tutorial(size=64, vocabulary=20)(few, 6) == 3


def test_a_peer_that_writes_less_is_found_out(few: list[Path]) -> None:
    def lazy(paths: Sequence[Path], length: int) -> int:
        return len(paths) - 1

    with pytest.raises(AssertionError, match="lazy gave 2 captions of 3"):
        everything.compare({"lazy": lambda: lazy}, few, 5, 1.0, lambda _: None)


def test_without_transformers_one_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r"transformers, which is missing; install it by: pip install -r"):
        peers.transformers()
    monkeypatch.setattr(everything, "run", lambda *_, **__: peers.transformers())
    assert main(["benchmark", "--quick"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_captions_of_the_fast_path_are_those_of_the_plain_one(photos: dict[str, Path]) -> None:
    fast = Captioner.load(device="cpu", precision="float32")
    paths = list(photos.values()) * 2  # more than one encoder batch, more than one batch
    _, records = ours.describe(fast, paths, batch_size=6)
    found = ours.same_captions(fast, records)
    assert found["captions_compared"] == len(paths)
    assert found["captions_different"] == found["captions_unlike_float32"] == 0
    assert found["log_prob_distance"] < 1e-3
    wrong = [ours.replace(one, path=two.path) for one, two in zip(records, [*records[1:], records[0]], strict=True)]
    found = ours.same_captions(fast, wrong)
    assert found["captions_different"] == found["captions_unlike_float32"] == len(paths)


def test_the_batch_changes_no_caption_in_the_default_precision(photos: dict[str, Path]) -> None:
    model = Captioner.load(device="cpu")
    _, records = ours.describe(model, list(photos.values()), batch_size=3)
    assert ours.same_captions(model, records)["captions_different"] == 0


@linux
def test_another_checkout_is_measured_beside_this_one(
    few: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "memory", lambda *_, root, **__: {"peak_rss_over_imports_mb": len(str(root))})
    with pytest.raises(UsageError, match=r"--before .*: not a checkout of captioner"):
        versions.compare(tmp_path, few, tmp_path, rounds=1)
    other, scratch = tmp_path / "other", tmp_path / "scratch"
    scratch.mkdir()
    shutil.copytree(processes.ROOT / "captioner", other / "captioner")
    found = versions.compare(other, few, scratch, rounds=1, large_photos=1)
    assert set(found) == {"before", "now"}
    assert all(value > 0 for rows in found.values() for value in rows.values())
    assert found["now"].keys() == versions.ROWS.keys()
    lines = table.versions_to_table(found).splitlines()
    assert len(lines) == len(versions.ROWS) + 2
    assert len({len(line) for line in lines}) == 1


def test_handfuls_give_the_grids_of_one_batch(small_checkpoint: Path, photos: dict[str, Path]) -> None:
    read = checkpoint.read(small_checkpoint)
    model = Captioner(load_model(read), read, device=torch.device("cpu"))
    prepared = [model.prepare(path) for path in photos.values()]
    assert len(prepared) == 5
    with torch.inference_mode():
        whole = model._model.encoder(model._images(prepared)).values
        torch.testing.assert_close(model._encode(prepared).values, whole, atol=1e-4, rtol=1e-4)


def test_threads_are_given_back(photos: dict[str, Path], small_checkpoint: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model = Captioner.load(small_checkpoint, device="cpu")
        ours.describe(model, list(photos.values()), batch_size=1)
        assert torch.get_num_threads() == 2
        ours.encoder_limit(model, [model.prepare(photos["coffee"])], seconds=0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_operations_are_counted(photos: dict[str, Path]) -> None:
    model = Captioner.load(device="cpu")
    found = ours.work(model, [model.prepare(photos["coffee"])])
    # 720 million multiply-adds at 224 pixels (Tan and Le 2021), here at 256.
    assert found["encoder_gflop"] == pytest.approx(2 * 0.72 * (256 / 224) ** 2, rel=0.05)
    assert found["decoder_gflop"] > 0.1


def test_a_gpu_is_measured_by_precision_and_batch(few: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, which supports the same precisions."""
    batches = []
    caption_batch = Captioner.caption_batch

    def seen(self: Captioner, photos: Any, *more: Any) -> Any:
        batches.append((len(photos), torch.is_autocast_enabled("cpu")))
        return caption_batch(self, photos, *more)

    monkeypatch.setattr(Captioner, "caption_batch", seen)
    found = gpu.measure(few, gflop=1.2, batches=(1, 2), sizes=(64,), device="cpu")
    assert {(size, half) for size, half in batches if half} == {(1, True), (2, True)}
    for name in gpu.PRECISIONS:
        best = max(found[f"gpu_photos_per_s_{name}_batch_{size}"] for size in (1, 2))
        assert found[f"gpu_share_of_peak_{name}"] == pytest.approx(best * 1.2 / found[f"gpu_matmul_gflops_{name}"])
    assert found["gpu_photos_per_s"] == max(found[f"gpu_photos_per_s_files_batch_{size}"] for size in (1, 2))
    assert len(table.to_table(found).splitlines()) == 2 + 1 + 3


@linux
def test_everything_is_measured_once(
    few: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def peer(paths: Sequence[Path], length: int) -> int:
        assert length > 2
        return len(paths)

    names = ("blip", "blip_greedy", "vit_gpt2", "resnet101")
    fakes: dict[str, Callable[[], Any]] = {name: lambda: peer for name in names}
    monkeypatch.setattr(everything, "PEERS", fakes)
    monkeypatch.setattr(everything.peers, "transformers", lambda: None)
    monkeypatch.setattr(processes, "seconds", lambda words, **_: 2.0 if "captioner" in words else 1.0)
    monkeypatch.setattr(processes, "run", lambda words, **_: SimpleNamespace(stderr=f"{300 + 10 * len(words)}\n"))
    monkeypatch.setattr(everything, "QUICK", PLAN)
    file, picture = tmp_path / "b.json", tmp_path / "g.png"
    assert (
        main(["benchmark", "--quick", "--photos", str(few[0].parent), "--json", str(file), "--plot", str(picture)]) == 0
    )
    result = json.loads(file.read_text())
    assert set(result) >= KEYS
    assert result["cold_start_ratio"] == 2.0
    assert result["peak_rss_over_imports_mb"] == result["peak_rss_over_imports_mb_2"] == 10
    assert result["speedup_blip_base"] == pytest.approx(result["photos_per_s"] / result["blip_photos_per_s"])
    assert result["captions_different"] == 0
    assert {name: len(times) for name, times in result["growth"].items()}["beam size"] == 5
    assert open_image(picture).width > 600
    assert table.to_table(result) in capsys.readouterr().out


def test_the_table_says_how_far_a_goal_is() -> None:
    lines = table.to_table({"speedup_blip_base": 150.0, "latency_p50_ms": 120.0, "photos_per_s": 61.234}).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert ["photos from files to captions, beam 3", "61.2 /s", "", ""] in cells
    assert ["as fast as BLIP-base", "150 ×", "≥ 100", "1.50"] in cells
    assert ["latency of one photo, p50", "120 ms", "≤ 60", "0.50"] in cells
    assert len({len(line) for line in lines}) == 1


@linux
def test_a_new_process_tells_its_own_memory() -> None:
    assert 5 < float(processes.run(["-c", f"import sys; {processes.PEAK}"]).stderr) < 100
    with pytest.raises(processes.subprocess.CalledProcessError):
        processes.run(["-c", "raise SystemExit(3)"])


def test_installed_sizes_leave_torch_out() -> None:
    found = processes.installed_sizes()
    assert 20 < found["installed_captioner_mb"] < 200
    assert 1 < found["installed_libraries_mb"] < 1_000


def test_a_missing_matplotlib_is_said_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(everything, "run", lambda *_, **__: pytest.fail("measured"))
    assert main(["benchmark", "--quick", "--plot", "g.png"]) == 2
    assert "--plot draws a picture, but matplotlib is missing; install it with: pip" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_a_missing_directory_is_said_before_anything_is_measured(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(everything, "run", lambda *_, **__: pytest.fail("measured"))
    assert main(["benchmark", "--quick", option, str(tmp_path / "none" / "file")]) == 4
    assert "cannot be written (no such directory)" in capsys.readouterr().err
    assert main(["benchmark", "--quick", option, str(tmp_path)]) == 4
    assert "cannot be written (it is a directory)" in capsys.readouterr().err


def test_mistakes_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(CaptionerError, match="cannot be written"):
        table.draw_growth({"photos": {1: 1.0, 2: 2.0}}, tmp_path / "missing" / "g.png")
