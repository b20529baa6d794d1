"""The style of the studies' plots, in one place."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Distinguishable for color-blind readers too (Okabe and Ito 2008); lines also differ in their markers."""

MARKS = ("o", "s", "^", "D", "v", "P", "X")


def panels(columns: int = 1, rows: int = 1, *, size: tuple[float, float] = (5.5, 4.0)) -> "tuple[Figure, list[Axes]]":
    """An empty figure with this many panels, row by row; `size` of each in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * columns, size[1] * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for one in axes:
        one.grid(alpha=0.3)
        one.spines[["top", "right"]].set_visible(False)
        one.set_axisbelow(True)
    return figure, axes


def line(axes: "Axes", x: Sequence[float], values: ArrayLike, *, label: str, number: int, log: bool = False) -> None:
    """A line through the means over seeds, with a band of one standard deviation around it.

    Args:
        axes: axes to draw on.
        x: (X,).
        values: (seeds, X).
        label: label in the legend.
        number: index of the line, which determines its color and markers.
        log: use a logarithmic axis; mean and deviation are those of the logarithms.
    """
    table = np.atleast_2d(np.asarray(values, dtype=float))
    table = np.log(table) if log else table
    mean, spread = table.mean(0), _spread(table)
    middle, low, high = ((np.exp(y) if log else y) for y in (mean, mean - spread, mean + spread))
    color, mark = COLORS[number % len(COLORS)], MARKS[number % len(MARKS)]
    axes.plot(x, middle, color=color, marker=mark, markersize=4, markevery=max(1, len(mean) // 12), label=label)
    if log:
        axes.set_yscale("log")
    axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)


def bars(axes: "Axes", names: Sequence[str], values: Sequence[ArrayLike], *, unit: str) -> None:
    """A bar per name with its mean over seeds as label and one standard deviation; `values` (names, seeds)."""
    table = np.asarray(values, dtype=float).T  # (seeds, names)
    mean, spread = table.mean(0), _spread(table)
    colors = [COLORS[number % len(COLORS)] for number in range(len(names))]
    drawn = axes.bar(range(len(names)), mean, yerr=spread, color=colors, capsize=4, width=0.65)
    axes.bar_label(drawn, labels=[f"{value:.3g}" for value in mean], padding=2)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(unit)
    axes.margins(y=0.12)


def points(axes: "Axes", names: Sequence[str], values: Sequence[ArrayLike], *, label: str, number: int) -> None:
    """A marker per name at its mean over seeds, with one standard deviation; `values` (names, seeds)."""
    table = np.asarray(values, dtype=float).T  # (seeds, names)
    color, mark = COLORS[number % len(COLORS)], MARKS[number % len(MARKS)]
    axes.errorbar(
        range(len(names)), table.mean(0), _spread(table), color=color, marker=mark, linestyle="", capsize=4, label=label
    )
    axes.set_xticks(range(len(names)), names)


def _spread(
    table: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Standard deviation over seeds, (seeds, X) → (X,); 0 for a single seed."""
    return table.std(0, ddof=1) if len(table) > 1 else np.zeros(table.shape[1])
