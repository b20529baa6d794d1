"""Reliability of the confidence: how well it predicts the score of a caption, and its closeness to people's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioner.evaluation.cider import CiderD

CLOSE_QUANTILE = 0.25
"""Quantile of the scores of people's own captions; a caption that scores at least this is close to people's."""
_PHOTOS_PER_GROUP = 10
_MOST_GROUPS = 10


@dataclass(frozen=True, kw_only=True)
class ConfidenceGroup:
    """A group of photos with similar confidence.

    Attributes:
        photos: number of photos.
        confidence: mean confidence, in [0, 1].
        score: mean score.
        low: lower end of the 95 % interval of the mean score (normal approximation).
        high: upper end of that interval.
    """

    photos: int
    confidence: float
    score: float
    low: float
    high: float


def confidence_groups(confidences: Sequence[float], scores: Sequence[float]) -> list[ConfidenceGroup]:
    """Sort photos by confidence and divide them into groups of equal size, the points of a reliability plot.

    With equal sizes, rather than equal steps of confidence, every point is based on the same number of photos. There
    are ten groups, or fewer if a group would have less than ten photos.

    Args:
        confidences: confidences of at least one photo, in [0, 1].
        scores: scores of the same photos.

    Returns:
        Groups in order of increasing confidence.
    """
    order = np.argsort(confidences, kind="stable")
    groups = np.array_split(order, max(1, min(_MOST_GROUPS, len(order) // _PHOTOS_PER_GROUP)))
    return [_group(np.asarray(confidences)[rows], np.asarray(scores)[rows]) for rows in groups]


def close_to_people(
    references: Sequence[Sequence[Sequence[str]]], captions: Sequence[Sequence[str]]
) -> NDArray[np.bool_]:
    """Determine which captions are at least as close to people's as a typical caption by a person.

    Each reference is left out once, and the remaining ones score both it and the caption by CIDEr-D. The score of the
    caption is the mean over the references left out. A caption is close if its score reaches the 25th percentile
    (`CLOSE_QUANTILE`) of the scores of all references.

    Args:
        references: for each of P photos, the tokens of at least two references.
        captions: for each photo, the tokens of one caption.

    Returns:
        (P,), True where the caption is close.
    """
    people: list[float] = []
    scores: list[list[float]] = [[] for _ in references]
    for left_out in range(max(map(len, references))):
        rest = {
            photo: [tokens for place, tokens in enumerate(others) if place != left_out]
            for photo, others in enumerate(references)
        }
        counted = [photo for photo, others in enumerate(references) if left_out < len(others)]
        cider = CiderD(rest)
        people += cider.score([(photo, references[photo][left_out]) for photo in counted]).tolist()
        for photo, score in zip(counted, cider.score([(photo, captions[photo]) for photo in counted]), strict=True):
            scores[photo].append(float(score))
    return np.array([np.mean(one) for one in scores]) >= np.quantile(people, CLOSE_QUANTILE)


def expected_calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Expected calibration error: mean distance of confidence and fraction correct over ten equal groups, in [0, 1].

    Naeini et al. 2015 ("Obtaining well calibrated probabilities using Bayesian binning"), with bins of equal size.
    """
    groups = confidence_groups(confidences, np.asarray(right, dtype=float).tolist())
    return sum(one.photos * abs(one.confidence - one.score) for one in groups) / len(confidences)


def roc_area(confidences: Sequence[float], right: Sequence[bool]) -> float | None:
    """Area under the ROC curve: the probability that a correct caption has more confidence than a wrong one.

    Returns:
        The area, in [0, 1], with ties counting half; None if all captions are correct, or none.
    """
    wanted = np.asarray(right, dtype=bool)
    good, bad = int(wanted.sum()), int((~wanted).sum())
    if not (good and bad):
        return None
    return float((_ranks(np.asarray(confidences, dtype=float))[wanted].mean() - (good + 1) / 2) / bad)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation: 1 if both order the photos in the same way, 0 if the orders are unrelated.

    Equal values get the mean of their ranks (Spearman, American Journal of Psychology 15(1), 1904).

    Returns:
        The correlation, in [-1, 1]; None if one of the two is constant.
    """
    ranks = np.stack([_ranks(np.asarray(first, dtype=float)), _ranks(np.asarray(second, dtype=float))])
    centered = ranks - ranks.mean(axis=1, keepdims=True)
    spread = np.sqrt((centered**2).sum(axis=1)).prod()
    return float((centered[0] * centered[1]).sum() / spread) if spread else None


def _group(confidences: NDArray[np.float64], scores: NDArray[np.float64]) -> ConfidenceGroup:
    mean = float(scores.mean())
    error = 1.96 * float(scores.std(ddof=1)) / len(scores) ** 0.5 if len(scores) > 1 else 0.0
    return ConfidenceGroup(
        photos=len(scores), confidence=float(confidences.mean()), score=mean, low=mean - error, high=mean + error
    )


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places])
