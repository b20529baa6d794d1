"""The setting and the result of a study."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")

Entry = str | int | float | tuple[float, ...]
"""A table cell: a word, a number, or one number per seed, shown as mean ± standard deviation."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The time budget and the data of a study.

    Attributes:
        quick: take seconds instead of minutes; this shows the direction of an effect, not its size.
        data: directory of real data, with `flickr8k` and `text/multi30k`; without it, generated toy data.
        seeds: random seeds, at least one; everything is run once per seed.
        tiny: for tests: run everything, learn nothing.
    """

    quick: bool = False
    data: Path | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    tiny: bool = False

    def pick(self, *, full: T, quick: T, tiny: T) -> T:
        """One of these values, by the time budget."""
        if self.tiny:
            return tiny
        return quick if self.quick else full


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of a study.

    Attributes:
        columns: header of the table.
        rows: rows of the table, each as long as the header.
        figure: the plot.
        seen: the result in one sentence, computed from the numbers.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    figure: "Figure"
    seen: str
