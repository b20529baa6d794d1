"""Many photos: read them beside the model's work, caption them in real batches, and give one record a photo, in order."""

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from captioner.decoding import DecodingOptions
from captioner.errors import ImageError
from captioner.images import Source
from captioner.predict import Alternative, Caption, Captioner, PreparedPhoto


@dataclass(frozen=True, kw_only=True)
class Record:
    """What became of one photo: a caption or an error.

    Attributes:
        path: what the photo was called.
        caption: the best sentence, None if the photo failed.
        log_prob: natural logarithm of its probability.
        confidence: in [0, 1], see `Caption`.
        captions: the best sentences, the first of them `caption`.
        language: of the sentences, two letters.
        source: the English sentence that `caption` is a translation of; None where it is English itself.
        width: of the upright photo in pixels.
        height: of the upright photo in pixels.
        error: why the photo failed, in one sentence; None if it did not.
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

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON's types: every key is there, numbers of the model to four decimals."""
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
    sources: Iterable[tuple[str, Source | ImageError]],
    options: DecodingOptions | None = None,
    *,
    batch_size: int = 16,
    workers: int | None = None,
) -> Iterator[Record]:
    """Caption photos in batches; while the model works on one batch, threads read the next ones.

    Args:
        model: what captions them.
        sources: name and photo, or why there is none; taken as they are needed, so that there may be any number.
        options: what to search for; the model's own defaults if None.
        batch_size: photos at once.
        workers: threads that read, which change nothing but speed; one a processor, but at most 4, if None.

    Yields:
        One record a photo, in order. A photo that cannot be read gives its record and stops nobody.
    """
    waiting: deque[tuple[list[str], list[Future[PreparedPhoto | ImageError]]]] = deque()
    workers = workers or min(4, processors())  # few: each holds a whole photo while it scales it down
    ahead = math.ceil(workers / batch_size)  # batches to be read meanwhile, so that no thread is idle
    pool = ThreadPoolExecutor(workers)
    try:
        for group in _groups(sources, batch_size):
            waiting.append(([name for name, _ in group], [pool.submit(_prepare, model, source) for _, source in group]))
            if len(waiting) > ahead:
                yield from _caption(model, *waiting.popleft(), options)
        for names, reading in waiting:
            yield from _caption(model, names, reading, options)
    finally:
        pool.shutdown(cancel_futures=True)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _groups(
    sources: Iterable[tuple[str, Source | ImageError]], size: int
) -> Iterator[list[tuple[str, Source | ImageError]]]:
    """The sources in lists of `size`; the last may be shorter."""
    remaining = iter(sources)
    while group := list(islice(remaining, size)):
        yield group


def _prepare(model: Captioner, source: Source | ImageError) -> PreparedPhoto | ImageError:
    if isinstance(source, ImageError):
        return source
    try:
        return model.prepare(source)
    except ImageError as problem:
        return problem


def _caption(
    model: Captioner,
    names: list[str],
    reading: list[Future[PreparedPhoto | ImageError]],
    options: DecodingOptions | None,
) -> Iterator[Record]:
    return caption_prepared(model, names, [future.result() for future in reading], options)


def caption_prepared(
    model: Captioner,
    names: Sequence[str],
    opened: Sequence[PreparedPhoto | ImageError],
    options: DecodingOptions | None = None,
) -> Iterator[Record]:
    """Caption one batch of photos that are read already, where they could be; see `caption_photos`."""
    captions = iter(model.caption_batch([photo for photo in opened if isinstance(photo, PreparedPhoto)], options))
    for name, photo in zip(names, opened, strict=True):
        yield _record(name, photo if isinstance(photo, ImageError) else next(captions))


def _record(path: str, result: Caption | ImageError) -> Record:
    if isinstance(result, ImageError):
        return Record(path=path, error=str(result))
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
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
