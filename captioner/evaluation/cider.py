"""CIDEr-D (Vedantam et al., "CIDEr: Consensus-based Image Description Evaluation", CVPR 2015, equations 1 to 4 and
section 5), which coco-caption reports as "CIDEr": n = 1 to 4, σ = 6, times 10, document frequencies from the evaluated
references.

Because of the document frequencies, CIDEr on 500 photos cannot be compared with CIDEr on 5,000.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from captioner.errors import UsageError

ORDERS = 4
SIGMA = 6.0

PhotoKey = TypeVar("PhotoKey", bound=Hashable)
_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


def _ngrams(tokens: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(gram for n in range(1, ORDERS + 1) for gram in zip(*(tokens[i:] for i in range(n)), strict=False))


class CiderD(Generic[PhotoKey]):
    """Weights the references of a set of photos once, and scores any number of candidates against them.

    Used for evaluation, with one candidate per photo, and as a reward in training, with batches of sampled candidates.
    References are stored as sorted arrays, so scoring needs no Python loop over the references of n-grams. Immutable,
    so it may be shared between threads.
    """

    def __init__(self, references: Mapping[PhotoKey, Sequence[Sequence[str]]]) -> None:
        """Count the n-grams of all references.

        Args:
            references: photo → references, each a list of tokens.

        Raises:
            UsageError: there are no photos, or a photo has no references.
        """
        if not references or not all(references.values()):
            raise UsageError("CIDEr needs at least one photo, and at least one reference for each photo.")
        self._photos = {key: row for row, key in enumerate(references)}
        per_photo = np.array([len(captions) for captions in references.values()])
        # (P + 1,), the references of photo p: first[p]:first[p + 1]
        self._first = np.concatenate([[0], np.cumsum(per_photo)])
        self._ids: dict[tuple[str, ...], int] = {}

        counts = [_ngrams(tokens) for captions in references.values() for tokens in captions]
        grams = np.array(
            [self._ids.setdefault(gram, len(self._ids)) for count in counts for gram in count], dtype=np.int64
        )
        frequencies = np.array([times for count in counts for times in count.values()], dtype=np.float64)
        rows = np.repeat(np.arange(len(counts)), [len(count) for count in counts])
        orders = np.array([len(gram) - 1 for gram in self._ids], dtype=np.int64)

        size = max(1, len(self._ids))
        photo_of = np.repeat(np.arange(len(per_photo)), per_photo)
        documents = np.bincount(np.unique(photo_of[rows] * size + grams) % size, minlength=size)
        self._log_photos = float(np.log(len(per_photo)))
        self._idf: _Floats = self._log_photos - np.log(np.maximum(1, documents))
        self._lengths = np.array([_length(tokens) for captions in references.values() for tokens in captions])
        weights = frequencies * self._idf[grams]
        self._norms = _norms(rows, orders[grams], weights, len(counts))
        keys = rows * size + grams
        order = np.argsort(keys)
        self._keys: _Ints = keys[order]
        self._frequencies: _Floats = frequencies[order]

    def score(
        self, candidates: Mapping[PhotoKey, Sequence[str]] | Sequence[tuple[PhotoKey, Sequence[str]]]
    ) -> NDArray[np.float64]:
        """Score candidates against the references of their photos.

        Args:
            candidates: photo → tokens, or pairs of photo and tokens, in which photos may repeat.

        Returns:
            (C,), CIDEr-D in [0, 10], in the order of the candidates; 0 for a candidate without tokens.

        Raises:
            UsageError: a photo has no references.
        """
        pairs = list(candidates.items()) if isinstance(candidates, Mapping) else candidates
        unknown = [key for key, _ in pairs if key not in self._photos]
        if unknown:
            raise UsageError(f"{len(unknown)} photos have no references (first: {unknown[0]!r}).")
        if not pairs:
            return np.zeros(0)
        photos = np.array([self._photos[key] for key, _ in pairs])
        counts = [_ngrams(tokens) for _, tokens in pairs]
        rows = np.repeat(np.arange(len(counts)), [len(count) for count in counts])
        grams = np.array([self._ids.get(gram, -1) for count in counts for gram in count], dtype=np.int64)
        orders = np.array([len(gram) - 1 for count in counts for gram in count], dtype=np.int64)
        frequencies = np.array([times for count in counts for times in count.values()], dtype=np.float64)
        # An unknown n-gram counts as occurring in one photo.
        idf = np.where(grams < 0, self._log_photos, self._idf[grams])
        norms = _norms(rows, orders, frequencies * idf, len(counts))
        lengths = np.array([_length(tokens) for _, tokens in pairs])

        known = grams >= 0
        per_photo = np.diff(self._first)[photos]
        starts = np.cumsum(per_photo) - per_photo  # comparison k of candidate c is row starts[c] + k
        entries, nth = _spread(per_photo[rows[known]])
        references = self._first[photos[rows[known]]][entries] + nth
        found, theirs = self._lookup(references, grams[known][entries])
        overlap = np.where(
            found, np.minimum(frequencies[known][entries], theirs) * theirs * idf[known][entries] ** 2, 0.0
        )
        products = np.bincount(
            (starts[rows[known]][entries] + nth) * ORDERS + orders[known][entries],
            overlap,
            int(per_photo.sum()) * ORDERS,
        ).reshape(-1, ORDERS)  # (comparisons, 4)

        compared, nth = _spread(per_photo)
        against = self._first[photos][compared] + nth
        norm = norms[compared] * self._norms[against]
        similarity = np.divide(products, norm, out=np.zeros(products.shape), where=norm != 0).mean(axis=1)
        penalty = np.exp(-((lengths[compared] - self._lengths[against]) ** 2) / (2 * SIGMA**2))
        return np.asarray(10 * np.bincount(compared, similarity * penalty, len(pairs)) / per_photo)

    def _lookup(self, references: _Ints, grams: _Ints) -> tuple[NDArray[np.bool_], _Floats]:
        """Whether each reference contains the n-gram, and its count."""
        keys = references * max(1, len(self._ids)) + grams
        places = np.minimum(np.searchsorted(self._keys, keys), max(0, len(self._keys) - 1))
        if not len(self._keys):
            return np.zeros(len(keys), dtype=bool), np.zeros(len(keys))
        return self._keys[places] == keys, self._frequencies[places]


def _length(tokens: Sequence[str]) -> int:
    """The length for the length penalty: coco-caption counts bigrams, not words."""
    return max(0, len(tokens) - 1)


def _norms(rows: _Ints, orders: _Ints, weights: _Floats, total: int) -> _Floats:
    """(total, 4), the Euclidean norm of each row's vector, for each n."""
    return np.asarray(np.sqrt(np.bincount(rows * ORDERS + orders, weights**2, total * ORDERS)).reshape(-1, ORDERS))


def _spread(repeats: _Ints) -> tuple[_Ints, _Ints]:
    """[2, 3] → rows [0, 0, 1, 1, 1] and positions within each [0, 1, 0, 1, 2]."""
    rows = np.repeat(np.arange(len(repeats)), repeats)
    return rows, np.arange(len(rows)) - (np.cumsum(repeats) - repeats)[rows]
