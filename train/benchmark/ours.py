"""What is measured of captioner itself in this process: throughput, its limits, latency, growth, and the same
captions.
"""

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from captioner.checkpoint.weights import load_model
from captioner.decoding import DecodingOptions
from captioner.folders.batch import Record, caption_photos
from captioner.inference import generate
from captioner.models.quantized import QuantizedLinear
from captioner.predict import Captioner, PreparedPhoto

OPTIONS = DecodingOptions(beam_size=3)


def describe(
    model: Captioner,
    photos: Sequence[Path],
    options: DecodingOptions = OPTIONS,
    *,
    batch_size: int = 32,
    workers: int | None = None,
) -> tuple[float, list[Record]]:
    """Photos a second from files to captions, and the records."""
    begun = time.perf_counter()
    sources = [(str(path), path) for path in photos]
    records = list(caption_photos(model, sources, options, batch_size=batch_size, workers=workers))
    return len(photos) / (time.perf_counter() - begun), records


def throughput(model: Captioner, photos: Sequence[Path], *, rounds: int) -> tuple[float, list[Record]]:
    """The median of so many rounds, after a few photos to warm up."""
    describe(model, photos[:40])
    found = [describe(model, photos) for _ in range(rounds)]
    return statistics.median(speed for speed, _ in found), found[0][1]


