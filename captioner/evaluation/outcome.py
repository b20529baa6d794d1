"""The results of an evaluation, independent of how they are shown."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self

from captioner.datasets import CaptionedPhoto, CaptionedPhotos, count_and_first
from captioner.evaluation.language import Wording, novel_share, wording
from captioner.evaluation.reliability import (
    ConfidenceGroup,
    close_to_people,
    confidence_groups,
    expected_calibration_error,
    rank_correlation,
    roc_area,
)
from captioner.evaluation.scores import METRICS, Scores
from captioner.text import ptb_tokenize

# Five or more Thai, Lao, Tibetan, Burmese, Khmer, Japanese, or Chinese characters in a row; names are shorter.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]{5,}"
)


@dataclass(frozen=True)
class KnownCaptions:
    """Known captions: a caption is novel if it is not among them.

    Attributes:
        source: description for reports: "the 30,000 training captions of dataset.json".
        captions: the captions as written.
    """

    source: str
    captions: tuple[str, ...]

    @classmethod
    def of_training(cls, data: CaptionedPhotos, *, whole: bool = False) -> Self | None:
        """The captions of the training split, which a model may have memorized; None if there are none.

        Args:
            data: photos with their splits.
            whole: use all photos if there is no training split.
        """
        training = [photo for photo in data if photo.split in {"train", "restval"}]
        captions = tuple(caption for photo in training or (data if whole else ()) for caption in photo.captions)
        return cls(f"the {len(captions):,} training captions of {data.source}", captions) if captions else None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Captions of P photos and their scores.

    Attributes:
        photos: the P scored photos.
        captions: photo id → caption.
        scores: scores of these captions, with photos in the same order.
        settings: what was evaluated and how, as JSON types.
        known: captions that do not count as novel.
        confidences: photo id → the model's confidence in [0, 1]; empty if there was no model.
        beam_sizes: beam size → scores on the same photos, if several were evaluated.
        meteor: METEOR in [0, 1], if requested.
    """

    photos: tuple[CaptionedPhoto, ...]
    captions: Mapping[str, str]
    scores: Scores[str]
    settings: Mapping[str, Any]
    known: KnownCaptions
    confidences: Mapping[str, float] = field(default_factory=dict)
    beam_sizes: Mapping[int, Scores[str]] = field(default_factory=dict)
    meteor: float | None = None

    @cached_property
    def tokens(self) -> list[list[str]]:
        """Tokens of the captions, in the order of the photos."""
        return [ptb_tokenize(self.captions[photo.id]) for photo in self.photos]

    @property
    def empty(self) -> list[str]:
        """Ids of photos whose caption has no tokens."""
        return [photo.id for photo, tokens in zip(self.photos, self.tokens, strict=True) if not tokens]

    @property
    def remarks(self) -> list[str]:
        """Warnings about how to read the scores, one or two sentences each."""
        found = []
        photos = f"of {len(self.photos):,}"
        if self.empty:
            found.append(f"{count_and_first(self.empty, 'photo')} {photos} with an empty caption, which scores 0.")
        bare = [photo.id for photo in self.photos if not all(map(ptb_tokenize, photo.captions))]
        if bare:
            found.append(f"{count_and_first(bare, 'photo')} {photos} with an empty reference, which lowers CIDEr.")
        if len(self.photos) == 1:
            found.append(
                "CIDEr is always 0 for a single photo, because it weights words by how few photos they describe; "
                "score several photos, or use BLEU and ROUGE-L."
            )
        unspaced = [photo.id for photo in self.photos if any(map(_UNSPACED.search, photo.captions))]
        if unspaced:
            found.append(
                f"{count_and_first(unspaced, 'photo')} {photos} with references in a script without spaces, "
                "where a whole clause counts as one word; put spaces between words in captions and references."
            )
        return found

    @cached_property
    def reference_tokens(self) -> list[list[str]]:
        """Tokens of all references, in the order of the photos."""
        return [ptb_tokenize(caption) for photo in self.photos for caption in photo.captions]

    @cached_property
    def wordings(self) -> dict[str, Wording]:
        """Statistics of the wording of the captions and of the references."""
        return {"captions": wording(self.tokens), "references": wording(self.reference_tokens)}

    @cached_property
    def novel(self) -> float:
        """Fraction of captions, in [0, 1], that are not identical to a known caption."""
        return novel_share(self.tokens, [ptb_tokenize(caption) for caption in self.known.captions])

    @cached_property
    def groups(self) -> list[ConfidenceGroup]:
        """Points of the reliability plot, with CIDEr as the score; empty without confidences."""
        return confidence_groups(*self._confidence_and_cider()) if self.confidences else []

    @cached_property
    def confidence_rank_correlation(self) -> float | None:
        """Spearman rank correlation of confidence and CIDEr; None without confidences."""
        return rank_correlation(*self._confidence_and_cider()) if self.confidences else None

    @cached_property
    def close(self) -> list[bool]:
        """Whether each caption is close to people's; empty if any photo has only one reference."""
        references = [[ptb_tokenize(caption) for caption in photo.captions] for photo in self.photos]
        if min(map(len, references)) < 2:
            return []
        return [bool(one) for one in close_to_people(references, self.tokens)]

    @cached_property
    def calibration(self) -> dict[str, float | None]:
        """How well confidence predicts that a caption is close to people's; empty if that is unknown."""
        if not (self.confidences and self.close):
            return {}
        confidences, _ = self._confidence_and_cider()
        return {
            "close_to_people": sum(self.close) / len(self.close),
            "expected_calibration_error": expected_calibration_error(confidences, self.close),
            "roc_area": roc_area(confidences, self.close),
        }

    @cached_property
    def close_groups(self) -> list[ConfidenceGroup]:
        """Points of the calibration plot, with the fraction of close captions as score; empty like `calibration`."""
        confidences, _ = self._confidence_and_cider() if self.calibration else ([], [])
        return confidence_groups(confidences, list(map(float, self.close))) if confidences else []

    def to_json(self) -> dict[str, Any]:
        """All results, with metrics named as in pycocoevalcap; results that were not requested are left out."""
        found: dict[str, Any] = self.scores.to_json()
        if self.meteor is not None:
            found["METEOR"] = self.meteor
        if self.beam_sizes:
            found["beam_sizes"] = {str(size): scores.to_json() for size, scores in self.beam_sizes.items()}
        if self.confidences:
            found["confidence"] = {
                "rank_correlation": self.confidence_rank_correlation,
                "groups": [asdict(group) for group in self.groups],
                **self.calibration,
            }
        found["language"] = {
            **{name: asdict(one) for name, one in self.wordings.items()},
            "novel": {"share": self.novel, "compared_with": self.known.source},
        }
        return found | {"settings": dict(self.settings)}

    def to_table(self) -> str:
        """The scores as a text table, ×100, with the number of photos."""
        lines = [f"{'':10}{'score':>8}   {'95 % interval':16}{'photos':>7}   (×100)"]
        for name, value in self.scores.as_dict().items():
            low, high = self.scores.confidence_intervals()[name]
            interval = f"{100 * low:.1f} to {100 * high:.1f}"
            lines.append(f"{name:10}{100 * value:8.1f}   {interval:16}{self.scores.images:7,}")
        if self.meteor is not None:
            lines.append(f"{'METEOR':10}{100 * self.meteor:8.1f}   {'':16}{self.scores.images:7,}")
        if self.beam_sizes:
            lines += ["", f"{'beam size':10}" + "".join(f"{name:>9}" for name in METRICS) + f"{'photos':>9}"]
            for size, scores in self.beam_sizes.items():
                row = "".join(f"{100 * value:9.1f}" for value in scores.as_dict().values())
                lines.append(f"{size:<10}{row}{scores.images:9,}")
        return "\n".join(lines)

    def _confidence_and_cider(self) -> tuple[list[float], list[float]]:
        cider = self.scores.per_image[:, METRICS.index("CIDEr")].tolist()
        return [self.confidences[photo.id] for photo in self.photos], cider
