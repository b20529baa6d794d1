"""Calibrated confidence of a caption, estimated from the beam search and from the picture.

It is the probability that a caption is close to people's, which means that its CIDEr-D against their captions reaches
the 25th percentile of what people's own captions score against each other. It is the product of two logistic
regressions: one on signals of the search, and one on the texture of the picture, which estimates whether it is a photo.
`python -m train calibrate` fits both on validation photos and stores them in the checkpoint.
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
"""By name, what `signals_of_search` and `signals_of_picture` give."""
SIGNALS_OF_SEARCH = ("mean_log_prob", "least_log_prob", "tokens", "gain")
SIGNALS_OF_PICTURE = ("uniform", "flat", "common_tones", "rough")
_BLOCK = 8  # pixels
_UNIFORM, _FLAT = 1, 6  # largest difference within a block, on a scale of 255
_TONES = 64


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Logistic:
    """A logistic regression.

    Attributes:
        bias: log-odds if all signals are 0.
        weights: signal → change of the log-odds per unit.
    """

    bias: float
    weights: dict[str, float]

    def probability(self, signals: Mapping[str, float]) -> float:
        """The probability, in (0, 1)."""
        log_odds = self.bias + sum(weight * signals[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, log_odds))))


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Calibration:
    """Converts signals to a confidence; stored in a checkpoint.

    Attributes:
        close: probability that the caption of a photo is close to people's.
        photo: probability that a picture is a photo, rather than a plain color, drawing, chart, text or noise.
        measured: results of cross-validation: `ece`, the expected calibration error; `auc`, the area under the ROC
            curve; `auc_before`, that of the mean token probability; `photos`; `rate`, the fraction of close captions.
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
        """The probability in [0, 1] that the picture is a photo and its caption is close to people's.

        Args:
            search: from `signals_of_search`.
            picture: from `signals_of_picture`.
        """
        return self.close.probability(search) * self.photo.probability(picture)


def signals_of_search(hypothesis: "Hypothesis", log_prob_unseen: float) -> dict[str, float]:
    """Compute the signals of the search about its caption.

    Args:
        hypothesis: the caption.
        log_prob_unseen: natural logarithm of the caption's probability without the picture.

    Returns:
        Values for `SIGNALS_OF_SEARCH`: the mean and the minimum log-probability of the tokens, including the end; the
        number of tokens; and the pointwise mutual information of picture and caption, per token.
    """
    steps = hypothesis.steps
    return {
        "mean_log_prob": hypothesis.log_prob / len(steps),
        "least_log_prob": min(steps),
        "tokens": float(len(steps)),
        "gain": (hypothesis.log_prob - log_prob_unseen) / len(steps),
    }


def signals_of_picture(pixels: "NDArray[np.uint8]") -> dict[str, float]:
    """Compute signals that distinguish photos from other pictures.

    Args:
        pixels: (S, S, 3), RGB, S at least 16.

    Returns:
        Values for `SIGNALS_OF_PICTURE`, each in [0, 1]: the fraction of 8 × 8 blocks of a single color, as in drawings;
        the fraction of nearly uniform blocks, as also in skies; the fraction of the two most common of 64 tones; and
        1 minus the correlation of neighboring pixels, which is about 1 for noise and 0.05 for photos.
    """
    import numpy as np

    across = len(pixels) // _BLOCK
    size = across * _BLOCK
    bands = pixels[:size, :size].reshape(across, _BLOCK, size, 3)  # reducing along whole rows first is faster
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
