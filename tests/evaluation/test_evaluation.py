"""BLEU, ROUGE-L and CIDEr-D against hand calculations, the published demo, and pycocoevalcap if it is installed."""

import json
import math
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from captioner import datasets
from captioner.datasets import read_results
from captioner.errors import UsageError
from captioner.evaluation.bleu import BleuStatistics, bleu, bleu_statistics
from captioner.evaluation.cider import CiderD
from captioner.evaluation.rouge import longest_common_subsequence, rouge_l
from captioner.evaluation.scores import METRICS, resampled_scores, score

WORDS = "a dog cat man runs sits on the grass red".split()  # noqa: SIM905 - reads better


def tokens(*captions: str) -> list[list[str]]:
    return [caption.split() for caption in captions]


def random_captions(
    seed: int, photos: int, longest: int = 9
) -> tuple[dict[int, list[str]], dict[int, list[list[str]]]]:
    rng = random.Random(seed)

    def caption() -> list[str]:
        return [rng.choice(WORDS) for _ in range(rng.choice([0, 1, 2, 3, longest]))]

    candidates = {photo: caption() for photo in range(photos)}
    return candidates, {photo: [caption() for _ in range(rng.randint(1, 5))] for photo in range(photos)}


# ---------------------------------------------------------------------------------------------------------------- BLEU


def test_published_demo() -> None:
    demo = BleuStatistics(
        matches=np.array([5732.0, 2510, 1043, 423]),
        guesses=np.array([9893.0, 8893, 7893, 6893]),
        candidate_length=np.array(9893.0),
        reference_length=np.array(9855.0),
    )
    assert np.round(bleu(demo), 3).tolist() == [0.579, 0.404, 0.279, 0.191]


