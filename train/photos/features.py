"""Grids of a frozen encoder, computed once and cached on disk."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from captioner.files import replacing
from captioner.models.interfaces import Encoder
from train.photos.augmentation import crops
from train.photos.data import PhotoSet, new_array
from train.task import hash_of


def load_features(
    photos: PhotoSet,
    encode: Callable[[Tensor], Tensor],
    *,
    key: str,
    views: int,
    crop: float,
    mirror: list[bool] | None,
    seed: int,
    cache: Path,
    name: str,
) -> NDArray[np.float16]:
    """Encode photos once with a frozen encoder and cache its grids in one memory-mapped file.

    Args:
        photos: the photos.
        encode: images (B, 3, S, S), uint8 → grid (B, N, D).
        key: hash of the encoder and its weights; other weights go to another file.
        views: views per photo; the first is the whole photo, the others are random crops.
        crop: smallest share of the area that a crop keeps.
        mirror: photos whose crops may be mirrored; None mirrors none.
        seed: random seed of the crops.
        cache: directory for the file.
        name: name of the split in the progress bar.

    Returns:
        (P, views, N, D), float16.
    """
    others = (crop, mirror, seed) if views > 1 else ()
    path = cache / f"features-{hash_of(photos.key, key, views, *others)}.npy"
    if not path.is_file():
        batch, total = 32, len(photos) * views
        with replacing(path) as temporary, tqdm(desc=f"{name} features", total=total, unit="photo") as bar:
            grids: NDArray[np.float16] | None = None
            for view in range(views):
                shares = crop if view else 1.0
                for start in range(0, len(photos), batch):
                    rows = range(start, min(start + batch, len(photos)))
                    seeds = [f"{seed}/{view}/{row}" for row in rows]
                    part = slice(rows.start, rows.stop)
                    mirrored = mirror[part] if mirror and view else None
                    grid = encode(crops(photos.pixels[part], seeds, smallest=shares, mirror=mirrored))
                    if grids is None:
                        shape = (len(photos), views, *grid.shape[1:])
                        grids = new_array(temporary, np.float16, shape)
                    grids[rows.start : rows.stop, view] = grid.to(torch.float16).cpu().numpy()
                    bar.update(len(rows))
            del grids  # flushes it; Windows does not rename a mapped file
    features: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return features


def choose_views(features: NDArray[np.float16], photos: list[int], seed: str) -> Tensor:
    """A random view of each photo from the result of `load_features`: (B, N, D), float16."""
    views = np.random.default_rng(list(seed.encode())).integers(features.shape[1], size=len(photos))
    return torch.from_numpy(np.stack([features[photo, view] for photo, view in zip(photos, views, strict=True)]))


def weights_key(encoder: Encoder) -> str:
    """A hash of an encoder's weights, structure and image normalization."""
    digest = hashlib.sha256(repr(encoder).encode())
    for name, value in sorted([*encoder.named_parameters(), *encoder.named_buffers()]):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
