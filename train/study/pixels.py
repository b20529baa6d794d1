"""A PixelRNN that generates digits and completes half-hidden ones, compared with simpler models.

The images are scikit-learn's 1,797 handwritten digits, 8 × 8 pixels of 17 gray levels. Three models predict the gray
level of every pixel: a histogram for each position, independent of other pixels (its counts start at a tenth); an LSTM
that reads the pixels one by one in raster order; and a PixelRNN of two Row LSTM layers. The two networks have about as
many parameters, the same batches and the same number of steps. For each, the state that is best on validation images
(checked every 50 steps and at the end) is measured on test images.
"""

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

from captioner.errors import UsageError
from train.study import chart
from train.study.learning import Recurrent, count_parameters, learn
from train.study.row_lstm import PixelRNN
from train.study.setting import Entry, Finding, Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLAIM = "A PixelRNN predicts the next pixel, and so generates and completes images."

LEVELS, SIDE = 17, 8
TRAINED, VALIDATED = 1200, 200
BATCH, EVERY = 32, 50
HISTOGRAM, RASTER, ROWS = "histogram of each pixel", "LSTM over the raster", "Row LSTM"


class RasterLSTM(nn.Module):
    """An LSTM that reads the pixels one by one, row by row."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.recurrent = Recurrent("lstm", LEVELS, hidden)
        self.classify = nn.Linear(hidden, LEVELS)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 17, H, W) of every pixel of images (B, H, W), given the previous ones."""
        pixels = F.one_hot(images.flatten(1), LEVELS).float()
        before = F.pad(pixels[:, :-1], (0, 0, 1, 0))  # nothing is before the first
        logits: Tensor = self.classify(self.recurrent(before))
        return logits.transpose(1, 2).reshape(-1, LEVELS, *images.shape[1:])


def read_digits(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Training, validation and test images, (B, 8, 8) each, split separately for each seed.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise UsageError(
            "this study needs scikit-learn for its digits; install it with: pip install -r train/requirements.txt"
        ) from None
    images = torch.from_numpy(load_digits().images).long()
    images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))]
    return images[:TRAINED], images[TRAINED : TRAINED + VALIDATED], images[TRAINED + VALIDATED :]


def histogram(images: Tensor) -> Tensor:
    """Log-probabilities of the gray levels at each position, (17, 8, 8)."""
    counts = F.one_hot(images, LEVELS).sum(0).movedim(2, 0) + 0.1
    return (counts / counts.sum(0)).log()


def nats(logits: Tensor, images: Tensor) -> float:
    """Mean negative log-likelihood of a pixel."""
    return F.cross_entropy(logits, images).item()


def fit(model: nn.Module, train: Tensor, validation: Tensor, *, steps: int, seed: int, title: str) -> None:
    """Train, and keep the state that is best on validation images, checked every 50 steps and at the end."""
    chance = torch.Generator().manual_seed(seed)
    judged: list[tuple[float, dict[str, Tensor]]] = []

    def loss(_: int) -> Tensor:
        images = train[torch.randint(len(train), (BATCH,), generator=chance)]
        return F.cross_entropy(model(images), images)

    @torch.no_grad()
    def judge(taken: int) -> None:
        if taken % EVERY == 0 or taken == steps:
            judged.append((nats(model(validation), validation), copy.deepcopy(model.state_dict())))

    learn(model.parameters(), loss, steps=steps, title=title, rate=4e-3, after=judge)
    _, best = min(judged, key=lambda one: one[0])
    model.load_state_dict(best)


def study(setting: Setting) -> Finding:
    """Nats per pixel of the three models; samples and completions of the last."""
    steps = setting.pick(full=900, quick=80, tiny=1)
    results: dict[str, list[float]] = {HISTOGRAM: [], RASTER: [], ROWS: []}
    sizes: dict[str, int] = {HISTOGRAM: (LEVELS - 1) * SIDE * SIDE}
    shown: nn.Module | None = None
    for seed in setting.seeds:
        train, validation, test = read_digits(seed)
        results[HISTOGRAM].append(nats(histogram(train).expand(len(test), -1, -1, -1), test))
        torch.manual_seed(seed)
        models: dict[str, nn.Module] = {RASTER: RasterLSTM(82), ROWS: PixelRNN(LEVELS, hidden=16)}
        for name, model in models.items():
            fit(model, train, validation, steps=steps, seed=seed, title=f"pixels {name}")
            with torch.no_grad():
                results[name].append(nats(model(test), test))
            sizes[name] = count_parameters(model)
        shown = shown or models[ROWS]
    assert isinstance(shown, PixelRNN)
    rows: list[tuple[Entry, ...]] = [(name, sizes[name], tuple(found)) for name, found in results.items()]
    figure, (axes, left, right) = chart.panels(3, size=(4.6, 3.8))
    chart.bars(axes, ["histogram", "raster\nLSTM", "Row\nLSTM"], list(results.values()), unit="nats per pixel")
    _, _, test = read_digits(setting.seeds[0])
    chance = torch.Generator().manual_seed(0)
    drawn = shown.complete(test.new_zeros(40, SIDE, SIDE), rows=0, chance=chance)
    _show(left, list(drawn.view(-1, 8, SIDE, SIDE)), "samples")
    originals = test[:8]
    hidden = originals.clone()
    hidden[:, SIDE // 2 :] = 0
    completions = [shown.complete(originals, rows=SIDE // 2, chance=chance) for _ in range(3)]
    _show(right, [originals, hidden, *completions], "digits, their upper halves, three completions")
    mean = {name: sum(found) / len(found) for name, found in results.items()}
    seen = (
        f"The Row LSTM needs {mean[ROWS]:.3f} nats per pixel, {100 * (1 - mean[ROWS] / mean[HISTOGRAM]):.0f} % fewer "
        f"than a histogram of each pixel ({mean[HISTOGRAM]:.3f}) and {100 * (1 - mean[ROWS] / mean[RASTER]):.1f} % "
        f"fewer than an LSTM in raster order ({mean[RASTER]:.3f})."
    )
    return Finding(columns=("model", "parameters", "nats per pixel"), rows=tuple(rows), figure=figure, seen=seen)


def _show(axes: "Axes", rows: list[Tensor], title: str) -> None:
    """Rows of images as one image."""
    tiles = [np.hstack([np.pad(image.numpy(), 1, constant_values=LEVELS // 2) for image in row]) for row in rows]
    axes.imshow(np.vstack(tiles), cmap="gray_r", vmin=0, vmax=LEVELS - 1)
    axes.set_title(title, fontsize=10)
    axes.axis("off")
