"""BLEU-1 to BLEU-4 over a set of photos (Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine
Translation", ACL 2002, equations in section 2.3), with the closest reference length, as coco-caption computes them.

The counts are nltk's (`nltk.translate.bleu_score.modified_precision`, `closest_ref_length`). Where nltk's `corpus_bleu`
departs from coco-caption, coco-caption is followed:

- A caption shorter than n words has no n-grams and adds nothing to the denominator; nltk adds one.
- Without any matching n-gram nltk warns and returns 0 or a number next to it; coco-caption adds 1e-15 to each
  numerator and 1e-9 to each denominator and so needs no exception. The brevity penalty has the same constants.
- A candidate as long as its reference is not penalized in either, but with those constants the ratio is a hair below 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDERS = 4
_TINY, _SMALL = 1e-15, 1e-9  # coco-caption's


@dataclass(frozen=True, eq=False)
class BleuStatistics:
    """What BLEU needs to know of a photo, or, summed, of any set of photos; arrays may have leading axes.

    Attributes:
        matches: (..., 4), n-grams of the candidate that a reference has, each at most as often as it stands in one
            reference.
        guesses: (..., 4), n-grams of the candidate.
        candidate_length: (...), words.
        reference_length: (...), words of the reference closest in length, the shorter of two equally close.
    """

    matches: NDArray[np.float64]
    guesses: NDArray[np.float64]
    candidate_length: NDArray[np.float64]
    reference_length: NDArray[np.float64]

    def weighted(self, weights: NDArray[np.float64]) -> "BleuStatistics":
        """Sums over photos.

        Args:
            weights: (..., P), how often each photo counts; self has P photos.
        """
        return BleuStatistics(
            weights @ self.matches,
            weights @ self.guesses,
            weights @ self.candidate_length,
            weights @ self.reference_length,
        )

    def take(self, photos: Sequence[int]) -> "BleuStatistics":
        """Those of some photos, in the order given."""
        rows = list(photos)
        return BleuStatistics(
            self.matches[rows], self.guesses[rows], self.candidate_length[rows], self.reference_length[rows]
        )

    def total(self) -> "BleuStatistics":
        """Sums over all photos, each once."""
        return self.weighted(np.ones(len(self.candidate_length)))


def bleu_statistics(
    candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> BleuStatistics:
    """Counts n-grams photo by photo.

    Args:
        candidates: P lists of tokens; empty ones count as no words.
        references: P lists of at least one list of tokens.

    Returns:
        Statistics with a leading axis of P photos.
    """
    from nltk.translate.bleu_score import (
        closest_ref_length,
        modified_precision,
    )  # a second to import: only when scoring

    matches, guesses = np.zeros((2, len(candidates), ORDERS))
    closest = np.zeros(len(candidates))
    for row, (candidate, choices) in enumerate(zip(candidates, references, strict=True)):
        closest[row] = closest_ref_length(choices, len(candidate))
        for n in range(1, min(ORDERS, len(candidate)) + 1):
            precision = modified_precision(choices, candidate, n)
            matches[row, n - 1] = precision.numerator
            guesses[row, n - 1] = precision.denominator
    return BleuStatistics(matches, guesses, np.array([float(len(candidate)) for candidate in candidates]), closest)


def bleu(statistics: BleuStatistics) -> NDArray[np.float64]:
    """BLEU-1 to BLEU-4 with uniform weights: the geometric mean of the precisions times the brevity penalty.

    Args:
        statistics: of one photo or summed over photos, with any leading axes.

    Returns:
        (..., 4), each in [0, 1].
    """
    precisions = (statistics.matches + _TINY) / (statistics.guesses + _SMALL)
    means = np.cumprod(precisions, axis=-1) ** (1 / np.arange(1, ORDERS + 1))
    ratio = (statistics.candidate_length + _TINY) / (statistics.reference_length + _SMALL)
    with np.errstate(over="ignore"):  # 1 / ratio of an empty candidate is 1e15 and more: the penalty is 0
        penalty = np.exp(1 - 1 / np.minimum(ratio, 1))
    return np.asarray(means * penalty[..., None])
