"""Markdown tables that are readable in a terminal, too."""

from collections.abc import Collection, Sequence


def markdown(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """A Markdown table with aligned columns.

    Args:
        rows: cells; the first row is the header.
        right: indices of the right-aligned columns.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"

    rule = "|".join("-" * (width + 1) + (":" if place in right else "-") for place, width in enumerate(widths))
    header, *others = map(line, rows)
    return "\n".join([header, f"|{rule}|", *others])
