"""All scores of a set of captions under pycocoevalcap's names, over the corpus and photo by photo, with intervals."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from captioner.datasets.structure import count_and_first
from captioner.errors import UsageError
from captioner.evaluation.bleu import ORDERS, BleuStatistics, bleu, bleu_statistics
from captioner.evaluation.cider import CiderD
from captioner.evaluation.rouge import rouge_l
from captioner.text import ptb_tokenize

Tokens = Sequence[str]


def _rouge(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> list[float]:
    return [rouge_l(candidate, choices) for candidate, choices in zip(candidates, references, strict=True)]


def _cider(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> list[float]:
    return list(map(float, CiderD(dict(enumerate(references))).score(list(enumerate(candidates)))))


_MEANS: dict[str, Callable[[Sequence[Tokens], Sequence[Sequence[Tokens]]], Sequence[float]]] = {
    "ROUGE_L": _rouge,
    "CIDEr": _cider,
}
"""Metrics whose score of a set is the mean of its photos': captions and their references, as tokens → a score a photo.

To add a metric, name it here and in `LABELS`.
"""

LABELS = {
    "Bleu_1": "BLEU-1",
    "Bleu_2": "BLEU-2",
    "Bleu_3": "BLEU-3",
    "Bleu_4": "BLEU-4",
    "ROUGE_L": "ROUGE-L",
    "CIDEr": "CIDEr-D",
}
"""Metrics under pycocoevalcap's names, in the order of all tables, and what people call them: BLEU first, then
`_MEANS`.
"""

METRICS = tuple(LABELS)

PhotoKey = TypeVar("PhotoKey", bound=Hashable)
_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores(Generic[PhotoKey]):
    """Scores of P photos by M metrics. BLEU and ROUGE-L are in [0, 1], CIDEr in [0, 10].

    Attributes:
        photos: keys of the P photos, in the order of the references.
        corpus: (M,), in the order of `METRICS`: BLEU of all photos together, means of the photos' ROUGE-L and CIDEr.
        per_image: (P, M), each photo on its own.
        intervals: (M, 2), 95 % bootstrap intervals of `corpus`; see `bootstrap`.
        bleu_statistics: the counts of each photo.
    """

    photos: tuple[PhotoKey, ...]
    corpus: _Floats
    per_image: _Floats
    intervals: _Floats
    bleu_statistics: BleuStatistics

    @property
    def images(self) -> int:
        """Number of photos really scored."""
        return len(self.photos)

    def as_dict(self) -> dict[str, float]:
        """Metric → score of the corpus."""
        return dict(zip(METRICS, self.corpus.tolist(), strict=True))

    def confidence_intervals(self) -> dict[str, tuple[float, float]]:
        """Metric → lower and upper end of its 95 % interval."""
        return {name: (low, high) for name, (low, high) in zip(METRICS, self.intervals.tolist(), strict=True)}

    def by_photo(self) -> dict[PhotoKey, dict[str, float]]:
        """Photo → metric → score of that photo alone."""
        rows = (dict(zip(METRICS, row, strict=True)) for row in self.per_image.tolist())
        return dict(zip(self.photos, rows, strict=True))

    def to_json(self) -> dict[str, object]:
        """Scores, the number of photos and the intervals, as the verb `evaluate` prints them."""
        intervals = {name: list(ends) for name, ends in self.confidence_intervals().items()}
        return {**self.as_dict(), "images": self.images, "confidence_intervals": intervals}

    def resampled(self, *, resamples: int = 1000, seed: int = 0) -> _Floats:
        """Scores of the corpus over photos drawn with replacement (Efron, Annals of Statistics 7(1), 1979).

        BLEU is computed anew from each resample's summed counts. CIDEr is the mean of the photos' values as they are:
        its document frequencies stay those of the whole set, so the interval leaves out their own uncertainty. With the
        same seed and number of photos, two objects see the same draws, which makes their difference a paired bootstrap.

        Args:
            resamples: at least 1.
            seed: of the draws.

        Returns:
            (resamples, M), in the order of `METRICS`.
        """
        return resampled_scores(self.bleu_statistics, self.per_image, resamples=resamples, seed=seed)


def corpus_scores(statistics: BleuStatistics, per_image: _Floats) -> _Floats:
    """Scores of a set of photos from those of each.

    Args:
        statistics: of P photos.
        per_image: (P, M), in the order of `METRICS`; BLEU's columns are not used.

    Returns:
        (M,): BLEU of all photos together, means of ROUGE-L and CIDEr.
    """
    return _corpus(np.ones(len(per_image)), statistics, per_image)


def resampled_scores(
    statistics: BleuStatistics, per_image: _Floats, *, resamples: int = 1000, seed: int = 0
) -> _Floats:
    """Scores as `corpus_scores` gives them, over photos drawn with replacement; see `Scores.resampled`."""
    random = np.random.default_rng(seed)
    parts = []
    photos = len(per_image)
    at_once = max(1, 4_000_000 // photos)  # rows of the matrix of draws: 32 MB
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        draws = random.multinomial(photos, np.full(photos, 1 / photos), size=rows).astype(np.float64)
        parts.append(_corpus(draws, statistics, per_image))
    return np.concatenate(parts)


def _corpus(weights: _Floats, statistics: BleuStatistics, per_image: _Floats) -> _Floats:
    """(..., M): the corpus scores where each photo counts `weights` (..., P) times."""
    means = weights @ per_image[:, ORDERS:] / weights.sum(axis=-1, keepdims=True)
    return np.concatenate([bleu(statistics.weighted(weights)), means], axis=-1)


def score(
    predictions: Mapping[PhotoKey, str],
    references: Mapping[PhotoKey, Sequence[str]],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Scores[PhotoKey]:
    """Scores captions as coco-caption does; both sides are tokenised by `captioner.text.ptb_tokenize`.

    An empty caption counts: no matches and no words in BLEU, 0 in CIDEr, 0 in ROUGE-L (1 if a reference is empty, too).

    Args:
        predictions: photo → caption.
        references: photo → its reference captions; the same photos.
        resamples: bootstrap resamples for the intervals, at least 1.
        seed: of the bootstrap.

    Raises:
        UsageError: no photos, predictions or references missing, or a photo without references; counted, the first
            named.
    """
    _check(predictions, references)
    photos = tuple(references)
    candidates = [ptb_tokenize(predictions[photo]) for photo in photos]
    tokens = [[ptb_tokenize(caption) for caption in references[photo]] for photo in photos]
    statistics = bleu_statistics(candidates, tokens)
    means = [measure(candidates, tokens) for measure in _MEANS.values()]
    per_image = np.column_stack([bleu(statistics), *means])
    corpus = corpus_scores(statistics, per_image)
    point = Scores(photos, corpus, per_image, np.stack([corpus, corpus], axis=-1), statistics)
    ends = np.percentile(point.resampled(resamples=resamples, seed=seed), [2.5, 97.5], axis=0)
    return Scores(photos, corpus, per_image, np.asarray(ends.T), statistics)


def _check(predictions: Mapping[PhotoKey, str], references: Mapping[PhotoKey, Sequence[str]]) -> None:
    missing = [photo for photo in references if photo not in predictions]
    if missing:
        raise UsageError(f"{count_and_first(missing, 'photo')} without a prediction.")
    stray = [photo for photo in predictions if photo not in references]
    if stray:
        raise UsageError(f"predictions for {count_and_first(stray, 'photo')} without references.")
    bare = [photo for photo, captions in references.items() if not captions]
    if bare:
        raise UsageError(f"{count_and_first(bare, 'photo')} without a reference.")
    if not references:
        raise UsageError("there are no photos to score.")
