"""Histograms and point plots as self-contained SVG, without scripts or external fonts."""

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 480, 260  # scales with the page; text of 13 px stays readable on a phone
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 468, 14, 212  # edges of the plot area
_STYLE = (
    ".chart{color:#374151;font:13px system-ui,sans-serif}.chart text{fill:currentColor}"
    ".chart .grid{stroke:currentColor;opacity:.2}.chart .bar{fill:#2f6fb3}"
    ".chart .line{stroke:#c2410c;fill:none;stroke-width:2}"
    ".chart .dot{fill:#c2410c}"
    "@media(prefers-color-scheme:dark){.chart{color:#d1d5db}.chart .bar{fill:#6ba6e0}.chart .line{stroke:#fb923c}"
    ".chart .dot{fill:#fb923c}}"
)
_Scale = Callable[[float], float]


def histogram(
    values: Sequence[float], *, title: str, x_label: str, beside: Sequence[float] | None = None, whole: bool = False
) -> str:
    """Draw a histogram with bins of equal width.

    Args:
        values: at least one value, none negative.
        title: text alternative for screen readers.
        x_label: label of the x-axis.
        beside: values to draw as a line for comparison; both are then shown as percentages of their totals.
        whole: use one bin per integer.

    Returns:
        An `<svg>` element.
    """
    everything = np.concatenate([values, beside if beside is not None else []])
    step = 1.0 if whole else nice_step(float(everything.max()) / 30)
    first = -0.5 if whole else 0.0
    edges = first + step * np.arange(math.floor((everything.max() - first) / step) + 2)
    series = [np.histogram(some, edges)[0] for some in ([values] if beside is None else [values, beside])]
    heights = [counts if beside is None else 100 * counts / counts.sum() for counts in series]
    x, x_marks = _axis(edges[0], edges[-1], _LEFT, _RIGHT)
    y, y_marks = _axis(0, 1.05 * max(float(height.max()) for height in heights), _BOTTOM, _TOP)
    parts = [
        f'<rect class="bar" x="{x(left) + 0.5:.1f}" y="{y(height):.1f}" width="{x(right) - x(left) - 1:.1f}" '
        f'height="{_BOTTOM - y(height):.1f}"/>'
        for left, right, height in zip(edges, edges[1:], heights[0], strict=False)
    ]
    if beside is not None:
        corners = zip(np.repeat(edges, 2)[1:-1], np.repeat(heights[1], 2), strict=True)
        steps = " ".join(f"{x(edge):.1f},{y(height):.1f}" for edge, height in corners)
        parts.append(f'<polyline class="line" points="{steps}"/>')
    y_label = "photos" if beside is None else "share (%)"
    return _chart(title=title, x_label=x_label, y_label=y_label, x_axis=(x, x_marks), y_axis=(y, y_marks), parts=parts)


def points(
    values: Sequence[tuple[float, float, float, float]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_marks: Sequence[float] | None = None,
    diagonal: bool = False,
) -> str:
    """Draw points with intervals, connected by a line.

    Args:
        values: at least one (x, y, lower end, upper end), in order of increasing x.
        title: text alternative for screen readers.
        x_label: label of the x-axis.
        y_label: label of the y-axis.
        x_marks: positions of the x labels; round numbers if None.
        diagonal: also draw the diagonal y = 100 x, for x as a fraction and y in percent.

    Returns:
        An `<svg>` element.
    """
    xs, _, lows, highs = np.array(values, dtype=float).T
    edge = 0.06 * float(np.ptp(xs)) or 0.1 * abs(float(xs[0])) or 1.0
    x, marks = _axis(float(xs.min()) - edge, float(xs.max()) + edge, _LEFT, _RIGHT)
    y, y_marks = _axis(min(0.0, float(lows.min())), 1.05 * float(highs.max()), _BOTTOM, _TOP)
    parts = [f'<polyline class="line" points="{" ".join(f"{x(a):.1f},{y(b):.1f}" for a, b, _, _ in values)}"/>']
    if diagonal:
        ends = xs.min(), xs.max()
        parts.append(
            f'<path class="grid" d="M{x(ends[0]):.1f} {y(100 * ends[0]):.1f}L{x(ends[1]):.1f} {y(100 * ends[1]):.1f}"/>'
        )
    for at, value, low, high in values:
        parts.append(f'<path class="line" d="M{x(at):.1f} {y(low):.1f}V{y(high):.1f}"/>')
        parts.append(f'<circle class="dot" cx="{x(at):.1f}" cy="{y(value):.1f}" r="4"/>')
    return _chart(
        title=title, x_label=x_label, y_label=y_label, x_axis=(x, x_marks or marks), y_axis=(y, y_marks), parts=parts
    )


def standalone(svg: str) -> str:
    """Turn an `<svg>` element into a standalone file by adding the XML namespace."""
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def nice_step(least: float) -> float:
    """The smallest number of the form 1, 2, or 5 times a power of ten that is at least `least`; 1 for 0."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _axis(low: float, high: float, start: float, end: float) -> tuple[_Scale, list[float]]:
    """A scale from values to pixels, and round values to label."""
    if high <= low:
        high = low + 1
    step = nice_step((high - low) / 6)
    marks = [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]

    def scale(value: float) -> float:
        return start + (float(value) - low) / (high - low) * (end - start)

    return scale, marks


def _chart(
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_axis: tuple[_Scale, Sequence[float]],
    y_axis: tuple[_Scale, Sequence[float]],
    parts: Sequence[str],
) -> str:
    (x, x_marks), (y, y_marks) = x_axis, y_axis
    lines = [f'<path class="grid" d="M{_LEFT} {y(mark):.1f}H{_RIGHT}"/>' for mark in y_marks]
    words = [f'<text x="{_LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:g}</text>' for mark in y_marks]
    words += [f'<text x="{x(mark):.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{mark:g}</text>' for mark in x_marks]
    middle = (_LEFT + _RIGHT) / 2
    words.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    upright = f'transform="rotate(-90)" x="{-(_TOP + _BOTTOM) / 2}" y="13"'
    words.append(f'<text {upright} text-anchor="middle">{escape(y_label)}</text>')
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"{''.join(lines)}{''.join(parts)}{''.join(words)}</svg>"
    )
