"""Caption on many machines with Ray Data, which distributes the batches and repeats those of failed workers.

Ray is imported on demand; install it on every machine with `pip install 'captioner[ray]'`. All machines must see the
photos under the same absolute paths, and the model as well unless it is an embedded one.
"""

import json
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError, ImageError, UsageError
from captioner.folders import fingerprint
from captioner.images import ImageLimits, open_image, to_pixels

if TYPE_CHECKING:  # workers that read photos need neither models nor torch
    import pyarrow

    from captioner.checkpoint import Checkpoint
    from captioner.decoding import DecodingOptions
    from captioner.folders.finding import Found

_BATCHES_A_BLOCK = 4
"""Prepared photos per block sent between machines; 64 are about 10 MB."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The Ray cluster and its workers.

    Attributes:
        address: of a Ray cluster; `auto` finds the cluster of this machine; None starts one on this machine only.
        models: maximum number of model replicas; None: one per GPU or, without GPUs, one per processor minus one.
        device: device of each model; see `Captioner.load`.
        precision: arithmetic of each model; see `Captioner.load`.
    """

    address: str | None = None
    models: int | None = None
    device: str = "auto"
    precision: str = "auto"


def caption_photos(
    checkpoint: "Checkpoint",
    photos: "Iterable[Found]",
    options: "DecodingOptions",
    *,
    batch_size: int = 32,
    language: str,
    pool: Pool,
    limits: ImageLimits,
) -> Iterator[dict[str, Any]]:
    """Caption photos on a cluster, in the same batches as a single process.

    Args:
        checkpoint: the model.
        photos: consumed completely before the first photo is captioned.
        options: decoding options.
        batch_size: photos per batch.
        language: of the captions, two-letter code.
        pool: the cluster.
        limits: limits on photos.

    Yields:
        One record per photo as JSON types, in order. Work repeated after a worker died is reported once.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
        CaptionerError: the cluster failed for good.
    """
    ray = _start(pool)
    try:
        dataset = _dataset(
            ray, checkpoint, photos, options, batch_size=batch_size, language=language, pool=pool, limits=limits
        )
        told: set[str] = set()
        for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
            for line in batch["record"].to_pylist():
                record: dict[str, Any] = json.loads(line)
                if record["path"] not in told:
                    told.add(record["path"])
                    yield record
    except ray.exceptions.RayError as problem:
        reason = str(problem).strip().splitlines()[-1]
        raise CaptionerError(
            f"Ray failed ({reason}); finished photos are kept; run the same command to resume."
        ) from problem
    finally:
        ray.shutdown()


