"""Gated cells: the plain cell, the GRU and the LSTM on one budget, on a memory task and on captions.

The adding problem (Hochreiter and Schmidhuber 1997) tests memory: a sequence of pairs contains a random number in [0,
1] and a mark. Two of the numbers are marked, one in the first half and one in the second, and the network predicts
their sum. Always predicting 1 has a mean squared error of 1/6.

For captions, one of the library's decoders is trained with each cell, for the same number of steps on the same captions
in the same order, and measured by BLEU-4 of a beam search of 3 on other photos.

The cells have the same width, so the LSTM has four times the plain cell's recurrent parameters and the GRU three times.
The LSTM starts with PyTorch's defaults, without a larger bias of its forget gate.
"""

import time
from dataclasses import replace

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

from captioner.config import Cell
from train.study import chart
from train.study.captions import SETTINGS, CaptionData, build_decoder, read_captions, score, teach, write_captions
from train.study.learning import Recurrent, count_parameters, learn
from train.study.setting import Entry, Finding, Setting

CLAIM = (
    "Gates let a cell keep what it has read: the LSTM with its forget, input and output gates, and the GRU as the "
    "simpler one."
)
KINDS: tuple[Cell, ...] = ("rnn", "gru", "lstm")
WIDTH, EVERY = 64, 50


def draw(length: int, count: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences (B, T, 2) of numbers and marks, and the sums (B,) of the two marked numbers."""
    numbers, marks = torch.rand(count, length, generator=chance), torch.zeros(count, length)
    rows, half = torch.arange(count), length // 2
    first = torch.randint(half, (count,), generator=chance)
    second = torch.randint(half, length, (count,), generator=chance)
    marks[rows, first] = marks[rows, second] = 1
    return torch.stack([numbers, marks], 2), numbers[rows, first] + numbers[rows, second]


def add(kind: Cell, length: int, seed: int, steps: int) -> list[float]:
    """Mean squared error of the adding problem, averaged over every 50 training steps."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    network, read = Recurrent(kind, 2, WIDTH), nn.Linear(WIDTH, 1)

    def loss(_: int) -> Tensor:
        inputs, sums = draw(length, 50, chance)
        return F.mse_loss(read(network(inputs)[:, -1])[:, 0], sums)

    parameters = [*network.parameters(), *read.parameters()]
    losses = learn(parameters, loss, steps=steps, title=f"adding with {kind}", rate=1e-2)
    every = min(EVERY, steps)
    return torch.tensor(losses[: steps // every * every]).view(-1, every).mean(1).tolist()


def describe(kind: Cell, data: CaptionData, seed: int, steps: int) -> tuple[int, float, float, float]:
    """Parameters of a decoder's cell, its last training loss, its BLEU-4, and the seconds of training."""
    decoder = build_decoder(data, replace(SETTINGS, cell=kind), seed)
    begun = time.process_time()
    losses = teach(decoder, data, steps=steps, seed=seed, title=f"captions with {kind}")
    seconds = time.process_time() - begun
    last = losses[-max(1, steps // 10) :]
    size = count_parameters(decoder.cells)
    return size, sum(last) / len(last), score(write_captions(decoder, data), data), seconds


def study(setting: Setting) -> Finding:
    """The adding problem and captions, for each of the three cells."""
    length = setting.pick(full=30, quick=20, tiny=6)
    steps = setting.pick(full=800, quick=200, tiny=2)
    data = read_captions(setting)
    figure, (adding, captions) = chart.panels(2)
    rows: list[tuple[Entry, ...]] = []
    scores, errors = {}, {}
    for number, kind in enumerate(KINDS):
        curves = [add(kind, length, seed, steps) for seed in setting.seeds]
        at = [min(EVERY, steps) * (place + 1) for place in range(len(curves[0]))]
        chart.line(adding, at, curves, label=kind, number=number, log=True)
        errors[kind] = tuple(curve[-1] for curve in curves)
        runs = [describe(kind, data, seed, setting.pick(full=300, quick=60, tiny=2)) for seed in setting.seeds]
        size, (losses, scores[kind], seconds) = runs[0][0], zip(*(run[1:] for run in runs), strict=True)
        rows.append((kind, errors[kind], size, losses, scores[kind], seconds))
    adding.axhline(1 / 6, color="gray", linestyle=":", label="always 1")
    adding.set(title=f"adding problem, {length} numbers", xlabel="training steps", ylabel="mean squared error")
    adding.legend()
    chart.bars(captions, KINDS, list(scores.values()), unit="BLEU-4 (%)")
    captions.set_title("captions of other photos, as many steps each")
    mean = {kind: torch.tensor(values).mean().item() for kind, values in errors.items()}
    better = " and ".join(kind for kind in KINDS if mean[kind] < 1 / 60) or "no cell"
    order = sorted(KINDS, key=lambda kind: -sum(scores[kind]))
    written = ", ".join(f"{kind} {sum(scores[kind]) / len(scores[kind]):.1f}" for kind in order)
    seen = (
        f"Error ten times below guessing on {length} numbers after {steps} steps: {better}; "
        f"BLEU-4 of captions after the same number of steps: {written}."
    )
    columns = ("cell", f"adding error at {length}", "parameters", "caption loss", "BLEU-4 (%)", "seconds to train")
    return Finding(columns=columns, rows=tuple(rows), figure=figure, seen=seen)
