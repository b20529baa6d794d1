"""How good a translator is: sacreBLEU on Multi30k's test sets, and of whole captions against German ones people
wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from captioner import datasets
from captioner.datasets import CaptionedPhoto
from captioner.errors import UsageError
from captioner.predict import Captioner
from captioner.translation.translator import Translator
from train.record import record_scores
from train.sentences.multi30k import read_descriptions
from train.sentences.pairs import find_lines, photo_number, read_pairs
from train.sentences.task import translate

TEST_SETS = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")


@dataclass(frozen=True)
class Score:
    """One row of the table.

    Attributes:
        data: what was translated.
        language: into what.
        sentences: how many.
        cased: sacreBLEU as it is by default, 0 to 100.
        lower: the same of lower-cased text, as the field's older papers have it.
        signatures: of `cased` and of `lower`, sacreBLEU's.
    """

    data: str
    language: str
    sentences: int
    cased: float
    lower: float
    signatures: tuple[str, str]


def score_translations(translator: Translator, root: Path) -> list[Score]:
    """Scores on the test sets that are there, in all languages that the model and the set have.

    Args:
        translator: the model.
        root: Multi30k's `task1`.

    Raises:
        UsageError: sacreBLEU is not installed, or there is no test set.
    """
    scores = []
    for name in TEST_SETS:
        for language in translator.languages:
            if not find_lines(root, f"{name}.{language}"):
                continue
            pairs = read_pairs(root, name, [language])
            written = translate(translator, [pair.source for pair in pairs], language)
            scores.append(_score(name, language, written, [[pair.targets[language] for pair in pairs]]))
    if not scores:
        raise UsageError(f"{root}: none of the test sets {', '.join(TEST_SETS)} is there.")
    return scores


def score_captions(captioner: Captioner, translator: Translator, root: Path, photos: Path) -> Score:
    """Score of photo → English caption → German against five German captions, which people wrote without the English.

    Args:
        captioner: the one model.
        translator: the other.
        root: Multi30k's `task2`.
        photos: directory of Flickr8k; its test photos that have German captions are captioned.
    """
    german = read_descriptions(root)
    wanted = [photo for photo in _test_photos(photos) if photo_number(photo.file) in german]
    english = []
    for start in tqdm(range(0, len(wanted), 16), "captions", unit="batch"):
        files = [photos / "images" / photo.file for photo in wanted[start : start + 16]]
        english += [caption.text for caption in captioner.caption_batch(files)]
    written = translate(translator, english, "de")
    references = [german[photo_number(photo.file)] for photo in wanted]
    return _score("photos, five captions each", "de", written, list(map(list, zip(*references, strict=True))))


def record(directory: Path, scores: Sequence[Score]) -> None:
    """Write scores into a checkpoint's `config.json`; see `record_scores`."""
    for one in scores:
        measures = {"BLEU": one.cased / 100, "BLEU_lower_case": one.lower / 100}
        record_scores(directory, f"{one.data}, {one.language}", measures)


def to_table(scores: Sequence[Score]) -> str:
    """The scores in Markdown, with the signatures of both columns below."""
    lines = ["| data | language | sentences | BLEU, cased | BLEU, lower case |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.data} | {one.language} | {one.sentences:,} | {one.cased:.1f} | {one.lower:.1f} |" for one in scores
    ]
    signatures = [
        f"sacreBLEU signature, {column}: {signature}"
        for column, found in zip(
            ("cased", "lower case"), zip(*(one.signatures for one in scores), strict=True), strict=True
        )
        for signature in sorted(set(found))
    ]
    return "\n".join([*lines, "", *signatures])


def _score(data: str, language: str, written: list[str], references: list[list[str]]) -> Score:
    bleu = _sacrebleu()
    cased, lower = bleu(), bleu(lowercase=True)
    return Score(
        data,
        language,
        len(written),
        cased.corpus_score(written, references).score,
        lower.corpus_score(written, references).score,
        (str(cased.get_signature()), str(lower.get_signature())),
    )


def _sacrebleu() -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise UsageError("scores of translations need sacrebleu; install it with: pip install sacrebleu.") from None
    return BLEU


def _test_photos(photos: Path) -> list[CaptionedPhoto]:
    return list(datasets.read(photos).select("test"))
