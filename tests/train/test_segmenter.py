"""Subwords with randomly dropped merges (BPE dropout)."""

import random

import pytest

from captioner.text.subwords import Subwords
from tests.sentence_pairs import CZECH, GERMAN
from train.sentences.segmenter import Segmenter

TEXT = GERMAN + CZECH


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords.learn(TEXT, size=150, languages=["de"])


def test_without_dropout_it_cuts_as_sentencepiece_does(subwords: Subwords) -> None:
    segmenter = Segmenter(subwords)
    for text in [*TEXT, " ".join(reversed(" ".join(TEXT).split()))]:
        assert segmenter.segment(text, dropout=0, chance=random.Random(0)) == subwords.encode(text)


def test_with_dropout_the_text_stays_and_the_pieces_change(subwords: Subwords) -> None:
    segmenter, chance = Segmenter(subwords), random.Random(3)
    cuts = {tuple(segmenter.segment(TEXT[3], dropout=0.3, chance=chance)) for _ in range(20)}
    assert len(cuts) > 10
    assert {subwords.decode(cut) for cut in cuts} == {TEXT[3]}
    again = segmenter.segment(TEXT[3], dropout=0.3, chance=random.Random(5))
    assert again == segmenter.segment(TEXT[3], dropout=0.3, chance=random.Random(5))
    letters = segmenter.segment("Ein Hund", dropout=1, chance=chance)
    assert [subwords.pieces[index] for index in letters] == ["▁", "E", "i", "n", "▁", "H", "u", "n", "d"]
