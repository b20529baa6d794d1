"""English as people write it: articles by pronunciation, no repeated words."""

import pytest

from captioner.text import Tokenizer
from captioner.text.english import REPEATABLE, takes_an, with_articles

AN = """
hour honest heir herb hourglass elephant umbrella uncle unusual unidentified unimpressed urban urn utter ultimate under
upside
onion only oar apple onerous 8 80s 11 18 18-wheeler 11th suv x-ray mp3 rv l x-shaped hdtv
"""
A = """
uniform one one-way unicycle university european useful user ukulele unique union united unit unicorn usual utility
utensil euro
eucalyptus ewe once ouija ufo usb u-turn uk urine horse history hotel tv t-shirt 1 100 110 180 dog yellow
"""


@pytest.mark.parametrize("word", AN.split())
def test_an_stands_before_the_sound_of_a_vowel(word: str) -> None:
    assert takes_an(word)


@pytest.mark.parametrize("word", A.split())
def test_a_stands_before_every_other_sound(word: str) -> None:
    assert not takes_an(word)


def test_articles_follow_the_next_word() -> None:
    assert " ".join(with_articles(["a", "elephant", "and", "an", "dog"])) == "an elephant and a dog"
    assert with_articles(["an"]) == ["an"]
    assert with_articles(["a", "``", "elephant"]) == ["a", "``", "elephant"]
    assert with_articles([]) == []


def test_a_sentence_for_people_has_its_articles_set_right() -> None:
    assert Tokenizer().detokenize(["a", "elephant", "with", "an", "uniform"]) == "An elephant with a uniform."


def test_what_people_repeat_may_be_repeated() -> None:
    assert {"a", "dog", "white", "tennis"} <= REPEATABLE
    assert REPEATABLE.isdisjoint({"bench", "sign", "bed", "sink"})
