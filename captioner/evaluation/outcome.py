"""What an evaluation found, before anybody decides how to show it."""

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

# Thai, Lao, Tibetan, Burmese, Khmer, Japanese and Chinese letters, more than stand in a name.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]{5,}"
)


@dataclass(frozen=True)
class KnownCaptions:
    """Captions that a new one is compared with to call it novel.

    Attributes:
        source: what they are, for people: "the 30,000 captions of the split train".
        captions: as they were written.
    """

    source: str
    captions: tuple[str, ...]

    @classmethod
    def of_training(cls, data: CaptionedPhotos, *, whole: bool = False) -> Self | None:
        """The captions of the training split, which a model may have learned by heart; None if there is none.

        Args:
            data: photos with their splits.
            whole: take all photos where none is of the training split.
        """
        training = [photo for photo in data if photo.split in {"train", "restval"}]
        captions = tuple(caption for photo in training or (data if whole else ()) for caption in photo.captions)
        return cls(f"the {len(captions):,} training captions of {data.source}", captions) if captions else None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Captions of P photos and their scores.

    Attributes:
        photos: the P photos that were really scored.
        captions: photo id → the caption scored.
        scores: of these captions, photos in the same order.
        settings: what was evaluated and how, JSON's types.
        known: what the share of novel captions is measured against.
        confidences: photo id → the model's confidence in [0, 1]; empty if there was no model.
        beam_sizes: beam size → scores of the same photos, if several were tried.
        meteor: in [0, 1], if it was asked for.
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
        """The captions' tokens, photo by photo."""
        return [ptb_tokenize(self.captions[photo.id]) for photo in self.photos]

    @property
    def empty(self) -> list[str]:
        """Ids of the photos whose caption has no token."""
        return [photo.id for photo, tokens in zip(self.photos, self.tokens, strict=True) if not tokens]

    @property
    def remarks(self) -> list[str]:
        """What to know before believing the scores, in sentences; nothing where nothing is special."""
        found = []
        photos = f"of {len(self.photos):,}"
        if self.empty:
            found.append(f"{count_and_first(self.empty, 'photo')} {photos} with an empty caption, which scores 0.")
        bare = [photo.id for photo in self.photos if not all(map(ptb_tokenize, photo.captions))]
        if bare:
            found.append(f"{count_and_first(bare, 'photo')} {photos} with an empty reference, which lowers CIDEr.")
        if len(self.photos) == 1:
            found.append(
                "CIDEr of one photo is 0 by its definition: words count by how few of the photos have them. "
                "Score several photos, or look at BLEU and ROUGE-L."
            )
        unspaced = [photo.id for photo in self.photos if any(map(_UNSPACED.search, photo.captions))]
        if unspaced:
            found.append(
                f"{count_and_first(unspaced, 'photo')} {photos} with references in a script without spaces: words "
                "are not "
                "told apart there, and a whole clause counts as one word. Put spaces between words on both sides."
            )
        return found

    @cached_property
    def reference_tokens(self) -> list[list[str]]:
        """The tokens of all references, one photo's after the other's."""
        return [ptb_tokenize(caption) for photo in self.photos for caption in photo.captions]

    @cached_property
    def wordings(self) -> dict[str, Wording]:
        """How the captions are worded, and how people worded theirs of the same photos."""
        return {"captions": wording(self.tokens), "references": wording(self.reference_tokens)}

    @cached_property
    def novel(self) -> float:
        """Share of captions, in [0, 1], that are not word for word among the known ones."""
        return novel_share(self.tokens, [ptb_tokenize(caption) for caption in self.known.captions])

    @cached_property
    def groups(self) -> list[ConfidenceGroup]:
        """The reliability plot's points, scores being CIDEr; empty without confidences."""
        return confidence_groups(*self._confidence_and_cider()) if self.confidences else []

    @cached_property
    def confidence_rank_correlation(self) -> float | None:
        """Of confidence and CIDEr; None without confidences."""
        return rank_correlation(*self._confidence_and_cider()) if self.confidences else None

    @cached_property
    def close(self) -> list[bool]:
        """Photo by photo, whether its caption is close to people's; empty where a photo has a single caption by
        people.
        """
        references = [[ptb_tokenize(caption) for caption in photo.captions] for photo in self.photos]
        if min(map(len, references)) < 2:
            return []
        return [bool(one) for one in close_to_people(references, self.tokens)]

    @cached_property
    def calibration(self) -> dict[str, float | None]:
        """How far the confidences are the shares of captions that are close to people's; empty where that is not
        known.
        """
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
        """The calibration plot's points, scores being shares of captions close to people's; empty like
        `calibration`.
        """
        confidences, _ = self._confidence_and_cider() if self.calibration else ([], [])
        return confidence_groups(confidences, list(map(float, self.close))) if confidences else []

    def to_json(self) -> dict[str, Any]:
        """All figures, under pycocoevalcap's names; what was not asked for has no key."""
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
        """The scores for people, ×100, the number of photos beside each."""
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
