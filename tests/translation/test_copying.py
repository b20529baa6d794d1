"""Words that a translation copies: which words they are, and where they end up in the translation."""

from typing import cast

import pytest
import torch
from torch import Tensor

from captioner.decoding import DecodingOptions
from captioner.inference import generate
from captioner.models.interfaces import Decoder, Vectors
from captioner.text import UNK
from captioner.text.subwords import Subwords
from captioner.translation.copying import MARK, hide, mark, put_back
from captioner.translation.translator import Translator
from tests.sentence_pairs import ENGLISH
from train.sentences.pairs import Pair, with_copied_number, with_copied_words


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    sentences = [
        *ENGLISH,
        "A man in New York.",
        "A T-shirt, (red) \"or\" 'blue'; 3-year-old: 2nd, 4 5 6 7 8 9 0!",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    ]
    return Subwords.learn(sentences * 3, size=400)


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("Two dogs and 35 oranges.", ["35"]),
        ("A bus at 12:30, line 402.", ["12:30", "402"]),
        ("A man reads the Anderson news.", ["Anderson"]),
        ("The Anderson officer.", ["Anderson"]),
        ("Anderson reads.", []),  # the first word is capitalized anyway
        ("A DOG SAT ON ANDERSON", []),  # in a sentence in capitals, they have no meaning
        ("Two Young Girls Play Outside", []),
        ("A man in New York.", []),  # in the vocabulary
        ("A T-shirt.", []),
        ("A 3-year-old on the 2nd rock.", []),  # digits within a word are left to the model
        ("A dog 🐕 and 你好!", ["🐕", "你好"]),
        ("A «dog» runs.", ["«dog»"]),
        ("12 12 12", ["12", "12", "12"]),
    ],
)
def test_numbers_names_and_the_unknown_are_hidden(subwords: Subwords, sentence: str, words: list[str]) -> None:
    hidden, found = hide(sentence, subwords)
    assert found == words
    assert hidden.count(MARK) == len(words)
    for word in words:
        hidden = hidden.replace(MARK, word, 1)
    assert hidden == sentence


def test_words_come_back_in_their_order() -> None:
    assert put_back(["▁a", "<unk>", "<unk>"], ["12", "x"]) == ["▁a", "12", "x"]
    assert put_back(["<unk>", "b"], ["12", "x"]) == ["12", "b"]


def test_pairs_show_what_is_copied(subwords: Subwords) -> None:
    pair = Pair("A man at Wembley, 12.", {"de": "Ein Mann in Wembley, 12.", "cs": "Muž ve Wembley (12)."})
    assert with_copied_words(pair, subwords) == Pair(
        f"A man at {MARK}, {MARK}.", {"de": f"Ein Mann in {MARK}, {MARK}.", "cs": f"Muž ve {MARK} ({MARK})."}
    )
    declined = Pair("A man at Wembley.", {"de": "Ein Mann in Wembley.", "cs": "Muž ve Wembleyi."})
    assert with_copied_words(declined, subwords) == declined
    assert mark("Six dogs, six!", {"six"}) == f"Six dogs, {MARK}!"


def test_number_words_stand_for_figures() -> None:
    pair = Pair("Six dogs run.", {"de": "Da rennen sechs Hunde.", "fr": "Six chiens.", "cs": "Běží šest psů."})
    assert with_copied_number(pair) == Pair(
        f"{MARK} dogs run.",
        {"de": f"Da rennen {MARK} Hunde.", "fr": f"{MARK} chiens.", "cs": f"Běží {MARK} psů."},
    )
    assert with_copied_number(Pair("Six dogs.", {"de": "Einige Hunde."})) is None
    assert with_copied_number(Pair("Two dogs.", {"de": "Zwei Hunde."})) is None
    assert with_copied_number(Pair("Six dogs.", {"es": "Seis perros."})) is None


@pytest.mark.parametrize(
    ("sentence", "number"),
    [("Two men in hats ride 57 horses.", "57"), ("Two men in hats ride 🐴 horses.", "🐴")],
)
def test_a_translation_copies(translator: Translator, sentence: str, number: str) -> None:
    plain, found = translator.translate_batch(["A girl jumps.", sentence], attention=True)
    assert plain.text == "Ein Mädchen springt."
    assert found.text == f"Zwei Männer mit Hüten reiten auf {number} Pferden."
    assert found.alternatives == (found.text,)
    assert found.words[-2] == number
    assert found.source_words == tuple(sentence.split())
    assert found.attention is not None
    assert [len(row) for row in found.attention] == [7] * 8
    alone = translator.translate(sentence)
    assert (alone.text, alone.log_prob) == (found.text, pytest.approx(found.log_prob, abs=1e-4))


class Eager:
    """A decoder that generates only unknown tokens and then the end."""

    def init_state(self, vectors: Vectors) -> "Eager":
        return self

    def select(self, rows: Tensor, beams: Tensor) -> "Eager":
        return self

    def step(self, tokens: Tensor, state: "Eager") -> tuple[Tensor, "Eager"]:
        return torch.tensor([0.0, 0.0, 2.0, 9.0, 1.0]).log_softmax(0).expand(*tokens.shape, 5).clone(), self


def test_no_more_words_are_copied_than_there_are() -> None:
    options = DecodingOptions(max_length=9, no_repeat_ngram=0)
    found = generate(cast(Decoder, Eager()), Vectors(torch.zeros(3, 1, 1)), options, unknown=torch.tensor([0, 1, 3]))
    assert [best.tokens.count(UNK) for best, *_ in found] == [0, 1, 3]
