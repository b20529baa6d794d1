"""Exploding and vanishing gradients; gradient clipping, and the regularizer of Pascanu et al. 2013.

The left plot shows untrained networks: how much of the gradient of their last output arrives at the state k steps
earlier, ‖∂(v·h_T)/∂h_(T-k)‖ for a random v, relative to k = 0. ρ is the spectral radius of the recurrent matrix. The
middle plot shows the same for networks trained at length 40.

The task is temporal order (Hochreiter and Schmidhuber 1997, as in Pascanu et al. 2013, section 4.1): a sequence of
distractors contains two symbols, each A or B, one after a tenth and one after four tenths of its length. The network
says which two, and in which order. Guessing is right once in four. A length is solved when 99 of 100 new sequences are
right.

All networks are plain recurrent networks of 50 hidden units (the decoder's own cell). They start with ρ = 0.7 and are
trained by stochastic gradient descent with momentum 0.9 at a learning rate of 0.1, or 0.03 with Ω (the better of these
two in each case, tried on one seed). Clipping scales gradients with a norm above 1 down to that norm. The regularizer
is Ω = Σ_t (‖∂E/∂h_(t+1) · ∂h_(t+1)/∂h_t‖ / ‖∂E/∂h_(t+1)‖ - 1)², with only the immediate derivative with respect to the
recurrent matrix, as in the paper.
"""

import statistics
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn
from tqdm import tqdm

from captioner.config import Cell
from train.study import chart
from train.study.learning import Recurrent
from train.study.setting import Entry, Finding, Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLAIM = (
    "Gradients explode or vanish through time. Clipping, ĝ = threshold/‖g‖·g, cures the first; the regularizer of"
    " Pascanu et al. 2013 eases the second."
)
WIDTH, SYMBOLS, ORDERS = 50, 6, 4
THRESHOLD, WEIGHT = 1.0, 2.0
LAGS = 60
RADIUS = 0.7  # of the recurrent matrix when training begins
SOLVED = 99.0
PICTURED, BACK = 40, 30


class Method(NamedTuple):
    """How a plain network is trained: its learning rate, and whether gradients are clipped or regularized."""

    name: str
    rate: float
    clipped: bool = True
    regularized: bool = False


METHODS = (
    Method("plain", 0.1, clipped=False),
    Method("clipped", 0.1),
    Method("clipped, Ω", 0.03, regularized=True),
)


def omega(matrix: Tensor, states: list[Tensor], gradients: tuple[Tensor, ...]) -> Tensor:
    """The regularizer of Pascanu et al. 2013, equations 9 and 10, for h' = tanh(W h + …): averaged over sequences.

    Args:
        matrix: W, (H, H); the result has a gradient with respect to it alone, through ∂h'/∂h = diag(1 - h'²) W.
        states: h after each of T steps, (B, H).
        gradients: gradients of the loss with respect to each state.
    """
    after, arriving = torch.stack(states[1:]).detach(), torch.stack(gradients[1:]).detach()  # (T - 1, B, H)
    passed = (arriving * (1 - after**2)) @ matrix
    norms = arriving.norm(dim=-1)
    there = norms > 1e-20  # a gradient that has vanished completely has no direction
    ratios = passed.norm(dim=-1)[there] / norms[there]
    value: Tensor = ((ratios - 1) ** 2).sum() / after.shape[1]
    return value


