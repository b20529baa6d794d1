"""Write an evaluation report.

report.html           self-contained page, without scripts or external resources
scores.json           the output of `captioner evaluate --format json`
results.json          the captions in COCO results format
per_image.csv         one row per photo
cider_histogram.svg   the histogram of the page
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from captioner.datasets import CaptionedPhoto, to_results
from captioner.evaluation import charts
from captioner.evaluation.outcome import Outcome
from captioner.evaluation.per_image import to_csv
from captioner.evaluation.scores import LABELS, METRICS
from captioner.files import json_text
from captioner.pages import render

PAGE, SCORES, RESULTS, PER_IMAGE, HISTOGRAM = (
    "report.html",
    "scores.json",
    "results.json",
    "per_image.csv",
    "cider_histogram.svg",
)
_MOST_SHOWN = 6  # photos in each of the groups best, median, and worst
_CIDER = METRICS.index("CIDEr")

Thumbnail = Callable[[CaptionedPhoto], str | None]
"""Returns a thumbnail of a photo as a data URI, or None if there is none."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the page shows about one photo."""

    id: str
    file: str
    picture: str | None
    caption: str
    cider: float
    confidence: float | None
    references: tuple[str, ...]


def report_files(outcome: Outcome, thumbnail: Thumbnail) -> dict[str, str]:
    """The files of a report: name → text.

    Args:
        outcome: the results to report.
        thumbnail: called for the photos that the page shows.
    """
    figures = outcome.to_json()
    histogram = cider_histogram(outcome)
    results = to_results({photo.id: outcome.captions[photo.id] for photo in outcome.photos})
    return {
        PAGE: _page(outcome, figures, histogram, thumbnail),
        SCORES: json_text(figures),
        RESULTS: json_text(results),
        PER_IMAGE: to_csv(outcome),
        HISTOGRAM: charts.standalone(histogram),
    }


def _page(outcome: Outcome, figures: dict[str, Any], histogram: str, thumbnail: Thumbnail) -> str:
    from markupsafe import Markup

    cider = outcome.scores.per_image[:, _CIDER]
    commonest = Counter(outcome.captions[photo.id] for photo in outcome.photos).most_common(5)
    return render(
        "evaluation/report.html",
        figures=figures,
        metrics=METRICS,
        labels=LABELS,
        median=float(np.median(cider)),
        zero=float((cider == 0).mean()),
        histogram=Markup(histogram),  # generated here, with escaped texts
        lengths=Markup(_lengths(outcome)),
        beams=Markup(_beams(outcome)) if outcome.beam_sizes else None,
        reliability=Markup(_reliability(outcome)) if outcome.groups else None,
        calibration=Markup(_calibration(outcome)) if outcome.close_groups else None,
        chosen=chosen(outcome, thumbnail),
        commonest=[(caption, times) for caption, times in commonest if times > 1],
        settings=_flat(outcome.settings),
        outcome=outcome,
    )


def cider_histogram(outcome: Outcome) -> str:
    """Histogram of CIDEr-D per photo, as an `<svg>` element."""
    values = (100 * outcome.scores.per_image[:, _CIDER]).tolist()
    title = f"Histogram of CIDEr-D per photo ({len(values):,} photos)"
    return charts.histogram(values, title=title, x_label="CIDEr-D per photo (×100)")


def _lengths(outcome: Outcome) -> str:
    return charts.histogram(
        [len(tokens) for tokens in outcome.tokens],
        beside=[len(tokens) for tokens in outcome.reference_tokens],
        whole=True,
        title="Length of the captions (bars) and the references (line)",
        x_label="words per caption (bars: captions, line: references)",
    )


def _beams(outcome: Outcome) -> str:
    rows = []
    for size, scores in sorted(outcome.beam_sizes.items()):
        low, high = scores.confidence_intervals()["CIDEr"]
        rows.append((float(size), 100 * scores.as_dict()["CIDEr"], 100 * low, 100 * high))
    marks = [row[0] for row in rows]
    return charts.points(
        rows, title="CIDEr-D by beam size", x_label="beam size", y_label="CIDEr-D (×100)", x_marks=marks
    )


def _reliability(outcome: Outcome) -> str:
    rows = [(one.confidence, 100 * one.score, 100 * one.low, 100 * one.high) for one in outcome.groups]
    return charts.points(rows, title="Mean CIDEr-D by confidence", x_label="confidence", y_label="mean CIDEr-D (×100)")


def _calibration(outcome: Outcome) -> str:
    rows = [(one.confidence, 100 * one.score, 100 * one.low, 100 * one.high) for one in outcome.close_groups]
    return charts.points(
        rows,
        title="Captions close to people's, by confidence",
        x_label="confidence",
        y_label="close to people's (%)",
        diagonal=True,
    )


def chosen(outcome: Outcome, thumbnail: Thumbnail) -> dict[str, list[Card]]:
    """Photos with the best, median, and worst CIDEr, by these names. No photo is in two groups."""
    cider = outcome.scores.per_image[:, _CIDER].tolist()
    order = sorted(range(len(cider)), key=lambda row: (-cider[row], row))
    many = max(1, min(_MOST_SHOWN, len(order) // 3))
    middle = max(many, (len(order) - many) // 2)
    groups = {
        "best": order[:many],
        "median": order[middle : min(middle + many, len(order) - many)],
        "worst": order[max(many, len(order) - many) :],
    }
    return {
        name: [_card(outcome, outcome.photos[row], cider[row], thumbnail) for row in rows]
        for name, rows in groups.items()
        if rows
    }


def _card(outcome: Outcome, photo: CaptionedPhoto, cider: float, thumbnail: Thumbnail) -> Card:
    return Card(
        id=photo.id,
        file=photo.file,
        picture=thumbnail(photo),
        caption=outcome.captions[photo.id],
        cider=cider,
        confidence=outcome.confidences.get(photo.id),
        references=photo.captions,
    )


def _flat(settings: Any, prefix: str = "") -> list[tuple[str, object]]:
    """Flatten nested settings into rows, without those that are None."""
    rows: list[tuple[str, object]] = []
    for name, value in settings.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        elif value is not None:
            rows.append((f"{prefix}{name}", value))
    return rows
