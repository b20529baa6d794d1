"""Calibrate a model's confidence on validation photos; see `captioner.confidence`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from numpy.typing import NDArray
from tqdm import tqdm

from captioner import checkpoint
from captioner.confidence import SIGNALS_OF_PICTURE, SIGNALS_OF_SEARCH, Calibration, Logistic, signals_of_picture
from captioner.config import to_mapping
from captioner.evaluation.reliability import close_to_people, expected_calibration_error, roc_area
from captioner.images import to_pixels
from captioner.predict import Captioner, PreparedPhoto
from captioner.text import ptb_tokenize
from train.photos.config import DataSettings
from train.photos.data import PhotoSet, load_photos, read_splits
from train.photos.pictures import draw_pictures

FOLDS = 10
PENALTY = 1e-3  # on squared weights of standardized signals; keeps the weights of separable classes finite
NOTHING = 0.1  # expected number of non-photos per photo
AT_ONCE = 50


@dataclass(frozen=True)
class Measured:
    """Signals and outcomes for one set of P photos.

    Attributes:
        search: (P, signals).
        picture: (P, signals).
        close: (P,), whether each caption is close to captions by people.
    """

    search: NDArray[np.float64]
    picture: NDArray[np.float64]
    close: NDArray[np.bool_]


def calibrate(name: str, data: DataSettings) -> Calibration:
    """Calibrate the confidence of a checkpoint and write the coefficients into its `config.json`.

    Args:
        name: checkpoint directory or embedded model.
        data: settings whose validation photos and further validation files are used; each set has the same weight.

    Returns:
        The calibration, with figures from cross-validation.

    Raises:
        UsageError: there are no validation photos, or one of them has a single caption.
        ModelError: there is no such checkpoint.
    """
    model = Captioner.load(name, precision="float32")  # the same signals on all processors
    sets = [_measure(model, photos) for photos in _photos(model, data)]
    calibration = fit(sets, _pictures_of_nothing(model.checkpoint.config.image.size))
    checkpoint.update(checkpoint.find(name), "confidence", to_mapping(calibration))
    return calibration


def fit(sets: Sequence[Measured], nothing: NDArray[np.float64]) -> Calibration:
    """Fit both regressions, and evaluate the first by ten-fold cross-validation.

    Args:
        sets: captioned photos; each set has the same weight.
        nothing: (Q, signals) of pictures that are not photos.
    """
    search, close = np.concatenate([one.search for one in sets]), np.concatenate([one.close for one in sets])
    picture = np.concatenate([one.picture for one in sets])
    weights = np.concatenate([np.full(len(one.close), 1 / len(one.close)) for one in sets])
    fold = np.random.default_rng(0).permutation(len(close)) % FOLDS
    held_out = np.zeros(len(close))
    for number in range(FOLDS):
        learned, asked = fold != number, fold == number
        model = fit_logistic(search[learned], close[learned], weights[learned], SIGNALS_OF_SEARCH)
        held_out[asked] = [model.probability(_named(row, SIGNALS_OF_SEARCH)) for row in search[asked]]
    errors, areas = [], []
    for part in np.split(np.arange(len(close)), np.cumsum([len(one.close) for one in sets])[:-1]):
        errors.append(expected_calibration_error(held_out[part].tolist(), close[part].tolist()))
        areas.append((roc_area(held_out[part].tolist(), close[part].tolist()), _area_before(search[part], close[part])))
    odds = np.concatenate([np.full(len(picture), 1 / len(picture)), np.full(len(nothing), NOTHING / len(nothing))])
    is_photo = np.arange(len(odds)) < len(picture)
    return Calibration(
        close=fit_logistic(search, close, weights, SIGNALS_OF_SEARCH),
        photo=fit_logistic(np.concatenate([picture, nothing]), is_photo, odds, SIGNALS_OF_PICTURE),
        measured={
            "photos": len(close),
            "rate": round(float(close.mean()), 4),
            "ece": round(expected_calibration_error(held_out.tolist(), close.tolist()), 4),
            "auc": round(roc_area(held_out.tolist(), close.tolist()) or 0.0, 4),
            "auc_before": round(_area_before(search, close) or 0.0, 4),
            **{f"ece_{number}": round(error, 4) for number, error in enumerate(errors)},
            **{f"auc_{number}": round(after or 0.0, 4) for number, (after, _) in enumerate(areas)},
            **{f"auc_before_{number}": round(before or 0.0, 4) for number, (_, before) in enumerate(areas)},
        },
    )


def fit_logistic(
    signals: NDArray[np.float64], labels: NDArray[np.bool_], weights: NDArray[np.float64], names: Sequence[str]
) -> Logistic:
    """Logistic regression with weighted cross-entropy and a small L2 penalty.

    Args:
        signals: (P, S).
        labels: (P,).
        weights: (P,), weight of each row.
        names: names of the S signals.
    """
    center, scale = signals.mean(0), np.maximum(signals.std(0), 1e-9)
    inputs, wanted = torch.tensor((signals - center) / scale), torch.tensor(labels, dtype=torch.float64)
    share = torch.tensor(weights / weights.sum())
    found = torch.zeros(len(names) + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([found], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        said = inputs @ found[1:] + found[0]
        value = (share * F.binary_cross_entropy_with_logits(said, wanted, reduction="none")).sum()
        value = value + PENALTY * (found[1:] ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    intercept, *_ = solution = found.detach().numpy()
    slopes = solution[1:] / scale
    return Logistic(
        bias=round(float(intercept - slopes @ center), 6),
        weights={name: round(float(slope), 6) for name, slope in zip(names, slopes, strict=True)},
    )


def _area_before(search: NDArray[np.float64], close: NDArray[np.bool_]) -> float | None:
    return roc_area(search[:, SIGNALS_OF_SEARCH.index("mean_log_prob")].tolist(), close.tolist())


def _named(row: NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    return dict(zip(names, row.tolist(), strict=True))


def _row(signals: Mapping[str, float], names: Sequence[str]) -> list[float]:
    return [signals[name] for name in names]


def _photos(model: Captioner, data: DataSettings) -> list[PhotoSet]:
    splits = read_splits(data, [])
    size, images = model.checkpoint.config.image.size, Path(data.root) / "images"
    return [
        load_photos(photos, images, size=size, cache=Path(data.cache), name=name)
        for name, photos in splits.items()
        if name != "train"
    ]


def _measure(model: Captioner, photos: PhotoSet) -> Measured:
    """Caption photos and compare the captions with those by people."""
    search, picture, captions = [], [], []
    for start in tqdm(range(0, len(photos), AT_ONCE), "captions", unit="batch"):
        some = [
            PreparedPhoto(pixels=np.array(pixels), width=len(pixels), height=len(pixels))
            for pixels in photos.pixels[start : start + AT_ONCE]
        ]
        for text, (of_search, of_picture) in model.signals(some):
            captions.append(ptb_tokenize(text))
            search.append(_row(of_search, SIGNALS_OF_SEARCH))
            picture.append(_row(of_picture, SIGNALS_OF_PICTURE))
    references = [[ptb_tokenize(caption) for caption in photo.captions] for photo in photos.photos]
    return Measured(np.array(search), np.array(picture), close_to_people(references, captions))


def _pictures_of_nothing(size: int) -> NDArray[np.float64]:
    pictures = (signals_of_picture(to_pixels(picture, size)) for picture in draw_pictures(seed=1))
    return np.array([_row(one, SIGNALS_OF_PICTURE) for one in pictures])
