"""Plot a run's loss, gradient norm, scores and reward over steps, from its logs."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from captioner.errors import UsageError
from captioner.files import output_errors, replacing
from train.drawing import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES, EPOCHS, STEPS = "curves.png", "epochs.jsonl", "steps.jsonl"
_PALE, _STRONG = "#c6d4e8", "#2b5c9e"
_SECOND = "#c2571a"

Record = dict[str, Any]


def draw_curves(directory: Path) -> Path:
    """Plot `curves.png` (1200 × 700 pixels) from the logs in a run's directory.

    Nothing but the picture is written, so this is safe during a run.

    Raises:
        UsageError: matplotlib is not installed, or the log has no steps.
        OutputError: the picture cannot be written.
    """
    require_matplotlib("curves are plotted")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps, epochs = _read(directory / STEPS), _read(directory / EPOCHS)
    if not steps:
        raise UsageError(f"{directory}: contains no logged training step ({STEPS}).")
    figure = Figure(figsize=(12, 7), dpi=100)
    figure.subplots_adjust(left=0.05, right=0.985, bottom=0.075, top=0.955, wspace=0.1, hspace=0.13)
    FigureCanvasAgg(figure)
    (loss, scores), (norm, last) = figure.subplots(2, 2, sharex=True)
    _draw_steps(loss, steps, "loss", "training loss")
    _draw_steps(norm, steps, "norm", "gradient norm, before clipping")
    norm.set_yscale("log")
    norm.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    norm.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    _draw_scores(scores, epochs)
    if any("reward" in step for step in steps):
        _draw_steps(last, steps, "reward", "sample reward (CIDEr-D)")
    else:
        last.plot([step["step"] for step in steps], [step["rate"] for step in steps], color=_STRONG)
        last.set_title("learning rate, share of its peak")
    for axes in (loss, scores, norm, last):
        _mark_phases(axes, steps, epochs, named=axes is loss)
        axes.grid(alpha=0.3)
    for axes in (norm, last):
        axes.set_xlabel("step")
    path = directory / CURVES
    with output_errors(path), replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def _read(path: Path) -> list[Record]:
    """The records of a log, without a last line that is still being written."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as problem:
        raise UsageError(f"{path}: not a readable training log ({problem}).") from None


def _draw_steps(axes: "Axes", records: Sequence[Record], key: str, title: str) -> None:
    """Every step's value as a pale line, and a running mean over a fiftieth of the steps."""
    steps = np.array([record["step"] for record in records if key in record])
    values = np.array([record[key] for record in records if key in record], dtype=float)
    window = max(1, len(values) // 50)
    mean = np.convolve(values, np.full(window, 1 / window), mode="valid")
    axes.plot(steps, values, color=_PALE, linewidth=0.8)
    axes.plot(steps[window - 1 :], mean, color=_STRONG)
    axes.set_title(title)


def _draw_scores(axes: "Axes", epochs: Sequence[Record]) -> None:
    highest = 1.0
    for key, name, color in (("CIDEr", "CIDEr-D", _STRONG), ("Bleu_4", "BLEU-4", _SECOND)):
        steps = [epoch["step"] for epoch in epochs if key in epoch]
        values = [100 * epoch[key] for epoch in epochs if key in epoch]
        if not values:  # translators have no CIDEr-D
            continue
        highest = max([highest, *values])
        axes.plot(steps, values, color=color, marker="o", markersize=4, label=name)
        axes.annotate(
            f"{values[-1]:.1f}", (steps[-1], values[-1]), textcoords="offset points", xytext=(-4, 6), ha="right"
        )
    axes.set_ylim(0, 1.15 * highest)
    axes.set_title("validation, × 100")
    if axes.lines:
        axes.legend(loc="lower right")


def _mark_phases(axes: "Axes", steps: Sequence[Record], epochs: Sequence[Record], *, named: bool) -> None:
    """A dotted line between phases, with their names at the top."""
    end = 1.02 * steps[-1]["step"]
    begins = [(0, epochs[0]["phase"])] if epochs else []
    begins += [(before["step"], epoch["phase"]) for before, epoch in pairwise(epochs) if epoch["epoch"] == 1]
    for step, name in begins:
        if step:
            axes.axvline(step, color="gray", linestyle=":")
        if named:
            axes.text(step / end, 0.97, f" {name}", transform=axes.transAxes, va="top", color="gray")
    axes.set_xlim(0, end)
