"""Parameters shared over all time steps, against separate parameters for each step.

The task is recall of a detail, like the year in a sentence about a trip to Nepal: a sequence of letters contains one
digit, and at the end the network says which. Both networks are GRUs of the same size (the decoder's own cell) with one
output layer. One uses the same cell at every step; the other has a separate cell for each step. Both are trained on the
same sequences of 1 to 10 symbols and tested on up to 40. Guessing is right once in ten.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

from captioner.models.decoder import CELLS
from train.study import chart
from train.study.learning import count_parameters, learn
from train.study.setting import Entry, Finding, Setting

CLAIM = "Parameters shared over time generalize to unseen lengths; separate ones cannot."

TRAINED, TESTED = 10, 40
DIGITS, LETTERS, WIDTH = 10, 26, 48


class Unrolled(nn.Module):
    """An unrolled recurrent network: one cell per time step, and an output layer on the last state."""

    def __init__(self, cells: list[nn.RNNCellBase]) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)
        self.classify = nn.Linear(WIDTH, DIGITS)

    def forward(self, symbols: Tensor) -> Tensor:
        """Logits of the digit (B, 10) after sequences (B, T) of symbols."""
        inputs = F.one_hot(symbols, DIGITS + LETTERS).float()
        state = inputs.new_zeros(len(inputs), WIDTH)
        for cell, step in zip(self.cells, inputs.unbind(1), strict=False):
            state = cell(step, state)
        logits: Tensor = self.classify(state)
        return logits


def build(kind: str) -> Unrolled:
    """The network with `one` cell at all steps, or with one `each`."""
    cells = [CELLS["gru"](DIGITS + LETTERS, WIDTH) for _ in range(1 if kind == "one" else TESTED)]
    return Unrolled(cells * (TESTED // len(cells)))


def draw(length: int, count: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences (B, T) of letters with one digit each, and the digits (B,)."""
    symbols = torch.randint(DIGITS, DIGITS + LETTERS, (count, length), generator=chance)
    digits = torch.randint(DIGITS, (count,), generator=chance)
    places = torch.randint(length, (count,), generator=chance)
    symbols[torch.arange(count), places] = digits
    return symbols, digits


def accuracies(kind: str, seed: int, setting: Setting) -> tuple[int, list[float]]:
    """The number of parameters of a trained network, and its accuracy (%) at lengths 1 to 40."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    network = build(kind)

    def loss(_: int) -> Tensor:
        length = int(torch.randint(1, TRAINED + 1, (), generator=chance))
        symbols, digits = draw(length, 64, chance)
        return F.cross_entropy(network(symbols), digits)

    learn(
        network.parameters(), loss, steps=setting.pick(full=1500, quick=300, tiny=2), title=f"sharing {kind}", rate=3e-3
    )
    with torch.no_grad():
        found = []
        for length in range(1, TESTED + 1):
            symbols, digits = draw(length, setting.pick(full=1000, quick=200, tiny=4), chance)
            found.append(100 * (network(symbols).argmax(1) == digits).float().mean().item())
    return count_parameters(network), found


def study(setting: Setting) -> Finding:
    """Accuracy by length, with shared and with separate parameters."""
    figure, (axes,) = chart.panels()
    rows: list[tuple[Entry, ...]] = []
    at_end = {}
    for number, (kind, name) in enumerate((("one", "shared"), ("each", "separate"))):
        runs = [accuracies(kind, seed, setting) for seed in setting.seeds]
        values = [found for _, found in runs]
        chart.line(axes, range(1, TESTED + 1), values, label=name, number=number)
        at = {length: tuple(found[length - 1] for found in values) for length in (5, TRAINED, TRAINED + 1, 20, TESTED)}
        rows.append((name, runs[0][0], *at.values()))
        at_end[name] = sum(at[TESTED]) / len(values)
    axes.axvspan(1, TRAINED, color="gray", alpha=0.12, label="lengths trained on")
    axes.axhline(100 / DIGITS, color="gray", linestyle=":", label="guessing")
    axes.set(xlabel="symbols in the sequence", ylabel="right answers (%)", ylim=(0, 105))
    axes.legend(loc="center left", fontsize="small")
    seen = (
        f"At four times the longest trained length, shared parameters are right in {at_end['shared']:.0f} % of "
        f"sequences and separate ones in {at_end['separate']:.0f} %; guessing gives {100 // DIGITS} %."
    )
    columns = ("parameters", "number", *(f"right (%) at {length}" for length in (5, TRAINED, TRAINED + 1, 20, TESTED)))
    return Finding(columns=columns, rows=tuple(rows), figure=figure, seen=seen)
