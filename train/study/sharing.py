"""One set of parameters for all steps of time, against one for each.

The task is the notes' sentence about the year one went to Nepal: somewhere in a sequence of letters stands one digit,
and at the end the network says which. Both networks are GRUs of the same size (the decoder's own cell) with one output
layer. In one the same cell stands at every step, in the other every step has a cell of its own. Both are trained on the
same sequences of 1 to 10 symbols and tested on up to 40; guessing is right once in ten.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

from captioner.models.decoder import CELLS
from train.study import chart
from train.study.learning import count_parameters, learn
from train.study.setting import Entry, Finding, Setting

CLAIM = "Parameters shared through time generalise to lengths never seen; separate ones cannot."

TRAINED, TESTED = 10, 40
DIGITS, LETTERS, WIDTH = 10, 26, 48


class Unrolled(nn.Module):
    """A recurrent network written out: its cells, one for each step of time, and what reads its last state."""

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
    """Sequences (B, T) of letters with one digit in each, and the digits (B,)."""
    symbols = torch.randint(DIGITS, DIGITS + LETTERS, (count, length), generator=chance)
    digits = torch.randint(DIGITS, (count,), generator=chance)
    places = torch.randint(length, (count,), generator=chance)
    symbols[torch.arange(count), places] = digits
    return symbols, digits


def accuracies(kind: str, seed: int, setting: Setting) -> tuple[int, list[float]]:
    """The number of parameters of a trained network, and its shares (%) of right answers at lengths 1 to 40."""
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
    """Accuracy against length, with shared and with separate parameters."""
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
    axes.axvspan(1, TRAINED, color="grey", alpha=0.12, label="lengths trained on")
    axes.axhline(100 / DIGITS, color="grey", linestyle=":", label="guessing")
    axes.set(xlabel="symbols in the sequence", ylabel="right answers (%)", ylim=(0, 105))
    axes.legend(loc="center left", fontsize="small")
    seen = (
        f"At four times the longest length trained on, shared parameters are right in {at_end['shared']:.0f} % of "
        "sequences and "
        f"separate ones in {at_end['separate']:.0f} %, where guessing gives {100 // DIGITS} %."
    )
    columns = ("parameters", "number", *(f"right (%) at {length}" for length in (5, TRAINED, TRAINED + 1, 20, TESTED)))
    return Finding(columns=columns, rows=tuple(rows), figure=figure, seen=seen)
