"""The same on a GPU, where PyTorch finds one."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from captioner.predict import Captioner
from train.benchmark.ours import OPTIONS, describe, matmul_peak

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def measure(
    photos: Sequence[Path],
    *,
    gflop: float,
    batches: Sequence[int] = (16, 64, 256),
    sizes: Sequence[int] = (4096, 8192),
    device: str = "cuda",
) -> dict[str, Any]:
    """Photos a second from files to captions, and of prepared photos by precision, each by batch size; shares of the
    arithmetic's peak.

    Args:
        photos: files.
        gflop: floating-point operations of a photo, in billions; see `ours.work`.
        batches: sizes to try.
        sizes: of the matrix products that give the peak.
        device: PyTorch's name of it.
    """
    model = Captioner.load(device=device)
    prepared = [model.prepare(path) for path in photos[: max(batches)]]
    found: dict[str, Any] = {"gpu": torch.cuda.get_device_name() if device == "cuda" else device}
    describe(model, photos[: min(batches)])  # to warm up
    for size in batches:
        found[f"gpu_photos_per_s_files_batch_{size}"] = describe(model, photos, batch_size=size)[0]
    for name, dtype in PRECISIONS.items():
        peak = matmul_peak(device=device, dtype=dtype, sizes=sizes)
        found[f"gpu_matmul_gflops_{name}"] = peak
        best = 0.0
        for size in batches:
            batch = [prepared[number % len(prepared)] for number in range(size)]
            with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                model.caption_batch(batch, OPTIONS)
                begun = time.perf_counter()
                for _ in range(3):
                    model.caption_batch(batch, OPTIONS)
            speed = 3 * size / (time.perf_counter() - begun)
            found[f"gpu_photos_per_s_{name}_batch_{size}"] = speed
            best = max(best, speed)
        found[f"gpu_share_of_peak_{name}"] = best * gflop / peak
    found["gpu_photos_per_s"] = max(value for key, value in found.items() if key.startswith("gpu_photos_per_s_files"))
    return found
