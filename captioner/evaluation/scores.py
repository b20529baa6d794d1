"""All metrics, named as in pycocoevalcap, for the corpus and for each photo, with bootstrap intervals."""

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
        corpus: (M,), in the order of `METRICS`: corpus BLEU, and means of ROUGE-L and CIDEr over photos.
        per_image: (P, M), scores of each photo.
        intervals: (M, 2), 95 % bootstrap intervals of `corpus`; see `resampled_scores`.
        bleu_statistics: BLEU statistics of each photo.
    """

    photos: tuple[PhotoKey, ...]
    corpus: _Floats
    per_image: _Floats
    intervals: _Floats
    bleu_statistics: BleuStatistics

    @property
    def images(self) -> int:
        """Number of scored photos."""
        return len(self.photos)

    def as_dict(self) -> dict[str, float]:
        """Metric → score of the corpus."""
        return dict(zip(METRICS, self.corpus.tolist(), strict=True))

    def confidence_intervals(self) -> dict[str, tuple[float, float]]:
        """Metric → lower and upper end of its 95 % interval."""
        return {name: (low, high) for name, (low, high) in zip(METRICS, self.intervals.tolist(), strict=True)}

    def by_photo(self) -> dict[PhotoKey, dict[str, float]]:
        """Photo → metric → score of that photo."""
        rows = (dict(zip(METRICS, row, strict=True)) for row in self.per_image.tolist())
        return dict(zip(self.photos, rows, strict=True))

    def to_json(self) -> dict[str, object]:
        """Scores, number of photos and intervals, as printed by `captioner evaluate`."""
        intervals = {name: list(ends) for name, ends in self.confidence_intervals().items()}
        return {**self.as_dict(), "images": self.images, "confidence_intervals": intervals}


def corpus_scores(statistics: BleuStatistics, per_image: _Floats) -> _Floats:
    """Corpus scores from the scores of each photo.

    Args:
        statistics: BLEU statistics of P photos.
        per_image: (P, M), in the order of `METRICS`; BLEU's columns are not used.

    Returns:
        (M,): corpus BLEU, and means of ROUGE-L and CIDEr.
    """
    return _corpus(np.ones(len(per_image)), statistics, per_image)


def resampled_scores(statistics: BleuStatistics, per_image: _Floats, *, resamples: int, seed: int) -> _Floats:
    """Corpus scores over photos drawn with replacement (Efron, Annals of Statistics 7(1), 1979).

    BLEU is computed from the summed counts of each resample. CIDEr is the mean of the original values: document
    frequencies remain those of the whole set, so the interval does not include their uncertainty. With the same seed
    and number of photos, two sets of scores use the same draws, so their difference is a paired bootstrap.

    Args:
        statistics: see `corpus_scores`.
        per_image: see `corpus_scores`.
        resamples: number of resamples, at least 1.
        seed: random seed.

    Returns:
        (resamples, M), in the order of `METRICS`.
    """
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
    """(..., M): the corpus scores if each photo counts `weights` (..., P) times."""
    means = weights @ per_image[:, ORDERS:] / weights.sum(axis=-1, keepdims=True)
    return np.concatenate([bleu(statistics.weighted(weights)), means], axis=-1)


def score(
    predictions: Mapping[PhotoKey, str],
    references: Mapping[PhotoKey, Sequence[str]],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Scores[PhotoKey]:
    """Score captions as coco-caption does; both sides are tokenized by `captioner.text.ptb_tokenize`.

    An empty caption counts: it has no words and no matches in BLEU, and scores 0 in CIDEr and ROUGE-L (1 in ROUGE-L if
    a reference is also empty).

    Args:
        predictions: photo → caption.
        references: the same photos → reference captions.
        resamples: bootstrap resamples for the intervals, at least 1.
        seed: random seed of the bootstrap.

    Raises:
        UsageError: there are no photos, or predictions or references are missing; these are counted and the first
            named.
    """
    _check(predictions, references)
    photos = tuple(references)
    candidates = [ptb_tokenize(predictions[photo]) for photo in photos]
    tokens = [[ptb_tokenize(caption) for caption in references[photo]] for photo in photos]
    statistics = bleu_statistics(candidates, tokens)
    means = [measure(candidates, tokens) for measure in _MEANS.values()]
    per_image = np.column_stack([bleu(statistics), *means])
    samples = resampled_scores(statistics, per_image, resamples=resamples, seed=seed)
    intervals = np.asarray(np.percentile(samples, [2.5, 97.5], axis=0).T)
    return Scores(photos, corpus_scores(statistics, per_image), per_image, intervals, statistics)


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
