"""The whole benchmark, from the first process to the last ratio."""

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from captioner.errors import UsageError
from captioner.folders.batch import processors
from captioner.predict import Captioner
from train.benchmark import gpu, ours, peers, processes
from train.benchmark.photos import find_photos
from train.benchmark.versions import compare as compare_versions


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        photos: that are captioned by us.
        peer_photos: the first so many by each peer.
        rounds: repetitions of our throughput, and of the start times.
        memory: numbers of photos of which the peak memory is measured.
        growth: most photos of the pictures of growth.
        seconds: time for each setting of the encoder.
    """

    photos: int = 500
    peer_photos: int = 40
    rounds: int = 3
    memory: tuple[int, ...] = (1_000,)
    growth: int = 400
    seconds: float = 2.0


PEERS: dict[str, Callable[[], peers.Describe]] = {
    "blip": peers.blip_base,
    "blip_greedy": lambda: peers.blip_base(beams=1),
    "vit_gpt2": peers.vit_gpt2,
    "resnet101": peers.resnet101_tutorial,
}
"""Key in the result → what builds the peer, so that only one is in memory."""

QUICK = Plan(photos=40, peer_photos=2, rounds=1, memory=(40,), growth=16, seconds=0.2)
LONG = Plan(memory=(1_000, 10_000))


def run(
    plan: Plan,
    directory: Path | None = None,
    *,
    before: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure everything.

    Args:
        plan: how much.
        directory: of photos; None makes some.
        before: another checkout, measured beside this one.
        say: takes a line that tells what is measured now.

    Raises:
        UsageError: a package, photos or the other checkout are missing, or this is not Linux.
    """
    if not Path("/proc/self/status").exists():
        raise UsageError("the benchmark reads memory from /proc, which only Linux has.")
    peers.transformers()  # if it is missing, this says so before anything is measured
    begun = time.perf_counter()
    with TemporaryDirectory() as scratch:
        photos = find_photos(directory, plan.photos, Path(scratch))
        versions = {}
        if before:
            say("both versions")
            (place := Path(scratch) / "versions").mkdir()
            versions = {"versions": compare_versions(before, photos, place, rounds=plan.rounds)}
        say("starts and memory")
        result: dict[str, Any] = {"photos": len(photos)} | versions
        result |= processes.start_times(photos[0].resolve(), rounds=plan.rounds)
        result |= processes.memory(photos, Path(scratch) / "names.txt", counts=plan.memory)
        result |= processes.installed_sizes()
        result |= _here(plan, photos, say)
    result["benchmark_s"] = time.perf_counter() - begun
    return result


def _here(plan: Plan, photos: Sequence[Path], say: Callable[[str], None]) -> dict[str, Any]:
    model = Captioner.load(device="cpu")
    result: dict[str, Any] = {"machine": machine()}
    say("throughput")
    speed, records = ours.throughput(model, photos, rounds=plan.rounds)
    prepared = [model.prepare(path) for path in photos[:64]]
    say("limits")
    result |= ours.encoder_limit(model, prepared[:32], seconds=plan.seconds)
    result |= ours.work(model, prepared) | ours.reading(model, photos[:64])
    result["precision"] = model.precision
    result["matmul_gflops"] = peak = ours.int8_peak() if model.precision == "int8" else ours.matmul_peak()
    say("latency")
    result |= ours.latency(model, photos[:100])
    say("growth")
    result["growth"] = ours.growth(model, photos, most=min(plan.growth, len(photos)))
    say("the plain way")
    result |= ours.same_captions(model, records)
    sentences = [record.caption.split() for record in records[: plan.peer_photos] if record.caption]
    result["caption_tokens"] = length = round(sum(map(len, sentences)) / len(sentences))
    result |= compare(PEERS, photos[: plan.peer_photos], length, speed, say)
    result["photos_per_s"] = speed
    result["share_of_encoder_limit"] = speed / result["encoder_photos_per_s"]
    result["encoder_share_of_matmul_peak"] = result["encoder_photos_per_s"] * result["encoder_gflop"] / peak
    gflop = result["encoder_gflop"] + result["decoder_gflop"]
    result["share_of_matmul_peak"] = speed * gflop / peak
    if torch.cuda.is_available():
        say("GPU")
        result |= gpu.measure(photos, gflop=gflop)
    return result


def compare(
    others: dict[str, Callable[[], peers.Describe]],
    photos: Sequence[Path],
    length: int,
    speed: float,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Photos a second of each peer, and how many times as fast ours (`speed`) is.

    Args:
        others: see `PEERS`.
        photos: captioned by each.
        length: tokens of their sentences.
        speed: our photos a second.
        say: takes a line that tells who is measured now.
    """
    result: dict[str, float] = {}
    for name, build in others.items():
        say(name)
        describe = build()
        describe(photos[:1], length)  # to warm up
        begun = time.perf_counter()
        found = describe(photos, length)
        assert found == len(photos), f"{name} gave {found} captions of {len(photos)}"
        result[f"{name}_photos_per_s"] = len(photos) / (time.perf_counter() - begun)
        key = {"blip": "blip_base"}.get(name, name)
        result[f"speedup_{key}"] = speed / result[f"{name}_photos_per_s"]
    return result


def machine() -> dict[str, Any]:
    """What a reader needs to judge the figures."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(": ")[2] for line in info if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "processors": processors(),
        "threads": torch.get_num_threads(),
        "memory_gb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "load_average": os.getloadavg()[0],
    }
