"""Another checkout's captioner beside this one: the same photos, in turns, each in processes of its own."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from captioner.errors import UsageError
from train.benchmark import processes
from train.benchmark.photos import make_large

SCRIPT = Path(__file__).with_name("version.py")
ROWS = {
    "photos_per_s": ("photos per second from files", "≥ 2"),
    "photos_per_s_large": ("the same, 12-megapixel photos", "≥ 1.3"),
    "share_of_reading_large": ("their reading's share of the time", ""),
    "latency_p50_ms": ("latency of one photo, p50, ms", "≤ 0.6"),
    "latency_p95_ms": ("latency of one photo, p95, ms", "≤ 0.6"),
    "cold_start_s": ("process start to first caption, s", "≤ 0.5"),
    "peak_rss_over_imports_mb": ("memory over imports, 1,000 photos, MB", ""),
}
"""Key → name and goal of now / before."""


def compare(
    before: Path,
    photos: Sequence[Path],
    scratch: Path,
    *,
    rounds: int,
    large_photos: int = 24,
) -> dict[str, dict[str, float]]:
    """Measure both in turns.

    Args:
        before: another checkout, such as a git worktree.
        photos: of COCO's size; 12-megapixel photos are made.
        scratch: an empty directory.
        rounds: the median of this many is taken.
        large_photos: number of 12-megapixel photos.

    Returns:
        For `before` and `now` the values of `ROWS`.

    Raises:
        UsageError: there is no captioner in `before`.
    """
    if not (before / "captioner" / "__init__.py").is_file():
        raise UsageError(f"--before {before}: not a checkout of captioner.")
    small, large = scratch / "small", scratch / "large"
    for folder in (small, large):
        folder.mkdir()
    for number, path in enumerate(photos):
        (small / f"{number:05}{path.suffix}").symlink_to(path.resolve())
    make_large(photos, large, large_photos)
    roots = {"before": before.resolve(), "now": processes.ROOT}
    found: dict[str, dict[str, list[float]]] = {name: {key: [] for key in ROWS} for name in roots}
    for _ in range(rounds):
        for name, root in roots.items():
            words = ["-P", str(SCRIPT), str(small), str(large)]
            values = json.loads(processes.run(words, root=root).stdout.splitlines()[-1])
            values["cold_start_s"] = processes.seconds(["-m", "captioner", "caption", str(photos[0])], root=root)
            for key, value in values.items():
                found[name][key].append(value)
    for name, root in roots.items():
        memory = processes.memory(photos, scratch / "names.txt", counts=(1_000,), root=root)
        found[name]["peak_rss_over_imports_mb"].append(memory["peak_rss_over_imports_mb"])
    return {name: {key: statistics.median(values) for key, values in rows.items()} for name, rows in found.items()}