def encoder_limit(model: Captioner, photos: Sequence[PreparedPhoto], *, seconds: float) -> dict[str, float]:
    """Photos a second of the encoder alone, on tensors in memory: every setting tried, and the best of them."""
    tensors = model._images(photos)
    threads = torch.get_num_threads()
    found = {}
    for workers in sorted({1, threads}):
        torch.set_num_threads(threads // workers)
        for batch in (1, 2, 4, 8, 16, 32):
            speed = _encode(model, tensors[:batch], workers, seconds)
            found[f"encoder_photos_per_s_{workers}x{threads // workers}_threads_batch_{batch}"] = speed
    torch.set_num_threads(threads)
    return {"encoder_photos_per_s": max(found.values()), **found}


def _encode(model: Captioner, images: Tensor, workers: int, seconds: float) -> float:
    """Photos a second of so many threads that all encode the same photos for a while."""
    counts = [0] * workers
    share = torch.get_num_threads()

    def work(number: int, limit: float) -> None:
        torch.set_num_threads(share)
        with torch.inference_mode():
            while not counts[number] or time.perf_counter() < limit:
                model._model.encoder(images)
                counts[number] += len(images)

    with torch.inference_mode():
        model._model.encoder(images)  # to warm up
    begun = time.perf_counter()
    pool = [threading.Thread(target=work, args=(number, begun + seconds)) for number in range(workers)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return sum(counts) / (time.perf_counter() - begun)


def matmul_peak(
    *, device: str = "cpu", dtype: torch.dtype = torch.float32, sizes: Sequence[int] = (1024, 2048)
) -> float:
    """The most GFLOP/s of a matrix product of these sizes, the best of a few."""

    def gflops(size: int) -> float:
        one, other = torch.randn(2, size, size, device=device, dtype=dtype)

        def multiply() -> object:
            return (one @ other)[0, 0].item()  # waits for a GPU

        return 2 * size**3 / _best(multiply, 8) / 1e9

    return max(map(gflops, sizes))


def int8_peak() -> float:
    """The most billion operations per second of a product of int8 matrices, the best of a few."""
    size = 1024
    linear, rows = QuantizedLinear(nn.Linear(size, size), (-1, 1)), torch.rand(size, size)
    with torch.inference_mode():
        return 2 * size**3 / _best(lambda: linear(rows), 8) / 1e9


def work(model: Captioner, photos: Sequence[PreparedPhoto]) -> dict[str, float]:
    """Floating-point operations a photo (two for a multiply-add) and milliseconds a photo of each stage, one after the
    other.
    """
    with torch.inference_mode():
        plain = load_model(model.checkpoint)  # products that are packed or in int8 are not counted
        with FlopCounterMode(display=False) as encoder:
            vectors = plain.encoder(model._images(photos))
        with FlopCounterMode(display=False) as decoder:
            generate(plain.decoder, vectors, OPTIONS)
        count = len(photos)
        return {
            "encoder_gflop": encoder.get_total_flops() / count / 1e9,
            "decoder_gflop": decoder.get_total_flops() / count / 1e9,
            "encoding_ms": 1e3 * _best(lambda: model._encode(photos)) / count,
            "decoding_ms": 1e3 * _best(lambda: generate(model._model.decoder, vectors, OPTIONS)) / count,
        }


def _best(action: Callable[[], object], rounds: int = 3) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return min(times)


def reading(model: Captioner, photos: Sequence[Path]) -> dict[str, float]:
    """Milliseconds a photo of reading and scaling, in one thread."""
    return {"reading_ms": 1e3 * _best(lambda: [model.prepare(path) for path in photos]) / len(photos)}


def latency(model: Captioner, photos: Sequence[Path]) -> dict[str, float]:
    """Milliseconds for one photo, from its file to its caption, when the model is warm: on all threads, and on one."""
    threads = torch.get_num_threads()
    found = {}
    for count, name in ((threads, ""), (1, "_one_thread")):
        torch.set_num_threads(count)
        for path in photos[:5]:
            model.caption(path, OPTIONS)
        times = sorted(1e3 * _best(partial(model.caption, path, OPTIONS), 1) for path in photos)
        found[f"latency{name}_p50_ms"] = statistics.median(times)
        found[f"latency{name}_p95_ms"] = times[min(len(times) - 1, len(times) * 95 // 100)]
    torch.set_num_threads(threads)
    return found


def same_captions(model: Captioner, records: Sequence[Record]) -> dict[str, float]:
    """How many captions differ from those of one photo at a time, and from those of the plain way: float32, with
    nothing folded or packed.
    """
    read = model.checkpoint
    plain = Captioner(load_model(read), read, device=torch.device("cpu"))
    alone, unlike, distance = 0, 0, 0.0
    for record in records:
        photo = plain.prepare(record.path)
        alone += model.caption_batch([photo], OPTIONS)[0].text != record.caption
        caption = plain.caption_batch([photo], OPTIONS)[0]
        unlike += caption.text != record.caption
        if caption.text == record.caption and record.log_prob is not None:
            distance = max(distance, abs(caption.log_prob - record.log_prob))
    return {
        "captions_compared": len(records),
        "captions_different": alone,
        "captions_unlike_float32": unlike,
        "log_prob_distance": distance,
    }


def growth(model: Captioner, photos: Sequence[Path], *, most: int) -> dict[str, dict[int, float]]:
    """Seconds for all of them against their number, beam size, caption length and batch size.

    Args:
        model: what is measured.
        photos: at least `most`.
        most: the largest number of photos; the other three are measured on a quarter of it.
    """
    few = photos[: max(1, most // 4)]

    def seconds(paths: Sequence[Path], options: DecodingOptions = OPTIONS, batch_size: int = 32) -> float:
        return len(paths) / describe(model, paths, options, batch_size=batch_size)[0]

    def length(tokens: int) -> DecodingOptions:
        return replace(OPTIONS, min_length=tokens, max_length=tokens)

    return {
        "photos": {
            count: seconds(photos[:count]) for count in sorted({max(1, most * part // 4) for part in (1, 2, 3, 4)})
        },
        "beam size": {beams: seconds(few, replace(OPTIONS, beam_size=beams)) for beams in (1, 2, 3, 5, 8)},
        "words a caption": {tokens: seconds(few, length(tokens)) for tokens in (5, 10, 20, 30)},
        "batch size": {size: seconds(few, batch_size=size) for size in (1, 4, 16, 32, 64)},
    }
