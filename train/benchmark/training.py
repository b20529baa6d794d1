"""How fast a training step is, and what it owes to captions that share their photo's projected grid.

    python -m train benchmark --training

Three ways to train the embedded model's decoder on the same random grids and captions, in turns in one process:

    shared      our step: a batch of photos, all captions of a photo look at its one projected grid
    copied      the same batch, the grid projected once for each caption
    single      a step for every caption: one photo, one caption
"""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from captioner import checkpoint
from captioner.config import DecoderConfig
from captioner.errors import UsageError
from captioner.models.decoder import RecurrentDecoder
from captioner.models.encoders import GRID_CHANNELS
from captioner.models.interfaces import Vectors
from captioner.text import BOS, EOS, UNK
from train.benchmark import processes
from train.objectives.cross_entropy import cross_entropy

VARIANTS = ("shared", "copied", "single")
Part = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Sizes:
    """What is trained on: photos in a batch, captions of each, tokens of a caption, cells of a grid, numbers in a
    cell.
    """

    photos: int = 16
    captions: int = 5
    tokens: int = 14
    cells: int = 49
    channels: int = GRID_CHANNELS["mobilenet_v2"]


class Trial:
    """One way to train, with a decoder of its own."""

    def __init__(self, variant: str, config: DecoderConfig, sizes: Sizes) -> None:
        torch.manual_seed(0)
        self.decoder = RecurrentDecoder(config, sizes.channels).train()
        self.optimizer = torch.optim.AdamW(self.decoder.parameters())
        grids = torch.randn(sizes.photos, sizes.cells, sizes.channels)
        tokens = torch.randint(UNK + 1, config.vocabulary_size, (sizes.photos, sizes.captions, sizes.tokens + 2))
        tokens[..., 0], tokens[..., -1] = BOS, EOS
        self.parts = _parts(variant, grids, tokens)
        self.captions = sum(part.shape[0] * part.shape[1] for _, part in self.parts)

    def run(self) -> float:
        """Take all steps once; returns the mean loss."""
        losses = []
        for grids, tokens in self.parts:
            loss, _ = cross_entropy(self.decoder, Vectors(grids), tokens)
            self.optimizer.zero_grad(set_to_none=True)
            loss.value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
            self.optimizer.step()
            losses.append(loss.value.item())
        return statistics.fmean(losses)


def _parts(variant: str, grids: Tensor, tokens: Tensor) -> list[Part]:
    """What the steps of a variant read, one after the other: grids (B, N, D) and tokens (B, K, T) each."""
    match variant:
        case "shared":
            return [(grids, tokens)]
        case "copied":
            return [(grids.repeat_interleave(tokens.shape[1], 0), tokens.flatten(0, 1)[:, None])]
        case _:  # one caption of every photo is enough to know how long one takes
            return [(grids[photo, None], tokens[photo, None, :1]) for photo in range(len(grids))]


def measure(config: DecoderConfig, sizes: Sizes, *, rounds: int = 7) -> dict[str, float]:
    """Captions a second of each variant: the median of so many rounds, taken in turns because machines have moods."""
    trials = {variant: Trial(variant, config, sizes) for variant in VARIANTS}
    speeds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for number in range(rounds + 1):
        for variant, trial in trials.items():
            begun = time.perf_counter()
            trial.run()
            if number:  # the first is for warming up
                speeds[variant].append(trial.captions / (time.perf_counter() - begun))
    return {variant: statistics.median(found) for variant, found in speeds.items()}


def memory(variant: str, threads: int) -> float:
    """Greatest memory of this process above its imports, in MB, after a few steps of a variant; for a new process."""
    torch.set_num_threads(threads)
    before = processes.peak_memory()
    trial = Trial(variant, checkpoint.read().config.decoder, Sizes())
    for _ in range(3):
        trial.run()
    return processes.peak_memory() - before


def compare(threads: int) -> dict[str, Any]:
    """Speed and peak memory of all variants, and how many times as fast ours is as the others.

    Raises:
        UsageError: this is not Linux.
    """
    if not Path("/proc/self/status").exists():
        raise UsageError("the benchmark reads memory from /proc, which only Linux has.")
    # Memory first: a new process inherits the highest mark of the one that starts it, which is still low.
    code = "import sys; from train.benchmark.training import memory; print(memory({!r}, {}), file=sys.stderr)"
    used = {name: float(processes.run(["-c", code.format(name, threads)]).stderr.splitlines()[-1]) for name in VARIANTS}
    torch.set_num_threads(threads)
    speed = measure(checkpoint.read().config.decoder, Sizes())
    return {
        "threads": threads,
        "captions_per_second": speed,
        "shared_is_faster_than": {variant: speed["shared"] / speed[variant] for variant in VARIANTS[1:]},
        "peak_memory_mb": used,
    }


def to_table(result: dict[str, Any]) -> str:
    """What `compare` found, for people."""
    speed, memory = result["captions_per_second"], result["peak_memory_mb"]
    lines = [f"{'':8}  captions/s  our step is  peak memory"]
    lines += [
        f"{name:8}  {speed[name]:10.1f}  {speed['shared'] / speed[name]:9.2f} ×  {memory[name]:8.0f} MB"
        for name in VARIANTS
    ]
    return "\n".join(lines)
