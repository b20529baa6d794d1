"""BLEU-1 to BLEU-4 over a set of photos (Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine
Translation", ACL 2002, equations in section 2.3), with the closest reference length, as coco-caption computes them.

The counts come from nltk (`nltk.translate.bleu_score.modified_precision`, `closest_ref_length`). Where nltk's
`corpus_bleu` differs from coco-caption, this module follows coco-caption:

- A caption with fewer than n words has no n-grams and adds nothing to the denominator; nltk adds one.
- Without matching n-grams, nltk warns and returns 0 or almost 0; coco-caption adds 1e-15 to each numerator and 1e-9 to
  each denominator, so it needs no special case. The brevity penalty uses the same constants.
- Neither penalizes a candidate as long as its reference, but with these constants the ratio is slightly below 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDERS = 4
_TINY, _SMALL = 1e-15, 1e-9  # coco-caption's


@dataclass(frozen=True, eq=False)
class BleuStatistics:
    """The statistics for BLEU of one photo or, summed, of a set of photos; arrays may have leading axes.

    Attributes:
        matches: (..., 4), matching n-grams, each clipped to its maximum count in a reference.
        guesses: (..., 4), n-grams of the candidate.
        candidate_length: (...), words of the candidate.
        reference_length: (...), words of the reference closest in length, the shorter one in a tie.
    """

    matches: NDArray[np.float64]
    guesses: NDArray[np.float64]
    candidate_length: NDArray[np.float64]
    reference_length: NDArray[np.float64]

    def weighted(self, weights: NDArray[np.float64]) -> "BleuStatistics":
        """Weighted sums over photos.

        Args:
            weights: (..., P), how often to count each of the P photos.
        """
        return BleuStatistics(
            weights @ self.matches,
            weights @ self.guesses,
            weights @ self.candidate_length,
            weights @ self.reference_length,
        )

    def take(self, photos: Sequence[int]) -> "BleuStatistics":
        """Select photos by index, in the given order."""
        rows = list(photos)
        return BleuStatistics(
            self.matches[rows], self.guesses[rows], self.candidate_length[rows], self.reference_length[rows]
        )

    def total(self) -> "BleuStatistics":
        """Sums over all photos."""
        return self.weighted(np.ones(len(self.candidate_length)))


def bleu_statistics(
    candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> BleuStatistics:
    """Count n-grams for each photo.

    Args:
        candidates: P lists of tokens, which may be empty.
        references: P lists of at least one list of tokens.

    Returns:
        Statistics with a leading axis of P photos.
    """
    # Takes a second to import.
    from nltk.translate.bleu_score import closest_ref_length, modified_precision

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
    with np.errstate(over="ignore"):  # for an empty candidate, 1 / ratio is at least 1e15, so the penalty is 0
        penalty = np.exp(1 - 1 / np.minimum(ratio, 1))
    return np.asarray(means * penalty[..., None])
