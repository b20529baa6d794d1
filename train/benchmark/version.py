"""Measures the captioner on the import path; run as a script, by `versions`, and prints JSON.

It imports only what every version has, so that it can measure another checkout.
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import captioner
from captioner.folders.batch import caption_photos

WARM_UP = 8


def measure(small: Sequence[Path], large: Sequence[Path]) -> dict[str, float]:
    """Photos per second from files to captions, and milliseconds for one photo.

    Args:
        small: photos of COCO's size.
        large: photos of 12 megapixels.
    """
    model = captioner.load(device="cpu")
    found = {}
    for name, photos in (("", small), ("_large", large)):
        sources = [(str(path), path) for path in photos]
        list(caption_photos(model, sources[:WARM_UP]))
        begun = time.perf_counter()
        records = list(caption_photos(model, sources))
        found[f"photos_per_s{name}"] = len(records) / (time.perf_counter() - begun)
    times = sorted(_milliseconds(model, path) for path in [*small[:WARM_UP], *small[:100]])
    found["latency_p50_ms"], found["latency_p95_ms"] = statistics.median(times), times[len(times) * 95 // 100]
    torch.set_num_threads(1)
    begun = time.perf_counter()
    for path in large:
        model.prepare(path)
    reading = time.perf_counter() - begun
    begun = time.perf_counter()
    model.caption_batch(large)
    found["share_of_reading_large"] = reading / (time.perf_counter() - begun)
    return found


def _milliseconds(model: captioner.Captioner, path: Path) -> float:
    begun = time.perf_counter()
    model.caption(path)
    return 1e3 * (time.perf_counter() - begun)


if __name__ == "__main__":
    print(json.dumps(measure(*(sorted(Path(folder).iterdir()) for folder in sys.argv[1:3]))))