def _start(pool: Pool) -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # no usage statistics
    try:
        import ray
        import ray.data
    except ImportError:
        raise UsageError("--engine ray needs Ray; install it with: pip install 'captioner[ray]'.") from None
    import logging

    from captioner.folders.batch import processors

    _knock(pool.address)
    here = {} if pool.address else {"num_cpus": max(2, processors()), "include_dashboard": False}
    try:
        ray.init(address=pool.address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    except (ConnectionError, ValueError) as problem:
        raise UsageError(
            f"--ray-address {pool.address}: no Ray cluster found ({problem}); start one with: ray start --head."
        ) from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    return ray


def _knock(address: str | None) -> None:
    """Check that something listens at host:port; Ray itself would retry for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if not (colon and port.isdecimal()) or "/" in host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as problem:
        raise UsageError(
            f"--ray-address {address}: no answer ({problem}); start a Ray cluster with: ray start --head."
        ) from None


def _dataset(
    ray: Any,
    checkpoint: "Checkpoint",
    photos: "Iterable[Found]",
    options: "DecodingOptions",
    *,
    batch_size: int,
    language: str,
    pool: Pool,
    limits: ImageLimits,
) -> Any:
    """The pipeline: names → prepared photos (any processor) → records (a model replica)."""
    from captioner.checkpoint import PRETRAINED

    there = ray.cluster_resources()
    processors_there, gpus = there.get("CPU", 1.0), there.get("GPU", 0.0)
    on_gpus = pool.device in {"auto", "cuda"} and gpus >= 1
    models = pool.models or int(gpus if on_gpus else max(1, processors_there - 1))
    size = checkpoint.config.image.size
    embedded = checkpoint.path.parent == PRETRAINED  # found wherever captioner is installed
    model = checkpoint.path.name if embedded else str(checkpoint.path.absolute())
    # Reading a photo is much faster than captioning it, so a reader and a model may share a processor.
    half = min(0.5, processors_there / 2)
    return (
        ray.data.from_arrow(list(_blocks(photos, _BATCHES_A_BLOCK * batch_size)))
        .map_batches(
            _prepare,
            batch_format="pyarrow",
            batch_size=None,
            fn_kwargs={"size": size, "directory": str(Path.cwd()), "limits": limits},
            num_cpus=half,
        )
        .map_batches(
            _Model,
            fn_constructor_args=(model, pool, language, options),
            batch_format="pyarrow",
            batch_size=batch_size,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=models),
            num_cpus=half if processors_there < 2 else 1,
            num_gpus=1 if on_gpus else 0,
        )
    )


def _blocks(photos: "Iterable[Found]", size: int) -> Iterator["pyarrow.Table"]:
    """Tables with the columns `path` (bytes, because paths may not be UTF-8) and `problem`, the error."""
    import pyarrow as arrow

    remaining = iter(photos)
    while group := list(islice(remaining, size)):
        problems = [str(photo.problem) if photo.problem else None for photo in group]
        yield arrow.table(
            {
                "path": arrow.array([os.fsencode(photo.path) for photo in group], arrow.binary()),
                "problem": arrow.array(problems, arrow.string()),
            }
        )


def _prepare(block: "pyarrow.Table", *, size: int, directory: str, limits: ImageLimits) -> "pyarrow.Table":
    """Read photos: add `pixels` (S · S · 3 bytes, RGB), `width`, `height` or `problem`, and `fingerprint` (JSON)."""
    import pyarrow as arrow

    os.chdir(directory)  # this process belongs to Ray; names are relative to the user's directory
    rows = [
        _read(os.fsdecode(path), size, limits) if problem is None else {"problem": problem}
        for path, problem in zip(block["path"].to_pylist(), block["problem"].to_pylist(), strict=True)
    ]
    types = {
        "pixels": arrow.large_binary(),
        "width": arrow.int64(),
        "height": arrow.int64(),
        "problem": arrow.string(),
        "fingerprint": arrow.string(),
    }
    columns = {name: arrow.array([row.get(name) for row in rows], type=kind) for name, kind in types.items()}
    return arrow.table({"path": block["path"], **columns})


def _read(path: str, size: int, limits: ImageLimits) -> dict[str, Any]:
    known = {"fingerprint": json.dumps(fingerprint.take(path))}
    try:
        photo = open_image(path, draft=size, limits=limits)
    except ImageError as problem:
        return {**known, "problem": str(problem)}
    pixels = to_pixels(photo.image, size).tobytes()
    return {**known, "pixels": pixels, "width": photo.width, "height": photo.height}


class _Model:
    """The state of one Ray actor: a loaded model."""

    def __init__(self, name: str, pool: Pool, language: str, options: "DecodingOptions") -> None:
        from captioner.predict import Captioner

        self._model = Captioner.load(name, device=pool.device, precision=pool.precision, language=language)
        self._options = options

    def __call__(self, batch: "pyarrow.Table") -> "pyarrow.Table":
        """Caption a batch: one column, `record`, in JSON."""
        import numpy as np
        import pyarrow as arrow

        from captioner.folders.batch import caption_prepared
        from captioner.predict import PreparedPhoto

        size = self._model.checkpoint.config.image.size
        rows = batch.to_pylist()
        opened = [
            ImageError(row["problem"])
            if row["pixels"] is None
            else PreparedPhoto(
                pixels=np.frombuffer(row["pixels"], np.uint8).reshape(size, size, 3).copy(),
                width=row["width"],
                height=row["height"],
            )
            for row in rows
        ]
        names = [os.fsdecode(row["path"]) for row in rows]
        fingerprints = [json.loads(row["fingerprint"] or "null") for row in rows]
        records = caption_prepared(self._model, names, opened, self._options, fingerprints)
        return arrow.table(
            {"record": arrow.array([json.dumps(record.as_dict()) for record in records], arrow.string())}
        )
