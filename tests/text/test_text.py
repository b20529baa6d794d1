"""The tokenizer on hand-written cases, sentences, and validation of vocabularies."""

import dataclasses
import gzip
import json
import os
import pickle
import shutil
import threading
from pathlib import Path

import pytest

from captioner.errors import CaptionerError, ModelError, UsageError
from captioner.text import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, Tokenizer, Vocabulary, ptb_tokenize, split_sentences

# Original sentences with the tokens that COCO's tokenizer gives (checked by test_cases_agree_with_coco).
CASES = {
    # plain words and the punctuation that is dropped
    "A dog runs.": "a dog runs",
    "Two dogs, three cats, and a horse.": "two dogs three cats and a horse",
    "What a day!": "what a day",
    "Is it raining?": "is it raining",
    "A barn; a fence: a field": "a barn a fence a field",
    "A boat - on a lake - at dusk": "a boat on a lake at dusk",
    "A boat -- on a lake": "a boat on a lake",
    "A boat--on a lake": "a boat on a lake",
    "A runner slips ... and falls...": "a runner slips and falls",
    "An old bus..": "an old bus",
    "What?! Never!!": "what ?! never !!",
    'The sign says "no swimming".': "the sign says no swimming",
    "The sign says 'no swimming'": "the sign says no swimming",
    "  two   spaces \t and a tab ": "two spaces and a tab",
    "": "",
    " ... - , ": "",
    # clitics
    "The man's hat": "the man 's hat",
    "The girls' team": "the girls team",
    "It's late and he's tired": "it 's late and he 's tired",
    "They're sure we've seen what you'll need": "they 're sure we 've seen what you 'll need",
    "I'm where she'd be": "i 'm where she 'd be",
    "THE DOG'S BOWL": "the dog 's bowl",
    "A driver's-side mirror": "a driver 's side mirror",
    "She'd've liked it": "she 'd 've liked it",
    # n't
    "It doesn't move": "it does n't move",
    "They can't, won't and shan't": "they ca n't wo n't and sha n't",
    "Isn't it? It ISN'T": "is n't it it is n't",
    "does n't stand apart": "does n't stand apart",
    # words that are split
    "He cannot see": "he can not see",
    "Cannot stop": "can not stop",
    "Kids gonna play, wanna swim": "kids gon na play wan na swim",
    "You gotta lemme try, gimme that": "you got ta lem me try gim me that",
    "'Tis snowing, 'twas raining": "'t is snowing 't was raining",
    "More'n ten": "more 'n ten",
    "Y'all come": "y' all come",
    # apostrophes inside words
    "Five o'clock": "five o'clock",
    "A tray of hors d'oeuvres": "a tray of hors d'oeuvres",
    "O'Brien plays": "o'brien plays",
    "A beach in Hawai'i": "a beach in hawai'i",
    "A rock 'n' roll band": "a rock 'n' roll band",
    "Get 'em": "get 'em",
    "A car from the '60s": "a car from the '60s",
    "An 80's band": "an 80 's band",
    "C'mon in": "c'mon in",
    # hyphens, slashes, underscores
    "A close-up of a 5-year-old in a T-shirt": "a close-up of a 5-year-old in a t-shirt",
    "A pre- and post-game meal": "a pre and post-game meal",
    "A man and/or a woman": "a man and/or a woman",
    "A red/white/blue kite": "a red/white/blue kite",
    "A truck w/ a load": "a truck w / a load",
    "A file_name here": "a file_name here",
    # numbers
    "A clock reads 10:25.": "a clock reads 10:25",
    "At 5:30pm": "at 5:30 pm",
    "A crowd of 12,500 at 3.5 miles": "a crowd of 12,500 at 3.5 miles",
    "The 1920s, the 3rd, 4x4 and mp3": "the 1920s the 3rd 4x4 and mp3",
    "It costs $4.50 or US$20": "it costs $ 4.50 or us$ 20",
    "Prices in £5 and €6": "prices in # 5 and $ 6",
    "A 50% sale": "a 50 % sale",
    "Player #7 passes": "player # 7 passes",
    "A #sunset": "a #sunset",
    "Half: 1/2 or ½": "half 1/2 or 1/2",
    "It is -5 or +5 outside": "it is -5 or +5 outside",
    "In '09 they won": "in '09 they won",
    # abbreviations
    "Mr. Hill and Dr. Ray": "mr. hill and dr. ray",
    "The corner of Oak St.": "the corner of oak st.",
    "The corner of Oak St. and Elm Ave.": "the corner of oak st. and elm ave.",
    "A U.S. flag": "a u.s. flag",
    "A flag of the U.S": "a flag of the u.s",
    "At 7 p.m. sharp": "at 7 p.m. sharp",
    "J. Smith waves": "j. smith waves",
    "Pots, pans, etc.": "pots pans etc.",
    # COCO's tokeniser reads on into the next caption, and ends a sentence here because that begins with "A", as most
    # do.
    "A sign with a K.": "a sign with a k",
    "A 2nd sign with a K.": "a 2nd sign with a k",
    "A plan b. The end": "a plan b the end",
    "Bus No. 9 comes, no. It goes": "bus no. 9 comes no it goes",
    "A pile of mass. A hill": "a pile of mass a hill",
    "Boston, Mass. in fall": "boston mass. in fall",
    "A U.S.-made car": "a u.s.-made car",
    "A dog on grass.Two birds": "a dog on grass.two birds",
    # symbols and brackets
    "A man (on the left) waves": "a man -lrb- on the left -rrb- waves",
    "A [blurred] sign {old}": "a -lsb- blurred -rsb- sign -lcb- old -rcb-",
    "Salt & pepper from AT&T": "salt & pepper from at&t",
    "Salt &amp; pepper": "salt & pepper",
    "Meet me @ noon": "meet me @ noon",
    "See www.example.org or example.com": "see www.example.org or example.com",
    # beyond ASCII
    "A café with jalapeño": "a café with jalapeño",
    "It’s a dog’s “life”": "it 's a dog 's life",
    "A pause… a dash—here": "a pause a dash here",
    "A smile \N{GRINNING FACE} here": "a smile here",
}


