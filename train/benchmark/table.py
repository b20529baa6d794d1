"""What was measured, for people: a table with goals and ratios, and a picture of how time grows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner.files import output_errors
from train.benchmark.gpu import PRECISIONS
from train.benchmark.versions import ROWS
from train.tables import markdown


@dataclass(frozen=True)
class Goal:
    """A line of the table: what is measured, its key, its unit, and the goal (at least or at most this)."""

    name: str
    key: str
    unit: str
    least: float | None = None
    most: float | None = None

    def line(self, value: float) -> tuple[str, str, str, str]:
        """Name, value, goal, and how many times as good as the goal the value is."""
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        if self.least is not None:
            return self.name, f"{shown} {self.unit}", f"≥ {self.least:g}", f"{value / self.least:.2f}"
        if self.most is not None:
            return (
                self.name,
                f"{shown} {self.unit}",
                f"≤ {self.most:g}",
                f"{self.most / value:.2f}" if value else "1.00",
            )
        return self.name, f"{shown} {self.unit}", "", ""


GOALS = (
    Goal("photos from files to captions, beam 3", "photos_per_s", "/s"),
    Goal("BLIP-base, beam 3", "blip_photos_per_s", "/s"),
    Goal("BLIP-base, greedy", "blip_greedy_photos_per_s", "/s"),
    Goal("ViT-GPT2, beam 3", "vit_gpt2_photos_per_s", "/s"),
    Goal("ResNet-101 tutorial, beam 5, one at a time", "resnet101_photos_per_s", "/s"),
    Goal("as fast as BLIP-base", "speedup_blip_base", "×", least=100),
    Goal("as fast as BLIP-base, greedy", "speedup_blip_greedy", "×"),
    Goal("as fast as ViT-GPT2", "speedup_vit_gpt2", "×"),
    Goal("as fast as the ResNet-101 tutorial", "speedup_resnet101", "×", least=20),
    Goal("the encoder alone, best settings", "encoder_photos_per_s", "/s"),
    Goal("share of the encoder alone", "share_of_encoder_limit", "", least=0.7),
    Goal("the encoder's share of the matrix products' peak", "encoder_share_of_matmul_peak", "", least=0.5),
    Goal("all arithmetic's share of that peak", "share_of_matmul_peak", ""),
    Goal("latency of one photo, p50", "latency_p50_ms", "ms", most=60),
    Goal("latency of one photo, p95", "latency_p95_ms", "ms", most=120),
    Goal("the same on one thread, p50", "latency_one_thread_p50_ms", "ms"),
    Goal("the same on one thread, p95", "latency_one_thread_p95_ms", "ms"),
    Goal("cold start, in imports of torch and torchvision", "cold_start_ratio", "×", most=1.3),
    Goal("caption --help", "help_s", "s", most=0.5),
    Goal("memory of 1,000 photos over these imports", "peak_rss_over_imports_mb", "MB", most=250),
    Goal("the same, 10,000 photos", "peak_rss_over_imports_mb_10000", "MB", most=300),
    Goal("captions that the batch changed", "captions_different", "", most=0),
    Goal("captions unlike those of float32", "captions_unlike_float32", ""),
    Goal("the GPU: photos from files to captions", "gpu_photos_per_s", "/s"),
    *(Goal(f"the GPU's share of its peak, {name}", f"gpu_share_of_peak_{name}", "") for name in PRECISIONS),
)


def to_table(result: Mapping[str, Any]) -> str:
    """The lines of which `result` has the value; the last column is 1 or more where the goal is reached."""
    lines = [("", "measured", "goal", "times as good")]
    return markdown([*lines, *(goal.line(result[goal.key]) for goal in GOALS if goal.key in result)])


def versions_to_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Both versions side by side; see `train.benchmark.versions`."""
    before, now = found["before"], found["now"]
    lines = [("", "before", "now", "now / before", "goal")]
    for key, (name, goal) in ROWS.items():
        lines.append((name, f"{before[key]:.3g}", f"{now[key]:.3g}", f"{now[key] / before[key]:.2f}", goal))
    return markdown(lines)


def draw_growth(growth: Mapping[str, Mapping[int, float]], path: Path) -> None:
    """Draw seconds against number of photos, beam size, caption length and batch size.

    Raises:
        OutputError: the picture cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.6), layout="constrained")
    for axes, (name, times) in zip(figure.subplots(1, len(growth), squeeze=False)[0], growth.items(), strict=True):
        axes.plot(list(times), list(times.values()), marker="o", color="#2f6f8f")
        axes.set(xlabel=name, ylabel="seconds", ylim=(0, None), xlim=(0, None))
        axes.grid(alpha=0.3)
    with output_errors(path):
        figure.savefig(path, dpi=120, metadata={"Software": None})
