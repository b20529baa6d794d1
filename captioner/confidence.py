"""Calibrated confidence of a caption, from signals of the search and of the picture.

A caption is close to people's if its CIDEr-D against their captions is at least the 25th percentile of what people's
own captions score against each other. The confidence is the product of two logistic regressions: the probability that
the caption is close, given signals of the search, and the probability that the picture is a photo at all, given its
flatness and roughness. `python -m train calibrate` fits both on validation photos and stores them in the checkpoint.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic.dataclasses import dataclass

from captioner.config import STRICT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from captioner.decoding import Hypothesis

Signals = tuple[dict[str, float], dict[str, float]]
"""The results of `signals_of_search` and `signals_of_picture`, by name."""
SIGNALS_OF_SEARCH = ("mean_log_prob", "least_log_prob", "tokens", "gain")
SIGNALS_OF_PICTURE = ("uniform", "flat", "common_tones", "rough")
_BLOCK = 8  # pixels
_UNIFORM, _FLAT = 1, 6  # maximum difference within a block, of 255
_TONES = 64


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Logistic:
    """A logistic regression.

    Attributes:
        bias: log-odds if all signals are 0.
        weights: signal → weight in the log-odds.
    """

    bias: float
    weights: dict[str, float]

    def probability(self, signals: Mapping[str, float]) -> float:
        """The probability in (0, 1)."""
        log_odds = self.bias + sum(weight * signals[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, log_odds))))


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Calibration:
    """Maps signals to a confidence; part of a checkpoint.

    Attributes:
        close: probability that the caption of a photo is close to people's.
        photo: probability that a picture is a photo rather than a plain color, drawing, chart, text, or noise.
        measured: cross-validation results, for information: `ece`, the expected calibration error; `auc`, the area
            under the ROC curve; `auc_before`, the same for the mean token probability; `photos`, their number; `rate`,
            the fraction of captions that are close.
    """

    close: Logistic
    photo: Logistic
    measured: dict[str, float] = Field(default_factory=dict)

    def __post_init__(self) -> None:
        for model, known in ((self.close, SIGNALS_OF_SEARCH), (self.photo, SIGNALS_OF_PICTURE)):
            for name in model.weights:
                if name not in known:
                    raise ValueError(f"unknown signal {name!r}; known: {', '.join(known)}")

    def confidence(self, search: Mapping[str, float], picture: Mapping[str, float]) -> float:
        """Probability in [0, 1] that the picture is a photo and its caption is close to people's.

        Args:
            search: from `signals_of_search`.
            picture: from `signals_of_picture`.
        """
        return self.close.probability(search) * self.photo.probability(picture)


def signals_of_search(hypothesis: "Hypothesis", log_prob_unseen: float) -> dict[str, float]:
    """Signals from the search for a caption.

    Args:
        hypothesis: the caption.
        log_prob_unseen: natural logarithm of the probability of the caption without any picture.

    Returns:
        The signals of `SIGNALS_OF_SEARCH`, by name: the mean and the minimum log-probability of a token, including the
        end token; the number of tokens; and the gain in log-probability per token due to the picture (pointwise mutual
        information).
    """
    steps = hypothesis.steps
    return {
        "mean_log_prob": hypothesis.log_prob / len(steps),
        "least_log_prob": min(steps),
        "tokens": float(len(steps)),
        "gain": (hypothesis.log_prob - log_prob_unseen) / len(steps),
    }


def signals_of_picture(pixels: "NDArray[np.uint8]") -> dict[str, float]:
    """Signals that distinguish photos from other pictures.

    Args:
        pixels: (S, S, 3), RGB, S at least 16.

    Returns:
        The signals of `SIGNALS_OF_PICTURE`, by name, each in [0, 1]: the fractions of 8 × 8 blocks that are uniform (as
        in drawings) and nearly uniform (also in skies); the fraction of pixels with the two most common of 64 tones;
        and 1 minus the correlation of neighboring pixels (about 1 for noise and 0.05 for photos).
    """
    import numpy as np

    across = len(pixels) // _BLOCK
    size = across * _BLOCK
    bands = pixels[:size, :size].reshape(across, _BLOCK, size, 3)  # reducing whole rows first is faster
    most, least = (band.reshape(across, across, _BLOCK, 3) for band in (bands.max(1), bands.min(1)))
    spread = most.max(2).astype(int) - least.min(2)
    tones = pixels.astype(np.float32) @ np.full(3, 1 / 3, dtype=np.float32)
    counts = np.sort(np.bincount((tones.ravel() * (_TONES / 256)).astype(int), minlength=_TONES))
    centered = tones - tones.mean()
    variance = float(np.vdot(centered, centered)) / tones.size
    neighbors = float(np.einsum("ij,ij->", centered[:, 1:], centered[:, :-1])) / (tones.size - len(tones))
    return {
        "uniform": float((spread.max(-1) <= _UNIFORM).mean()),
        "flat": float((spread.max(-1) <= _FLAT).mean()),
        "common_tones": float(counts[-2:].sum() / tones.size),
        "rough": max(0.0, 1 - neighbors / variance) if variance > 1 else 0.0,
    }
