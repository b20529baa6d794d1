"""Whether a model knows when it is right: its confidence against the score of each photo."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PHOTOS_PER_GROUP = 10
_MOST_GROUPS = 10


@dataclass(frozen=True, kw_only=True)
class ConfidenceGroup:
    """Photos of similar confidence.

    Attributes:
        photos: how many.
        confidence: their mean confidence, in [0, 1].
        score: their mean score.
        low: lower end of that mean's 95 % interval (normal approximation).
        high: its upper end.
    """

    photos: int
    confidence: float
    score: float
    low: float
    high: float


def confidence_groups(confidences: Sequence[float], scores: Sequence[float]) -> list[ConfidenceGroup]:
    """Sorts photos by confidence and cuts them into groups of equal size: the points of a reliability plot.

    Equal sizes, not equal steps of confidence: every point then rests on as many photos as the others. There are ten groups,
    or fewer where a group would have less than ten photos.

    Args:
        confidences: of at least one photo, in [0, 1].
        scores: of the same photos.

    Returns:
        Groups by rising confidence.
    """
    order = np.argsort(confidences, kind="stable")
    groups = np.array_split(order, max(1, min(_MOST_GROUPS, len(order) // _PHOTOS_PER_GROUP)))
    return [_group(np.asarray(confidences)[rows], np.asarray(scores)[rows]) for rows in groups]


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation: 1 if both put the photos in the same order, 0 if the orders have nothing to do with each other.

    Equal values share the mean of their ranks (Spearman, American Journal of Psychology 15(1), 1904).

    Returns:
        In [-1, 1]; None where one of the two is the same for all photos.
    """
    ranks = np.stack([_ranks(np.asarray(first, dtype=float)), _ranks(np.asarray(second, dtype=float))])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).sum(axis=1)).prod()
    return float((centred[0] * centred[1]).sum() / spread) if spread else None


def _group(confidences: NDArray[np.float64], scores: NDArray[np.float64]) -> ConfidenceGroup:
    mean = float(scores.mean())
    error = 1.96 * float(scores.std(ddof=1)) / len(scores) ** 0.5 if len(scores) > 1 else 0.0
    return ConfidenceGroup(
        photos=len(scores), confidence=float(confidences.mean()), score=mean, low=mean - error, high=mean + error
    )


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places])
