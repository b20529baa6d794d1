"""What a study is given, and what it finds."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")

Entry = str | int | float | tuple[float, ...]
"""What stands in a table: a word, a number, or one number for each seed, shown as mean ± standard deviation."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How long a study may take and what it works on.

    Attributes:
        quick: seconds instead of minutes; the direction of an effect shows, its size does not.
        data: directory of the real data, which holds `flickr8k` and `text/multi30k`; without it, generated toys.
        seeds: at least one; everything is done once for each.
        tiny: for tests: everything is run, and nothing learned.
    """

    quick: bool = False
    data: Path | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    tiny: bool = False

    def pick(self, *, full: T, quick: T, tiny: T) -> T:
        """One of these, as long as the study may be."""
        if self.tiny:
            return tiny
        return quick if self.quick else full


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What came of a study.

    Attributes:
        columns: the table's head.
        rows: its rows, each as long as the head.
        figure: the same as a picture.
        seen: one sentence of what was seen, computed from the numbers.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    figure: "Figure"
    seen: str
