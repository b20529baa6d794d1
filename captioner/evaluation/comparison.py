"""Compare two reports on the same photos: difference, significance, and the photos with the largest differences."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from captioner.datasets.structure import count_and_first, member, read_json
from captioner.errors import UsageError
from captioner.evaluation.per_image import ScoredPhotos, read_csv
from captioner.evaluation.report import PER_IMAGE, SCORES
from captioner.evaluation.scores import METRICS, corpus_scores, resampled_scores

_SHOWN = 5  # photos to show for each side
_CIDER = METRICS.index("CIDEr")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One metric of both reports.

    Attributes:
        first: score of the first report.
        second: score of the second report.
        difference: second - first.
        low: lower end of the 95 % interval of the difference.
        high: upper end; the difference is not significant if the interval contains 0.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval contains 0."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One photo with the captions of both reports and their CIDEr."""

    image_id: str
    first: str
    second: str
    first_cider: float
    second_cider: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two reports side by side.

    Attributes:
        names: names of the reports.
        photos: number of photos.
        differences: metric → both scores and their difference.
        wins: numbers of photos on which the first report has the higher CIDEr, both are equal, and the second has.
        first_wins: the photos on which the first report leads by most.
        second_wins: the photos on which the second report leads by most.
    """

    names: tuple[str, str]
    photos: int
    differences: dict[str, Difference]
    wins: tuple[int, int, int]
    first_wins: tuple[Contrast, ...]
    second_wins: tuple[Contrast, ...]

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON types."""
        differences = {
            name: asdict(one) | {"may_be_chance": one.may_be_chance} for name, one in self.differences.items()
        }
        wins = dict(zip(("first", "neither", "second"), self.wins, strict=True))
        return asdict(self) | {"differences": differences, "wins": wins, "conclusion": self.sentence()}

    def to_table(self) -> str:
        """A text table, the photos with the largest differences, and the conclusion."""
        lines = [f"A: {self.names[0]}", f"B: {self.names[1]}", ""]
        lines.append(f"{'':10}{'A':>8}{'B':>8}{'B - A':>8}   {'95 % interval':18}{'photos':>7}   (×100)")
        for metric, one in self.differences.items():
            interval = f"{100 * one.low:+.1f} to {100 * one.high:+.1f}"
            values = f"{100 * one.first:8.1f}{100 * one.second:8.1f}{100 * one.difference:+8.1f}"
            lines.append(f"{metric:10}{values}   {interval:18}{self.photos:7,}")
        for name, contrasts in zip("AB", (self.first_wins, self.second_wins), strict=True):
            if contrasts:
                lines += ["", f"photos where {name} leads by most (CIDEr ×100)"]
            for photo in contrasts:
                lines.append(f"  {photo.image_id}")
                lines.append(f"    A {100 * photo.first_cider:6.1f}  {photo.first}")
                lines.append(f"    B {100 * photo.second_cider:6.1f}  {photo.second}")
        return "\n".join([*lines, "", self.sentence()])

    def sentence(self) -> str:
        """The conclusion in one sentence, by CIDEr."""
        cider, (first, neither, second) = self.differences["CIDEr"], self.wins
        counts = f"of {self.photos:,} photos, A leads on {first:,}, B on {second:,}, and {neither:,} are tied."
        if cider.may_be_chance:
            return f"The difference of {100 * cider.difference:+.1f} CIDEr is not significant; {counts}"
        better = "B" if cider.difference > 0 else "A"
        size, ends = 100 * abs(cider.difference), sorted((100 * abs(cider.low), 100 * abs(cider.high)))
        return f"{better} leads by {size:.1f} CIDEr (95 % interval {ends[0]:.1f} to {ends[1]:.1f}); {counts}"


def compare(first: Path, second: Path, *, resamples: int = 1000, seed: int = 0) -> Comparison:
    """Compare two report directories by a paired bootstrap over their photos (Koehn, EMNLP 2004).

    Each resample draws the same photos for both reports, so that the difficulty of the photos cancels out.

    Args:
        first: a directory written by ``--report``.
        second: another one, on the same photos with the same references.
        resamples: number of resamples, at least 1.
        seed: random seed.

    Raises:
        UsageError: a report is missing or damaged, or the reports use different photos or references.
    """
    ours, theirs = read_csv(first / PER_IMAGE), read_csv(second / PER_IMAGE)
    _check_same(first, second, ours, theirs)
    places = {photo: row for row, photo in enumerate(theirs.captions)}
    rows = [places[photo] for photo in ours.captions]
    sides = [
        (ours.bleu_statistics, ours.per_image),
        (theirs.bleu_statistics.take(rows), theirs.per_image[rows]),
    ]
    points = [corpus_scores(*side) for side in sides]
    samples = [resampled_scores(*side, resamples=resamples, seed=seed) for side in sides]
    low, high = np.percentile(samples[1] - samples[0], [2.5, 97.5], axis=0)
    columns = zip(*(values.tolist() for values in (*points, points[1] - points[0], low, high)), strict=True)
    names = ("first", "second", "difference", "low", "high")
    lead = sides[1][1][:, _CIDER] - sides[0][1][:, _CIDER]
    contrasts = _contrasts(ours, theirs, sides[0][1][:, _CIDER].tolist(), sides[1][1][:, _CIDER].tolist())
    order = np.argsort(lead, kind="stable").tolist()
    return Comparison(
        names=(str(first), str(second)),
        photos=len(rows),
        differences={
            metric: Difference(**dict(zip(names, column, strict=True)))
            for metric, column in zip(METRICS, columns, strict=True)
        },
        wins=(int((lead < 0).sum()), int((lead == 0).sum()), int((lead > 0).sum())),
        first_wins=tuple(contrasts[row] for row in order[:_SHOWN] if lead[row] < 0),
        second_wins=tuple(contrasts[row] for row in order[: -_SHOWN - 1 : -1] if lead[row] > 0),
    )


def _contrasts(
    ours: ScoredPhotos, theirs: ScoredPhotos, first: Sequence[float], second: Sequence[float]
) -> list[Contrast]:
    return [
        Contrast(image_id=photo, first=caption, second=theirs.captions[photo], first_cider=a, second_cider=b)
        for (photo, caption), a, b in zip(ours.captions.items(), first, second, strict=True)
    ]


def _check_same(first: Path, second: Path, ours: ScoredPhotos, theirs: ScoredPhotos) -> None:
    for (path, here), (other, there) in (((first, ours), (second, theirs)), ((second, theirs), (first, ours))):
        alone = [photo for photo in here.captions if photo not in there.captions]
        if alone:
            raise UsageError(
                f"{path} contains {count_and_first(alone, 'photo')} missing from {other}; "
                "compare reports on the same photos."
            )
    digests = [_references_digest(directory) for directory in (first, second)]
    if digests[0] != digests[1]:
        raise UsageError(f"{first} and {second} use different references; score both against the same references.")


def _references_digest(directory: Path) -> object:
    path = directory / SCORES
    return member(path, member(path, read_json(path), "settings"), "references_sha256")