def norms_by_lag(network: Recurrent, seed: int) -> list[float]:
    """‖∂(v·h_T)/∂h_(T-k)‖ for k = 0 to 60 relative to k = 0, averaged over random sequences."""
    chance = torch.Generator().manual_seed(seed)
    symbols = torch.randint(2, SYMBOLS, (20, LAGS + 1), generator=chance)
    states = network.states(F.one_hot(symbols, SYMBOLS).float())
    last = (states[-1][0] * torch.randn(20, WIDTH, generator=chance)).sum()
    parts = torch.autograd.grad(last, [part for state in states for part in state], allow_unused=True)
    norms = torch.zeros(LAGS + 1, 20)
    for place, part in enumerate(parts):
        if part is not None:  # nothing reads an LSTM's last cell state
            norms[place // len(states[0])] += part.square().sum(1)
    shares = norms.sqrt().mean(1).flip(0)
    return (shares / shares[0]).tolist()


def fresh(kind: Cell, seed: int, *, radius: float = 0.0, forget: float = 0.0) -> Recurrent:
    """An untrained network, optionally with a given spectral radius or, for an LSTM, a bias of the forget gate."""
    torch.manual_seed(seed)
    network = Recurrent(kind, SYMBOLS, WIDTH)
    matrix, bias = network.cell.weight_hh, network.cell.bias_hh
    with torch.no_grad():
        if radius:
            matrix.normal_()
            matrix *= radius / torch.linalg.eigvals(matrix).abs().max()
        if forget:
            bias[WIDTH : 2 * WIDTH] += forget
    return network


def draw(length: int, count: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """One-hot sequences (B, T, 6) of the temporal-order task, and their classes (B,)."""
    symbols = torch.randint(2, SYMBOLS, (count, length), generator=chance)
    pair = torch.randint(2, (count, 2), generator=chance)
    for number, tenth in enumerate((1, 4)):
        first, after = tenth * length // 10, max((tenth + 1) * length // 10, tenth * length // 10 + 1)
        symbols[torch.arange(count), torch.randint(first, after, (count,), generator=chance)] = pair[:, number]
    return F.one_hot(symbols, SYMBOLS).float(), 2 * pair[:, 0] + pair[:, 1]


def solve(method: Method, length: int, seed: int, steps: int) -> tuple[Recurrent, float, float]:
    """Train on sequences of one length until solved; returns the network, its accuracy (%) and its largest gradient
    norm.
    """
    network = fresh("rnn", seed, radius=RADIUS)
    classify = nn.Linear(WIDTH, ORDERS)
    chance = torch.Generator().manual_seed(seed)
    parameters = [*network.parameters(), *classify.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=method.rate, momentum=0.9)
    largest, right = 0.0, 0.0
    for step in tqdm(range(1, steps + 1), f"{method.name} at {length}", leave=False, disable=None):
        inputs, orders = draw(length, 50, chance)
        states = [state[0] for state in network.states(inputs)]
        loss = F.cross_entropy(classify(states[-1]), orders)
        if method.regularized:
            arriving = torch.autograd.grad(loss, states, retain_graph=True)
            loss = loss + WEIGHT * omega(network.cell.weight_hh, states, arriving)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(parameters, THRESHOLD if method.clipped else float("inf")).item()
        largest = max(largest, norm)
        optimizer.step()
        if step % 100 == 0 or step == steps:
            with torch.no_grad():
                inputs, orders = draw(length, 1000, torch.Generator().manual_seed(seed + 1000))
                right = 100 * (classify(network(inputs)[:, -1]).argmax(1) == orders).float().mean().item()
            if right >= SOLVED:
                break
    return network, right, largest


def study(setting: Setting) -> Finding:
    """Gradient norms by lag, before and after training; the temporal-order task by length."""
    lengths = setting.pick(full=(10, 20, 40, 60), quick=(10, PICTURED), tiny=(10, PICTURED))
    steps = setting.pick(full=800, quick=150, tiny=1)
    figure, (before, after, task) = chart.panels(3)
    starts = {
        "rnn, ρ = 0.6": [fresh("rnn", seed, radius=0.6) for seed in setting.seeds],
        "rnn, ρ = 2": [fresh("rnn", seed, radius=2.0) for seed in setting.seeds],
        "gru": [fresh("gru", seed) for seed in setting.seeds],
        "lstm": [fresh("lstm", seed) for seed in setting.seeds],
        "lstm, forget gate's bias 2": [fresh("lstm", seed, forget=2.0) for seed in setting.seeds],
    }
    _draw_norms(before, starts, setting.seeds, "before training")
    rows: list[tuple[Entry, ...]] = []
    trained: dict[str, list[Recurrent]] = {}
    for number, method in enumerate(METHODS):
        runs = {length: [solve(method, length, seed, steps) for seed in setting.seeds] for length in lengths}
        right = {length: tuple(one[1] for one in found) for length, found in runs.items()}
        norms = tuple(max(found[row][2] for found in runs.values()) for row in range(len(setting.seeds)))
        trained[method.name] = [network for network, _, _ in runs[PICTURED]]
        shares = tuple(
            norms_by_lag(network, seed)[BACK] for network, seed in zip(trained[method.name], setting.seeds, strict=True)
        )
        rows.append((method.name, norms, shares, *right.values()))
        chart.line(task, lengths, list(zip(*right.values(), strict=True)), label=method.name, number=number)
    _draw_norms(after, trained, setting.seeds, f"after training at length {PICTURED}")
    task.axhline(100 / ORDERS, color="gray", linestyle=":", label="guessing")
    task.set(title="temporal order", xlabel="length of the sequence", ylabel="right answers (%)", ylim=(0, 105))
    task.legend(fontsize="small")
    names = ("training", "largest gradient norm", f"arrives {BACK} steps back")
    columns = (*names, *(f"right (%) at {length}" for length in lengths))
    return Finding(columns=columns, rows=tuple(rows), figure=figure, seen=summary(rows, lengths, steps))


def summary(rows: list[tuple[Entry, ...]], lengths: tuple[int, ...], steps: int) -> str:
    """The result in one sentence."""
    solved = [
        [sum(value >= SOLVED for value in right) for right in row[3:] if isinstance(right, tuple)] for row in rows
    ]
    arrives = [statistics.median(row[2]) for row in rows if isinstance(row[2], tuple)]
    counts = "; ".join(f"{row[0]} {', '.join(map(str, found))}" for row, found in zip(rows, solved, strict=True))
    return (
        f"Seeds that solve temporal order at the lengths {', '.join(map(str, lengths))} within {steps} steps: "
        f"{counts}. In networks trained at length"
        f" {PICTURED}, {arrives[-1]:.1g} of the gradient arrives {BACK} steps back with Ω and {arrives[-2]:.1g} "
        "without (medians)."
    )


def _draw_norms(axes: "Axes", networks: dict[str, list[Recurrent]], seeds: tuple[int, ...], title: str) -> None:
    for number, (name, found) in enumerate(networks.items()):
        values = [norms_by_lag(network, seed) for network, seed in zip(found, seeds, strict=True)]
        chart.line(axes, range(LAGS + 1), torch.tensor(values).clamp(min=1e-12), label=name, number=number, log=True)
    axes.set(title=title, xlabel="steps back in time", ylabel="share of the gradient that arrives", ylim=(1e-10, 1e6))
    axes.legend(fontsize="small")
