"""A Neural Turing Machine against an LSTM with as many parameters: copying, associative recall, sorting.

The tasks are those of Graves et al. 2014 with vectors of six random bits, scaled down to minutes on a CPU:

- copy: vectors, a mark, then the same vectors;
- repeated copy: vectors, a mark that says how many times (1 to 3), then the vectors that many times and an end sign;
- recall: different vectors, a mark, then the same vectors in another order; the answer to each is the one that followed
  it;
- sorting: vectors with a priority each, a mark, then the vectors by decreasing priority.

Both networks see the same sequences, up to the longest trained length, and are tested on up to five times that length,
repeated copies always with three copies. "Guessing" stores no vector: at best, half of the vectors' bits are wrong and
the end sign is right. With `--quick` the steps are too few for either network to learn anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

from train.study import chart
from train.study.episodes import BITS, INPUTS, OUTPUTS, Episode, copy, recall, repeat, sort
from train.study.learning import Recurrent, count_parameters, learn
from train.study.setting import Entry, Finding, Setting
from train.study.turing import READ, WRITE, TuringMachine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLAIM = (
    "A Neural Turing Machine, differentiable in every part, beats an LSTM at copying, repeated copying, associative"
    " recall and sorting."
)

BATCH, TESTED = 32, 64
LEARNED_FROM, TESTED_ON = 1, 0
"""Seeds of the sequences; a network's own seed is added to the first."""

TIMES = (1, 2, 3, 4, 5)
"""Tested multiples of the longest trained length."""


@dataclass(frozen=True)
class Task:
    """A task, its longest trained length, and the number of training steps."""

    draw: Callable[[int, int, torch.Generator], Episode]
    longest: int
    steps: int


TASKS = {
    "copy": Task(copy, 10, 1000),
    "repeated copy": Task(repeat, 5, 1200),
    "recall": Task(recall, 6, 1500),
    "sorting": Task(sort, 5, 2000),
}


class Baseline(nn.Module):
    """An LSTM with one output layer."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.recurrent = Recurrent("lstm", INPUTS, hidden)
        self.output = nn.Linear(hidden, OUTPUTS)

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """Logits (B, T, 7) after every step of (B, T, 8)."""
        return self.output(self.recurrent(inputs)), None


def build(name: str) -> nn.Module:
    """The `NTM`, or the `LSTM` with the most similar number of parameters."""
    machine = TuringMachine(INPUTS, OUTPUTS, hidden=32, rows=64, width=8)
    if name == "NTM":
        return machine
    return min(
        (Baseline(hidden) for hidden in range(8, 65)),
        key=lambda one: abs(count_parameters(one) - count_parameters(machine)),
    )


def fit(name: str, task: Task, seed: int, setting: Setting) -> nn.Module:
    """A network trained for a task."""
    torch.manual_seed(seed)
    network, chance = build(name), torch.Generator().manual_seed(LEARNED_FROM + seed)

    def loss(_: int) -> Tensor:
        length = int(torch.randint(1, task.longest + 1, (), generator=chance))
        inputs, answer = task.draw(BATCH, length, chance)
        return F.binary_cross_entropy_with_logits(network(inputs)[0][:, -answer.shape[1] :], answer)

    steps = setting.pick(full=task.steps, quick=task.steps // 70, tiny=1)
    learn(network.parameters(), loss, steps=steps, title=f"memory {name}", rate=5e-3)
    return network


@torch.no_grad()
def wrong(network: nn.Module, task: Task, length: int) -> float:
    """Mean number of wrong bits per sequence."""
    inputs, answer = task.draw(TESTED, length, torch.Generator().manual_seed(TESTED_ON))
    logits = network(inputs)[0][:, -answer.shape[1] :]
    return float(((logits > 0) != (answer > 0)).sum((1, 2)).float().mean())


def guessing(task: Task, length: int) -> float:
    """Mean number of wrong bits in the same answers if vectors are guessed and everything else is right."""
    answer = task.draw(TESTED, length, torch.Generator().manual_seed(TESTED_ON)).answer
    return BITS / 2 * float((answer[..., BITS] == 0).sum(1).float().mean())


def study(setting: Setting) -> Finding:
    """Wrong bits by length for both networks on every task, and how the machine uses its memory."""
    figure, panels = chart.panels(3, 2, size=(4.4, 3.5))
    rows: list[tuple[Entry, ...]] = []
    means: dict[tuple[str, str], list[float]] = {}
    copier: nn.Module | None = None
    for axes, (title, task) in zip(panels, TASKS.items(), strict=False):
        lengths = [times * task.longest for times in TIMES]
        for number, name in enumerate(("NTM", "LSTM")):
            networks = [fit(name, task, seed, setting) for seed in setting.seeds]
            copier = copier or networks[0]
            found = [[wrong(network, task, length) for length in lengths] for network in networks]
            chart.line(axes, lengths, found, label=name, number=number)
            rows.append((title, name, count_parameters(networks[0]), task.longest, *zip(*found, strict=True)))
            means[title, name] = [sum(values) / len(values) for values in zip(*found, strict=True)]
        guesses = [guessing(task, length) for length in lengths]
        rows.append((title, "guessing", 0, task.longest, *guesses))
        axes.plot(lengths, guesses, color="gray", linestyle="--", label="guessing")
        axes.axvline(task.longest, color="gray", linestyle=":")
        axes.set(title=title, xlabel="length (dotted: longest trained)", ylabel="bits wrong", ylim=(0, None))
        axes.legend()
    assert copier
    _show(panels[-2:], copier)
    seen = "; ".join(
        f"{title} {means[title, 'NTM'][0]:.1f} and {means[title, 'LSTM'][0]:.1f}, at {TIMES[-1]} times that length"
        f" {means[title, 'NTM'][-1]:.1f} and {means[title, 'LSTM'][-1]:.1f}"
        for title in TASKS
    )
    columns = (
        "task",
        "network",
        "parameters",
        "trained to",
        "bits wrong there",
        *(f"at {times} ×" for times in TIMES[1:]),
    )
    return Finding(
        columns=columns,
        rows=tuple(rows),
        figure=figure,
        seen=f"Wrong bits at the longest trained length, NTM and LSTM: {seen}.",
    )


@torch.no_grad()
def _show(panels: "list[Axes]", machine: nn.Module) -> None:
    """The heads' weights while copying sequences of twice the trained length."""
    length = 2 * TASKS["copy"].longest
    inputs, _ = copy(1, length, torch.Generator().manual_seed(TESTED_ON))
    weights = machine(inputs)[1][0]  # (T, 2, N)
    for axes, head, name in zip(panels, (WRITE, READ), ("writing", "reading"), strict=True):
        axes.imshow(weights[:, head].T.numpy(), cmap="viridis", vmin=0, vmax=1, aspect="auto", origin="lower")
        axes.axvline(length, color="white", linestyle=":")
        axes.set(title=f"copy: the {name} head", xlabel="step (dotted: the mark)", ylabel="row of the memory")
        axes.grid(visible=False)
