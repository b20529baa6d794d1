"""per_image.csv: one row per photo of a report, for spreadsheets and for comparing reports.

It also contains the n-gram counts for BLEU, because BLEU of a set is not the mean over its photos.
"""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from captioner.datasets.structure import count_and_first, refuse_twice
from captioner.errors import UsageError
from captioner.evaluation.bleu import ORDERS, BleuStatistics
from captioner.evaluation.outcome import Outcome
from captioner.evaluation.scores import METRICS
from captioner.files import read_text
from captioner.spreadsheet import from_cell, to_cell

_TEXTS = ("image_id", "file", "caption")
_COUNTS = (
    *(f"matches_{n}" for n in range(1, ORDERS + 1)),
    *(f"guesses_{n}" for n in range(1, ORDERS + 1)),
    "words",
    "reference_words",
)
COLUMNS = (*_TEXTS, "confidence", *METRICS, *_COUNTS)


@dataclass(frozen=True, eq=False)
class ScoredPhotos:
    """The content of a per_image.csv.

    Attributes:
        captions: photo id → caption, P of them.
        per_image: (P, 6), in the order of `METRICS`.
        bleu_statistics: statistics of the P photos.
    """

    captions: Mapping[str, str]
    per_image: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    bleu_statistics: BleuStatistics


def to_csv(outcome: Outcome) -> str:
    """Write the rows of a report as CSV (RFC 4180).

    Texts that a spreadsheet could interpret as formulas are prefixed with an apostrophe, which `read_csv` removes.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    statistics = outcome.scores.bleu_statistics
    counts = np.column_stack(
        [statistics.matches, statistics.guesses, statistics.candidate_length, statistics.reference_length]
    )
    for photo, scores, numbers in zip(outcome.photos, outcome.scores.per_image.tolist(), counts.tolist(), strict=True):
        confidence = outcome.confidences.get(photo.id)
        texts = [to_cell(text) for text in (photo.id, photo.file, outcome.captions[photo.id])]
        rounded = [round(score, 6) for score in scores]
        writer.writerow([*texts, "" if confidence is None else round(confidence, 6), *rounded, *map(int, numbers)])
    return out.getvalue()


def read_csv(path: Path) -> ScoredPhotos:
    """Read a file written by `to_csv`.

    Raises:
        UsageError: the file is missing, damaged or not a per_image.csv; damaged rows are counted and the first named.
    """
    try:
        rows = list(csv.reader(io.StringIO(read_text(path), newline="")))
    except csv.Error as problem:
        raise UsageError(f"{path} is not CSV ({problem}).") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise UsageError(f"{path} is not the per_image.csv of a report; it has other columns.")
    captions: list[tuple[str, str]] = []
    numbers: list[list[float]] = []
    wrong: list[int] = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            cells = dict(zip(COLUMNS, row, strict=True))
            values = [_number(cells[name]) for name in (*METRICS, *_COUNTS)]
        except ValueError:
            wrong.append(number)
            continue
        captions.append((from_cell(cells["image_id"]), from_cell(cells["caption"])))
        numbers.append(values)
    if wrong:
        raise UsageError(f"{path}: {count_and_first(wrong, 'row')} damaged.")
    if not captions:
        raise UsageError(f"{path} contains no photos.")
    refuse_twice(str(path), (key for key, _ in captions))
    scores, matches, guesses, lengths = np.split(np.array(numbers), np.cumsum([len(METRICS), ORDERS, ORDERS]), axis=1)
    return ScoredPhotos(dict(captions), scores, BleuStatistics(matches, guesses, lengths[:, 0], lengths[:, 1]))


def _number(cell: str) -> float:
    value = float(cell)
    if not math.isfinite(value):
        raise ValueError
    return value
