"""How far a caption can be believed: a calibrated probability from what the search knows and from the picture itself.

A caption counts as close to people's where its CIDEr-D against their captions is at least what the lowest quarter of
people's own captions reach against the others'. The probability of that is a logistic regression on signals of the
search, times the probability that the picture is a photo at all, a second regression on how flat and how rough it is.
Both are fitted by `python -m train calibrate` on validation photos, and travel in the checkpoint.
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
_UNIFORM, _FLAT = 1, 6  # greatest difference within a block, of 255
_TONES = 64


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Logistic:
    """A logistic regression.

    Attributes:
        bias: log-odds where all signals are 0.
        weights: by signal, what one unit of it adds to the log-odds.
    """

    bias: float
    weights: dict[str, float]

    def probability(self, signals: Mapping[str, float]) -> float:
        """In (0, 1)."""
        log_odds = self.bias + sum(weight * signals[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, log_odds))))


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Calibration:
    """What turns signals into a confidence; a part of a checkpoint.

    Attributes:
        close: probability that the caption of a photo is close to people's.
        photo: probability that a picture is a photo, and no plain color, drawing, chart, text or noise.
        measured: how well it does by cross-validation, for people: `ece`, the expected calibration error; `auc`, the
            area under the ROC curve; `auc_before`, that of the mean token probability; `photos`; `rate`, the share of
            captions that are close.
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
        """Probability in [0, 1] that the picture is a photo and its caption close to people's.

        Args:
            search: from `signals_of_search`.
            picture: from `signals_of_picture`.
        """
        return self.close.probability(search) * self.photo.probability(picture)


def signals_of_search(hypothesis: "Hypothesis", log_prob_unseen: float) -> dict[str, float]:
    """What the search knows about its sentence.

    Args:
        hypothesis: the sentence.
        log_prob_unseen: natural logarithm of the probability that the model gives the sentence without any picture.

    Returns:
        By name, as `SIGNALS_OF_SEARCH`: the mean and the least log-probability of a token, its end included; the number
        of tokens; and how much likelier, per token, the picture has made the sentence (its pointwise mutual
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
    """What tells a photo from a picture of nothing.

    Args:
        pixels: (S, S, 3), RGB, S at least 16.

    Returns:
        By name, as `SIGNALS_OF_PICTURE`, in [0, 1] each: the shares of 8 × 8 blocks that are of one color, as in
        drawings, and that are nearly so, as in skies too; the share of the two commonest of 64 tones; and 1 minus the
        correlation of neighboring pixels, which is about 1 in noise and 0.05 in photos.
    """
    import numpy as np

    across = len(pixels) // _BLOCK
    size = across * _BLOCK
    bands = pixels[:size, :size].reshape(across, _BLOCK, size, 3)  # reduced along whole rows first, which is fast
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
