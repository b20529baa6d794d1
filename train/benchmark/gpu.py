"""The same on a GPU, where PyTorch finds one."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import torch

from captioner.predict import Captioner, PreparedPhoto
from train.benchmark.ours import OPTIONS, matmul_peak

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def measure(photos: Sequence[PreparedPhoto], *, batches: Sequence[int] = (16, 64, 256), gflop: float) -> dict[str, Any]:
    """Photos a second from prepared photos to captions, by precision and batch size, and the share of the arithmetic's peak.

    Args:
        photos: repeated until a batch is full.
        batches: sizes to try.
        gflop: floating-point operations of a photo, in billions; see `ours.work`.
    """
    model = Captioner.load(device="cuda")
    found: dict[str, Any] = {"gpu": torch.cuda.get_device_name()}
    for name, dtype in PRECISIONS.items():
        peak = matmul_peak(device="cuda", dtype=dtype, sizes=(4096, 8192))
        found[f"gpu_matmul_gflops_{name}"] = peak
        best = 0.0
        for size in batches:
            batch = [photos[number % len(photos)] for number in range(size)]
            half = torch.autocast("cuda", dtype) if dtype != torch.float32 else contextlib.nullcontext()
            with half:
                model.caption_batch(batch, OPTIONS)
                begun = time.perf_counter()
                for _ in range(3):
                    model.caption_batch(batch, OPTIONS)
            speed = 3 * size / (time.perf_counter() - begun)
            found[f"gpu_photos_per_s_{name}_batch_{size}"] = speed
            best = max(best, speed)
        found[f"gpu_share_of_peak_{name}"] = best * gflop / peak
    found["gpu_photos_per_s"] = max(value for key, value in found.items() if key.startswith("gpu_photos_per_s"))
    return found