def test_bleu_counts() -> None:
    found = bleu_statistics(
        tokens("a dog runs", "the the the", "dog", ""),
        [tokens("a dog runs fast", "the dog"), tokens("the cat"), tokens("a dog"), tokens("a", "a b")],
    )
    assert found.matches.tolist() == [[3, 2, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    # nltk alone gives a precision of 1 for n-grams that a short caption cannot have.
    assert found.guesses.tolist() == [[3, 2, 1, 0], [3, 2, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert found.candidate_length.tolist() == [3, 3, 1, 0]
    assert found.reference_length.tolist() == [2, 2, 2, 1]  # the shorter of two equally close lengths


def test_clipping_takes_the_reference_with_most() -> None:
    found = bleu_statistics(tokens("a a a b"), [tokens("a a c", "a b b")])
    assert found.matches[0, 0] == 3  # a twice, from the first; b once, from the second


def test_bleu_by_hand() -> None:
    candidates = tokens("a dog runs", "a cat on the red grass")
    references = [tokens("a dog runs on grass"), tokens("a cat on the grass")]
    # Matches 3 + 5, 2 + 3, 1 + 2, 0 + 1 of guesses 3 + 6, 2 + 5, 1 + 4, 0 + 3; 9 words against 10.
    penalty = math.exp(1 - 10 / 9)
    expected = [
        penalty * 8 / 9,
        penalty * (8 / 9 * 5 / 7) ** (1 / 2),
        penalty * (8 / 9 * 5 / 7 * 3 / 5) ** (1 / 3),
        penalty * (8 / 9 * 5 / 7 * 3 / 5 * 1 / 3) ** (1 / 4),
    ]
    assert bleu(bleu_statistics(candidates, references).total()) == pytest.approx(expected, abs=1e-8)


def test_bleu_without_matches_is_nearly_nothing_and_silent() -> None:
    nothing = bleu(bleu_statistics(tokens("a b c d e"), [tokens("v w x y z")]).total())
    assert nothing == pytest.approx([1e-15 / (math.perm(5, n) * 1.0) ** (1 / n) for n in range(1, 5)], rel=1e-6)
    # Three words have no four in a row: 1e-15 of 1e-9, as coco-caption has it.
    assert bleu(bleu_statistics(tokens("a b c"), [tokens("a b c")]).total())[3] == pytest.approx(
        1e-6 ** (1 / 4), rel=1e-6
    )
    assert bleu(bleu_statistics(tokens(""), [tokens("a")]).total()).tolist() == [0, 0, 0, 0]


def test_bleu_agrees_with_nltk_where_nltk_agrees_with_coco() -> None:
    from nltk.translate.bleu_score import corpus_bleu

    rng = random.Random(3)
    candidates = [[rng.choice(WORDS[:4]) for _ in range(rng.randint(4, 12))] for _ in range(50)]
    references = [[[rng.choice(WORDS[:4]) for _ in range(rng.randint(4, 12))] for _ in range(5)] for _ in candidates]
    ours = bleu(bleu_statistics(candidates, references).total())
    for n in range(1, 5):
        assert ours[n - 1] == pytest.approx(corpus_bleu(references, candidates, [1 / n] * n), abs=1e-8)


# ------------------------------------------------------------------------------------------------------------- ROUGE-L


@pytest.mark.parametrize(
    ("first", "second", "length"),
    [
        ("", "", 0),
        ("a", "", 0),
        ("a b c", "a b c", 3),
        ("a b c", "c b a", 1),
        ("a x b y c", "a b c", 3),
        ("a a b", "a b b", 2),
    ],
)
def test_longest_common_subsequence(first: str, second: str, length: int) -> None:
    assert longest_common_subsequence(first.split(), second.split()) == length
    assert longest_common_subsequence(second.split(), first.split()) == length


def test_rouge_by_hand() -> None:
    one = 2.44 * (2 / 3) * (2 / 4) / (2 / 4 + 1.44 * 2 / 3)
    assert rouge_l(["a", "dog", "runs"], tokens("a cat runs fast")) == pytest.approx(one, abs=1e-12)
    # The best precision comes from the first reference, the best recall from the second.
    both = 2.44 * (2 / 3) * 1 / (1 + 1.44 * 2 / 3)
    assert rouge_l(["a", "dog", "runs"], tokens("a cat runs fast", "dog")) == pytest.approx(both, abs=1e-12)
    assert rouge_l(["a", "dog"], tokens("a dog")) == pytest.approx(1)
    assert rouge_l(["a", "dog"], tokens("two cats")) == 0


def test_rouge_of_nothing() -> None:
    assert rouge_l([], tokens("a dog")) == 0
    assert rouge_l(["a"], [[]]) == 0
    assert rouge_l([], [[], ["a"]]) == pytest.approx(1)  # as in coco-caption: both are empty


# ------------------------------------------------------------------------------------------------------------- CIDEr-D

REFERENCES = {"A": tokens("a b"), "B": tokens("a c")}  # a: in both photos, so worth nothing; b, c, "a b": log 2


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ("a b", 10 * 2 / 4),  # n = 1 and n = 2 match, there is no n = 3 and 4
        ("b", 10 * 1 / 4 * math.exp(-1 / 72)),  # one bigram fewer
        ("a b d", 10 * (2 / math.sqrt(2)) / 4 * math.exp(-1 / 72)),
        ("b b", 10 * (1 / 2) / 4),  # the second b is clipped but lengthens the vector
        ("a c", 0),
        ("d", 0),
        ("", 0),
    ],
)
def test_cider_by_hand(candidate: str, expected: float) -> None:
    scores = CiderD(REFERENCES).score({"A": candidate.split(), "B": ["b"]})
    assert scores == pytest.approx([expected, 0], abs=1e-12)


def test_cider_is_the_mean_over_references() -> None:
    cider = CiderD({"A": tokens("a b", "z"), "B": tokens("a c")})
    penalty = math.exp(-1 / 72)
    assert cider.score({"A": ["z"]}) == pytest.approx([10 * (1 / 4) / 2], abs=1e-12)
    assert cider.score({"A": ["b"]}) == pytest.approx([10 * (1 / 4) * penalty / 2], abs=1e-12)


def test_cider_counts_photos_not_captions() -> None:
    assert CiderD({"A": tokens("b", "b"), "B": tokens("c")}).score({"A": ["b"]}) == pytest.approx([10 / 4])


def test_cider_weighs_unknown_words_as_rare_ones() -> None:
    cider = CiderD({"A": tokens("b", "a"), "B": tokens("a")})
    assert cider.score({"A": ["b", "d"]}) == pytest.approx([10 / math.sqrt(2) / 4 * math.exp(-1 / 72) / 2])


def test_cider_scores_a_photo_as_often_as_asked() -> None:
    cider = CiderD(REFERENCES)
    pairs = [("B", ["a", "c"]), ("A", ["a", "b"]), ("B", ["a", "b"])]
    assert cider.score(pairs) == pytest.approx([5, 5, 0])
    assert cider.score(pairs) == pytest.approx([5, 5, 0])
    assert cider.score([]).shape == (0,)


def test_cider_of_one_photo_is_zero() -> None:
    assert CiderD({"A": tokens("a b")}).score({"A": ["a", "b"]}) == pytest.approx(
        [0]
    )  # log 1: every word is in every photo
    assert CiderD({"A": [[]]}).score({"A": []}) == pytest.approx([0])


def test_cider_refuses_photos_without_references() -> None:
    with pytest.raises(UsageError, match="at least one reference"):
        CiderD({"A": []})
    with pytest.raises(UsageError, match="at least one photo"):
        CiderD({})
    with pytest.raises(UsageError, match=r"1 photos have no references \(first: 'C'\)"):
        CiderD(REFERENCES).score({"A": ["a"], "C": ["a"]})


# ----------------------------------------------------------------------------------------------------------- all scores

SENTENCES = {
    "one.jpg": ["A dog runs on the grass.", "The dog's running!", "A brown dog runs."],
    "two.jpg": ["Two men sit on a bench.", "Men sitting (outside).", "People rest on a bench"],
    "three.jpg": ["A red bus drives by.", "The bus is red", "A bus on a city street."],
}
PREDICTIONS = {"two.jpg": "Two men sit.", "one.jpg": "A dog runs.", "three.jpg": ""}


def test_score_puts_everything_together() -> None:
    scores = score(PREDICTIONS, SENTENCES)
    assert scores.images == 3
    assert scores.photos == tuple(SENTENCES)
    assert set(scores.as_dict()) == set(METRICS)
    photo = scores.by_photo()
    assert photo["three.jpg"] == dict.fromkeys(METRICS, 0.0)
    assert photo["one.jpg"]["Bleu_3"] == pytest.approx(
        1 * math.exp(1 - 4 / 3), abs=1e-6
    )  # the closest reference has four
    means = {name: np.mean([photo[key][name] for key in SENTENCES]) for name in ("ROUGE_L", "CIDEr")}
    assert {name: scores.as_dict()[name] for name in means} == pytest.approx(means)
    data = json.loads(json.dumps(scores.to_json()))
    assert set(data) == {*METRICS, "images", "confidence_intervals"}
    for name, (low, high) in data["confidence_intervals"].items():
        assert 0 <= low <= data[name] <= high


def test_perfect_captions() -> None:
    scores = score({key: captions[0] for key, captions in SENTENCES.items()}, SENTENCES).as_dict()
    assert [scores[name] for name in METRICS[:5]] == pytest.approx([1] * 5)


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ({}, {}, "there are no photos to score."),
        ({}, {"a": ["x"], "b": ["x"]}, "2 photos (first: 'a', 'b') without a prediction."),
        ({1: "x", 2: "x"}, {1: ["x"]}, "predictions for 1 photo (first: 2) without references."),
        ({1: "x"}, {1: []}, "1 photo (first: 1) without a reference."),
        ({}, {n: ["x"] for n in range(9)}, "9 photos (first: 0, 1, 2)"),
        ({"1": "x"}, {1: ["x"]}, "1 photo (first: 1) without a prediction."),
    ],
)
def test_photos_must_be_the_same(
    predictions: dict[object, str], references: dict[object, list[str]], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        score(predictions, references)
    assert message in str(caught.value)


def test_a_resample_is_the_score_of_the_photos_drawn() -> None:
    scores = score(PREDICTIONS, SENTENCES)
    drawn = np.random.default_rng(5).multinomial(3, np.full(3, 1 / 3), size=20)
    samples = resampled_scores(scores.bleu_statistics, scores.per_image, resamples=20, seed=5)
    for row, times in zip(samples, drawn, strict=True):
        names = [name for name, count in zip(scores.photos, times, strict=True) for _ in range(count)]
        again = score(
            {number: PREDICTIONS[name] for number, name in enumerate(names)},
            {number: SENTENCES[name] for number, name in enumerate(names)},
            resamples=1,
        )
        assert row[:5] == pytest.approx(again.corpus[:5], abs=1e-12)  # BLEU and ROUGE-L; CIDEr keeps its frequencies
        assert row[5] == pytest.approx(np.mean([scores.by_photo()[name]["CIDEr"] for name in names]))


def test_intervals_are_reproducible_and_shrink() -> None:
    candidates, references = random_captions(0, 400)
    predictions = {key: " ".join(words) for key, words in candidates.items()}
    captions = {key: [" ".join(words) for words in choices] for key, choices in references.items()}
    many = score(predictions, captions)
    assert np.array_equal(many.intervals, score(predictions, captions).intervals)
    assert not np.array_equal(many.intervals, score(predictions, captions, seed=1).intervals)
    few = score({key: predictions[key] for key in range(40)}, {key: captions[key] for key in range(40)})
    width = np.diff(many.intervals)[:, 0] / np.diff(few.intervals)[:, 0]
    assert width[4] == pytest.approx(math.sqrt(40 / 400), rel=0.5)
    # ROUGE-L is a mean, whose interval is known without a bootstrap.
    deviation = many.per_image[:, 4].std() / math.sqrt(400)
    assert many.intervals[4] == pytest.approx(many.corpus[4] + np.array([-1.96, 1.96]) * deviation, abs=0.3 * deviation)


def test_resampling_in_pieces_changes_nothing_but_memory() -> None:
    candidates, references = random_captions(1, 3000)
    predictions = {key: " ".join(words) for key, words in candidates.items()}
    captions = {key: [" ".join(words) for words in choices] for key, choices in references.items()}
    scores = score(predictions, captions, resamples=10)
    # More than one piece.
    samples = resampled_scores(scores.bleu_statistics, scores.per_image, resamples=1500, seed=0)
    assert samples.shape == (1500, 6)
    assert np.abs(samples.mean(axis=0) - scores.corpus).max() < 0.01


def test_nothing_is_imported_early_or_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys, captioner.evaluation.scores, captioner.datasets; "
        "assert not {'nltk', 'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    assert score(PREDICTIONS, SENTENCES).images == 3


# ---------------------------------------------------------------------------------------------------------- known answe


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_pycocoevalcap(seed: int) -> None:
    official = pytest.importorskip("pycocoevalcap.bleu.bleu")
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    candidates, references = random_captions(seed, 40)
    given = {key: [" ".join(words) for words in choices] for key, choices in references.items()}
    result = {key: [" ".join(words)] for key, words in candidates.items()}
    statistics = bleu_statistics(list(candidates.values()), list(references.values()))
    corpus, single = official.Bleu(4).compute_score(given, result, verbose=0)
    assert bleu(statistics.total()) == pytest.approx(np.array(corpus), abs=1e-9)
    assert bleu(statistics) == pytest.approx(np.array(single).T, abs=1e-9)
    ours = [rouge_l(candidates[key], references[key]) for key in candidates]
    assert ours == pytest.approx(Rouge().compute_score(given, result)[1], abs=1e-9)
    assert CiderD(references).score(candidates) == pytest.approx(Cider().compute_score(given, result)[1], abs=1e-9)


def test_agrees_with_the_official_figures() -> None:
    folder = os.environ.get("CAPTIONER_ORACLES")
    if not folder:
        pytest.skip("CAPTIONER_ORACLES names no directory with known answers")
    oracles = json.loads((Path(folder) / "official_scores.json").read_text(encoding="utf-8"))
    assert len(oracles) == 4
    for name, oracle in oracles.items():
        photos = datasets.read(Path(folder) / oracle["references"].split(":")[0])
        predictions = read_results(Path(folder) / oracle["predictions"])
        references = {photo.id: photo.captions[1:] for photo in photos if photo.id in predictions}
        found = score(predictions, references, resamples=10).as_dict()
        expected = {metric: value for metric, value in oracle["scores"].items() if metric in found}
        assert found == pytest.approx(expected, abs=1e-6, rel=0), name
