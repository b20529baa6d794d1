"""Score a translator with sacreBLEU: on Multi30k's test sets, and on translated captions against German references."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from captioner import datasets
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
        data: name of the test set.
        language: target language.
        sentences: number of sentences.
        cased: sacreBLEU with its defaults, in [0, 100].
        lower: the same on lower-cased text, as older papers report it.
        signatures: sacreBLEU's signatures of `cased` and `lower`.
    """

    data: str
    language: str
    sentences: int
    cased: float
    lower: float
    signatures: tuple[str, str]


def score_translations(translator: Translator, root: Path) -> list[Score]:
    """Scores on all available test sets, in all languages that both the model and the set have.

    Args:
        translator: translator to score.
        root: Multi30k's `task1`.

    Raises:
        UsageError: sacreBLEU is not installed, or no test set is found.
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
        raise UsageError(f"{root}: contains none of the test sets {', '.join(TEST_SETS)}.")
    return scores


def score_captions(captioner: Captioner, translator: Translator, root: Path, photos: Path) -> Score:
    """Score photo → English caption → German against five German captions that people wrote independently.

    Args:
        captioner: writes the English captions.
        translator: translates them.
        root: Multi30k's `task2`.
        photos: directory of Flickr8k; its test photos with German captions are used.
    """
    german = read_descriptions(root)
    wanted = [photo for photo in datasets.read(photos).select("test") if photo_number(photo.file) in german]
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
    """The scores as a Markdown table, followed by the signatures of both columns."""
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
        raise UsageError("scoring translations needs sacrebleu; install it with: pip install sacrebleu.") from None
    return BLEU
