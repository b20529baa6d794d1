"""Caption many photos in batches, with several threads. Yields one record per photo, in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import torch

from captioner.decoding import DecodingOptions
from captioner.errors import ImageError, SentenceError
from captioner.folders import fingerprint
from captioner.folders.fingerprint import Fingerprint
from captioner.images import ImageLimits, Source
from captioner.predict import Alternative, Caption, Captioner, PreparedPhoto

Named = tuple[str, Source | ImageError]
"""The name of a photo, and the photo or the error that prevents reading it."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The result for one photo: a caption or an error.

    Attributes:
        path: name of the photo.
        caption: the best caption; None if the photo failed.
        log_prob: natural logarithm of the caption's probability.
        confidence: in [0, 1]; see `Caption`.
        captions: the best captions, starting with `caption`.
        language: two-letter code.
        source: the English caption of which `caption` is a translation; None for English.
        width: width of the upright photo in pixels.
        height: height of the upright photo in pixels.
        error: why the photo failed; None if it did not.
        fingerprint: of the photo's file, see `captioner.folders.fingerprint`; None if there is no file.
    """

    path: str
    caption: str | None = None
    log_prob: float | None = None
    confidence: float | None = None
    captions: tuple[Alternative, ...] | None = None
    language: str | None = None
    source: str | None = None
    width: int | None = None
    height: int | None = None
    error: str | None = None
    fingerprint: Fingerprint | None = None

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON types with all keys, and numbers from the model rounded to four decimals."""
        sentences = self.captions
        return {
            **vars(self),
            "log_prob": _rounded(self.log_prob),
            "confidence": _rounded(self.confidence),
            "captions": sentences
            and [{"caption": sentence.text, "log_prob": _rounded(sentence.log_prob)} for sentence in sentences],
        }


def caption_photos(
    model: Captioner,
    sources: Iterable[Named],
    options: DecodingOptions | None = None,
    *,
    batch_size: int = 32,
    workers: int | None = None,
    limits: ImageLimits | None = None,
) -> Iterator[Record]:
    """Caption photos in batches. Each thread reads and captions one batch at a time.

    The threads share PyTorch's own threads (`torch.get_num_threads()`). This changes a setting of the whole process
    until the last record is taken or the iterator is closed.

    Args:
        model: a loaded model.
        sources: names and photos, or errors; consumed lazily, so there may be any number.
        options: decoding options; the model's defaults if None.
        batch_size: photos per batch.
        workers: captioning threads, which affect only speed; if None, one per PyTorch thread, at most 8.
        limits: limits on photos; the defaults if None.

    Yields:
        One record per photo, in order. A photo that cannot be read yields a record with its error.
    """
    threads = torch.get_num_threads()
    workers = workers or min(8, threads)  # each worker needs memory for a batch
    groups = _groups(sources, batch_size)
    start = list(islice(groups, 2))
    if len(start) < 2:  # a single batch: PyTorch uses all threads for it
        with ThreadPoolExecutor(workers) as readers:
            for group in start:
                yield from _caption(model, group, options, limits, readers.map)
        return
    waiting: deque[Future[list[Record]]] = deque()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(max(1, threads // workers),))
    try:
        for group in chain(start, groups):
            waiting.append(pool.submit(_caption, model, group, options, limits))
            if len(waiting) > workers:
                yield from waiting.popleft().result()
        for captioning in waiting:
            yield from captioning.result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def processors() -> int:
    """Number of processors available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _groups(sources: Iterable[Named], size: int) -> Iterator[list[Named]]:
    remaining = iter(sources)
    while group := list(islice(remaining, size)):
        yield group


def _prepare(
    model: Captioner, source: Source | ImageError, limits: ImageLimits | None
) -> tuple[PreparedPhoto | ImageError, Fingerprint | None]:
    if isinstance(source, ImageError):
        return source, None
    known = fingerprint.take(source) if isinstance(source, str | os.PathLike) else None
    try:
        return model.prepare(source, limits=limits), known
    except ImageError as problem:
        return problem, known


def _caption(
    model: Captioner,
    group: list[Named],
    options: DecodingOptions | None,
    limits: ImageLimits | None,
    each: Callable[..., Iterable[Any]] = map,
) -> list[Record]:
    """Read and caption one batch; `each` is `map`, or a parallel version of it."""
    opened = list(each(lambda named: _prepare(model, named[1], limits), group))
    photos, fingerprints = zip(*opened, strict=True)
    return list(caption_prepared(model, [name for name, _ in group], photos, options, fingerprints))


def caption_prepared(
    model: Captioner,
    names: Sequence[str],
    opened: Sequence[PreparedPhoto | ImageError],
    options: DecodingOptions | None,
    fingerprints: Sequence[Fingerprint | None],
) -> Iterator[Record]:
    """Caption one batch of photos that have been read, or failed to; see `caption_photos`."""
    photos = [photo for photo in opened if isinstance(photo, PreparedPhoto)]
    captions: Iterator[Caption | SentenceError]
    try:
        captions = iter(model.caption_batch(photos, options))
    except SentenceError:  # one caption cannot be translated: try each, so that the others succeed
        captions = (_alone(model, photo, options) for photo in photos)
    for name, photo, known in zip(names, opened, fingerprints, strict=True):
        yield record_of(name, photo if isinstance(photo, ImageError) else next(captions), known)


def _alone(model: Captioner, photo: PreparedPhoto, options: DecodingOptions | None) -> Caption | SentenceError:
    try:
        return model.caption_batch([photo], options)[0]
    except SentenceError as problem:
        return problem


def record_of(path: str, result: Caption | ImageError | SentenceError, known: Fingerprint | None = None) -> Record:
    """The record of a photo with the caption that it got, or why it got none."""
    if isinstance(result, SentenceError):
        error = f"cannot translate the caption of {path}: {result}"
        return Record(path=path, error=error, fingerprint=known)
    if isinstance(result, ImageError):
        return Record(path=path, error=str(result), fingerprint=known)
    return Record(
        path=path,
        caption=result.text,
        log_prob=result.log_prob,
        confidence=result.confidence,
        captions=result.alternatives,
        language=result.language,
        source=result.source if result.translation else None,
        width=result.width,
        height=result.height,
        fingerprint=known,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