@pytest.mark.parametrize(("caption", "tokens"), CASES.items())
def test_case(caption: str, tokens: str) -> None:
    assert ptb_tokenize(caption) == tokens.split()


def test_cases_agree_with_coco() -> None:
    module = pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer")
    if not shutil.which("java"):
        pytest.skip("COCO's tokeniser needs java")
    jobs = {number: [{"caption": caption}] for number, caption in enumerate(CASES) if caption.strip(" .,-")}
    official = module.PTBTokenizer().tokenize(jobs)
    wrong = {
        caption: official[number][0]
        for number, caption in enumerate(CASES)
        if number in official and official[number][0].split() != CASES[caption].split()
    }
    assert wrong == {}


def test_agreement_with_coco_on_thousands_of_captions() -> None:
    folder = os.environ.get("CAPTIONER_ORACLES")
    if not folder:
        pytest.skip("CAPTIONER_ORACLES names no directory with known answers")
    with gzip.open(Path(folder) / "ptb_tokens.jsonl.gz", "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    wrong = [record["caption"] for record in records if ptb_tokenize(record["caption"]) != record["tokens"]]
    assert len(records) > 3000
    assert len(wrong) <= 0.001 * len(records), wrong


def test_tokens_are_stable_words_without_white_space() -> None:
    for caption in CASES:
        for token in ptb_tokenize(caption):
            assert token.split() == [token]
            assert token == token.lower()


@pytest.mark.parametrize(
    "part", ["a", "a-", "1,", "a+", "<a", "a'", "n't ", " ", ". ", "a/", "@a", "a@", "A&", "a b", "e\u0301"]
)
def test_long_texts_come_to_an_end(part: str) -> None:
    """A regular expression that backtracks over every split would take hours."""
    assert "".join(ptb_tokenize(part * 100_000 + "?x")).endswith("x")


# ----------------------------------------------------------------------------------------------------------- sentences

SENTENCES = {
    "A man's hat": "A man's hat.",
    "it doesn't work": "It doesn't work.",
    "he can't and won't": "He can't and won't.",
    "you cannot go": "You cannot go.",
    "gonna rain": "Gonna rain.",
    "i think i'm on tv": "I think I'm on TV.",
    "t-shirt of the u.s. team": "T-shirt of the U.S. team.",
    "a game at 5 p.m.": "A game at 5 p.m.",
    "a man (left) waves": "A man (left) waves.",
    "it costs $5 or 50% of #1": "It costs $5 or 50% of #1.",
    "'tis snowing": "'Tis snowing.",
    "3 dogs on mr. hill": "3 dogs on Mr. hill.",
    "five o'clock": "Five o'clock.",
    "what a day?!": "What a day?!",
    "élan in snow": "Élan in snow.",
    "": "",
    "...": "",
}


@pytest.mark.parametrize(("text", "sentence"), SENTENCES.items())
def test_words_become_a_sentence(text: str, sentence: str) -> None:
    tokenizer = Tokenizer()
    assert tokenizer.detokenize(tokenizer.tokenize(text)) == sentence


def test_a_sentence_keeps_its_tokens() -> None:
    tokenizer = Tokenizer()
    for caption in CASES:
        tokens = tokenizer.tokenize(caption)
        if tokens and tokens[-1] != "u.s":  # the sentence's full stop makes it "u.s."
            assert tokenizer.tokenize(tokenizer.detokenize(tokens)) == tokens, caption


def test_punctuation_tokens_stand_close() -> None:
    assert Tokenizer().detokenize(["well", ",", "a", "dog", "!"]) == "Well, a dog!"
    assert Tokenizer().detokenize(["a", "dog", ","]) == "A dog."


def test_characters() -> None:
    tokenizer = Tokenizer("char")
    assert tokenizer.tokenize("  A  Dog\n") == ["a", " ", "d", "o", "g"]
    assert tokenizer.detokenize(tokenizer.tokenize("I see a man's dog")) == "I see a man's dog."
    assert tokenizer.detokenize(list(" a  dog. ")) == "A dog."
    assert tokenizer.detokenize([]) == ""
    assert tokenizer.detokenize([" ", "."]) == ""


@pytest.mark.parametrize("kind", ["word", "char"])
def test_a_tokenizer_from_right_to_left_turns_tokens_and_turns_them_back(kind: str) -> None:
    forth, back = Tokenizer(kind), Tokenizer(kind, "right-to-left")  # type: ignore[arg-type]
    text = "A man's dog, and mine."
    assert back.tokenize(text) == forth.tokenize(text)[::-1]
    assert back.detokenize(back.tokenize(text)) == forth.detokenize(forth.tokenize(text))
    with pytest.raises(UsageError, match="'up' is unknown; choose one of: left-to-right, right-to-left"):
        Tokenizer("word", "up")  # type: ignore[arg-type]


def test_unknown_tokenizer_is_refused() -> None:
    with pytest.raises(UsageError, match="'bpe' is unknown; choose one of: word, char"):
        Tokenizer("bpe")  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------- vocabulary


def test_build_is_deterministic() -> None:
    captions = [["b", "a", "c"], ["c", "b", "é"], ["d"]]
    vocabulary = Vocabulary.build(captions)
    assert vocabulary.tokens == (*SPECIAL_TOKENS, "b", "c", "a", "d", "é")
    assert Vocabulary.build(captions[::-1]) == vocabulary
    assert Vocabulary.build(captions, min_count=2).tokens == (*SPECIAL_TOKENS, "b", "c")
    assert Vocabulary.build([]).tokens == SPECIAL_TOKENS
    with pytest.raises(UsageError, match="at least 1"):
        Vocabulary.build(captions, min_count=0)


def test_special_ids() -> None:
    assert (PAD, BOS, EOS, UNK) == (0, 1, 2, 3)
    assert [Vocabulary.build([]).tokens[index] for index in (PAD, BOS, EOS, UNK)] == [
        "<pad>",
        "<bos>",
        "<eos>",
        "<unk>",
    ]


def test_encode_and_decode() -> None:
    vocabulary = Vocabulary.build([["a", "dog"]])
    assert vocabulary.encode(["a", "cat", "dog"]) == [4, UNK, 5]
    assert vocabulary.decode([BOS, 4, UNK, PAD, 5, EOS, 4]) == ["a", "dog"]
    assert vocabulary.decode([]) == []
    assert len(vocabulary) == 6
    assert "dog" in vocabulary
    assert "cat" not in vocabulary
    for outside in (6, -1):
        with pytest.raises(IndexError):
            vocabulary.decode([outside])


def test_text_cannot_spell_a_special_token() -> None:
    vocabulary = Vocabulary.build([["<eos>", "a"], ["<pad>"]])
    assert vocabulary.tokens == (*SPECIAL_TOKENS, "a")
    assert vocabulary.encode(["<eos>", "<pad>", "<bos>", "a"]) == [UNK, UNK, UNK, 4]


def test_round_trip_through_json() -> None:
    vocabulary = Vocabulary.build([ptb_tokenize("A café's dog")])
    text = json.dumps(vocabulary.to_json())
    assert Vocabulary.from_json(json.loads(text)) == vocabulary
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary  # for worker processes


GOOD = [*SPECIAL_TOKENS, "a", "b"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "not an object"),
        (GOOD, "not an object"),
        ({}, "not an object"),
        ({"tokens": "abc"}, "not an object"),
        ({"tokens": GOOD, "more": 1}, "not an object"),
        ({"tokens": []}, "must begin with"),
        ({"tokens": ["a", "b"]}, "must begin with"),
        ({"tokens": ["<bos>", "<pad>", "<eos>", "<unk>"]}, "must begin with"),
        ({"tokens": [*GOOD, "a"]}, "contains 'a' twice"),
        ({"tokens": [*GOOD, "<pad>"]}, "contains '<pad>' twice"),
        ({"tokens": [*GOOD, 3]}, "contains 3; every token"),
        ({"tokens": [*GOOD, None]}, "contains None; every token"),
        ({"tokens": [*GOOD, ""]}, "every token must be a non-empty string"),
        ({"tokens": [*GOOD, ["x"]]}, "every token"),
    ],
)
def test_damaged_vocabulary_is_refused(data: object, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        Vocabulary.from_json(data)
    assert isinstance(caught.value, CaptionerError)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_vocabulary_is_immutable_and_shared_by_threads() -> None:
    vocabulary = Vocabulary.build([[f"w{number}" for number in range(200)]])
    with pytest.raises(dataclasses.FrozenInstanceError):
        vocabulary.tokens = ()  # type: ignore[misc]
    words = [f"w{number}" for number in range(200)]
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(vocabulary.decode(vocabulary.encode(words)) == words))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


@pytest.mark.parametrize(
    "sentences",
    [
        ["A dog runs.", "A cat sits on it!", "3 birds?"],
        ["A dog runs ... and barks.", '"It is red," he says.', "(A cat.)", "End"],
        ["Mr. Smith of the U.S. Army reads at no. 5."],
        ["J. Doe, e.g. A. Doe, arrives at 5 p.m. Monday."],
        ["... A dog."],
        ["A dog runs.a cat"],
        [""],
        ["a" * 300_000],
        ["A dog." + "." * 300_000 + "x"],  # long input, yet fast
        ["Mr. " * 100_000 + "Smith"],
    ],
)
def test_text_is_cut_into_sentences(sentences: list[str]) -> None:
    assert split_sentences(" ".join(sentences)) == sentences
