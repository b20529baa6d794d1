"""Beam search and sampling without a model: the step function is a table of transition probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import pytest
import torch
from torch import Tensor

from captioner.decoding import DecodingOptions, Hypothesis, Step
from captioner.decoding.beam import beam_search
from captioner.decoding.constraints import Constraint, no_repeated_words
from captioner.decoding.sampling import sample
from captioner.errors import UsageError

BOS, EOS, WORDS = 0, 1, (2, 3, 4)
VOCABULARY = 5


@dataclass(frozen=True)
class History:
    """The tokens of every sentence so far (B, K, T), and the index of each input's table (B,)."""

    tokens: Tensor
    tables: Tensor

    def select(self, rows: Tensor, beams: Tensor) -> "History":
        return History(self.tokens[rows[:, None], beams], self.tables[rows])


def tables(count: int, seed: int = 0) -> Tensor:
    """Log-probabilities by input, the last two tokens and the next token: (count, V, V, V)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, VOCABULARY, VOCABULARY, VOCABULARY, generator=generator).mul(1.5).log_softmax(-1)


def step_in(table: Tensor) -> Step[History]:
    def step(tokens: Tensor, state: History) -> tuple[Tensor, History]:
        assert state.tokens.shape[:2] == tokens.shape
        before = state.tokens[..., -1]
        return table[state.tables[:, None], before, tokens], History(
            torch.cat([state.tokens, tokens[..., None]], -1), state.tables
        )

    return step


def beginning(things: Tensor) -> History:
    return History(torch.zeros(len(things), 1, 1, dtype=torch.long), things)


def search(
    table: Tensor, things: Tensor | None = None, constraints: Sequence[Constraint] = (), **options: object
) -> list[list[Hypothesis]]:
    things = torch.arange(len(table)) if things is None else things
    return beam_search(
        step_in(table),
        beginning(things),
        batch_size=len(things),
        bos=BOS,
        eos=EOS,
        options=DecodingOptions(**options),
        banned=(BOS,),
        constraints=constraints,
    )


def draw(table: Tensor, *, count: int, seed: int = 0, longest: int = 6, temperature: float = 1.0) -> Tensor:
    return sample(
        step_in(table),
        beginning(torch.arange(len(table))),
        batch_size=len(table),
        count=count,
        bos=BOS,
        eos=EOS,
        max_length=longest,
        generator=torch.Generator().manual_seed(seed),
        temperature=temperature,
        banned=(BOS,),
    )


def log_prob(table: Tensor, sentence: tuple[int, ...], *, ended: bool = True) -> float:
    path = [BOS, BOS, *sentence, *([EOS] if ended else [])]
    return sum(float(table[a, b, c]) for a, b, c in zip(path, path[1:], path[2:], strict=False))


def every_sentence(longest: int, shortest: int = 0) -> list[tuple[int, ...]]:
    return [words for n in range(max(1, shortest), longest + 1) for words in product(WORDS, repeat=n)]


@pytest.mark.parametrize("alpha", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("shortest", [0, 2])
def test_a_wide_beam_finds_what_trying_everything_finds(alpha: float, shortest: int) -> None:
    table = tables(20)
    found = search(
        table, beam_size=100, num_captions=5, max_length=3, min_length=shortest, length_penalty=alpha, no_repeat_ngram=0
    )
    for one, hypotheses in zip(table, found, strict=True):
        scored = sorted(
            (
                (log_prob(one, words) / ((5 + len(words) + 1) / 6) ** alpha, words)
                for words in every_sentence(3, shortest)
            ),
            reverse=True,
        )
        assert [hypothesis.tokens for hypothesis in hypotheses] == [words for _, words in scored[:5]]
        for hypothesis, (score, words) in zip(hypotheses, scored, strict=False):
            assert hypothesis.score == pytest.approx(score, abs=1e-5)
            assert hypothesis.log_prob == pytest.approx(log_prob(one, words), abs=1e-5)
            assert hypothesis.finished


def test_a_beam_of_one_is_greedy_search() -> None:
    table = tables(50)
    table[..., BOS] = -100
    for one, (hypothesis,) in zip(table, search(table, beam_size=1, max_length=8, no_repeat_ngram=0), strict=True):
        tokens = [BOS, BOS]
        while len(tokens) < 10 and tokens[-1] != EOS:
            choice = one[tokens[-2], tokens[-1]].clone()
            if len(tokens) == 2:  # no empty sentence
                choice[EOS] = -100
            tokens.append(int(choice.argmax()))
        assert hypothesis.tokens == tuple(token for token in tokens[2:] if token != EOS)


@pytest.mark.parametrize("beam_size", [1, 2, 3, 7])
def test_a_batch_gives_what_each_gives_alone(beam_size: int) -> None:
    table = tables(30)
    options = {"beam_size": beam_size, "num_captions": min(2, beam_size), "max_length": 9}
    together = search(table, **options)
    alone = [search(table, torch.tensor([number]), **options)[0] for number in range(30)]
    assert together == alone


def test_stopping_early_changes_nothing() -> None:
    """A search for one sentence may stop once no beam can win; a search for several must not stop that early."""
    table = tables(40, seed=3)
    best = search(table, beam_size=4, num_captions=1, max_length=12)
    more = search(table, beam_size=4, num_captions=4, max_length=12)
    assert [one[0] for one in best] == [one[0] for one in more]


def test_a_sentence_is_as_probable_as_its_steps() -> None:
    table = tables(40)
    for found in search(table, beam_size=3, num_captions=3, max_length=4, no_repeat_ngram=0):
        for one in found:
            assert len(one.steps) == len(one.tokens) + one.finished
            assert sum(one.steps) == pytest.approx(one.log_prob, abs=1e-4)


def test_a_wider_beam_is_rarely_worse() -> None:
    table = tables(200, seed=5)
    narrow = search(table, beam_size=1, max_length=8)
    wide = search(table, beam_size=8, max_length=8)
    better = sum(w[0].score >= n[0].score - 1e-6 for n, w in zip(narrow, wide, strict=True))
    assert better >= 190


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_run_of_n_tokens_stands_twice(n: int) -> None:
    table = tables(40)
    table[..., EOS] -= 3  # long sentences
    for (hypothesis,) in search(table, beam_size=3, max_length=15, no_repeat_ngram=n):
        runs = [hypothesis.tokens[start : start + n] for start in range(len(hypothesis.tokens) - n + 1)]
        assert len(set(runs)) == len(runs)
    repeated = 0
    for (hypothesis,) in search(table, beam_size=3, max_length=15, no_repeat_ngram=0):
        runs = [hypothesis.tokens[start : start + n] for start in range(len(hypothesis.tokens) - n + 1)]
        repeated += len(set(runs)) < len(runs)
    assert repeated > 20


def test_words_that_are_not_repeatable_stand_once() -> None:
    table = tables(40)
    table[..., EOS] -= 3  # long sentences
    repeatable = torch.zeros(table.shape[-1], dtype=torch.bool)
    repeatable[[3, 4]] = True
    twice = 0
    for (one,) in search(
        table, beam_size=3, max_length=15, no_repeat_ngram=0, constraints=[no_repeated_words(repeatable)]
    ):
        assert one.tokens.count(2) <= 1
        assert all(
            first not in others for first, *others in zip(one.tokens, one.tokens[1:], one.tokens[2:], strict=False)
        )
        twice += max(map(one.tokens.count, (3, 4))) > 1
    assert twice > 5


def test_lengths_are_kept() -> None:
    table = tables(40)
    for (hypothesis,) in search(table, beam_size=3, min_length=4, max_length=6, no_repeat_ngram=0):
        assert 4 <= len(hypothesis.tokens) <= 6


def test_what_never_ends_is_cut_off_and_still_an_answer() -> None:
    table = tables(5)
    table[..., EOS] = float("-inf")
    for (hypothesis,) in search(table, beam_size=3, max_length=6, no_repeat_ngram=0):
        assert len(hypothesis.tokens) == 6
        assert not hypothesis.finished


def test_a_search_that_may_say_nothing_more_gives_what_it_has() -> None:
    table = tables(5)
    table[..., EOS] = float("-inf")  # never ends, with repeated words forbidden
    for (hypothesis,) in search(table, beam_size=2, max_length=9, no_repeat_ngram=1):
        assert sorted(hypothesis.tokens) == list(WORDS)
        assert not hypothesis.finished


def test_equal_candidates_are_ranked_by_id() -> None:
    table = torch.full((3, VOCABULARY, VOCABULARY, VOCABULARY), 1 / VOCABULARY).log()
    found = search(table, beam_size=2, num_captions=2, max_length=2, min_length=2, no_repeat_ngram=0)
    assert [[one.tokens for one in hypotheses] for hypotheses in found] == [[(2, 2), (2, 3)]] * 3


def test_the_same_sentence_is_not_found_twice() -> None:
    for hypotheses in search(tables(20), beam_size=10, num_captions=10, max_length=4):
        assert len({one.tokens for one in hypotheses}) == len(hypotheses)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size is 0; give a whole number from 1 to 100"),
        ({"beam_size": "3"}, "beam_size is '3'; give a whole number"),
        ({"beam_size": True}, "beam_size is True; give a whole number"),
        ({"length_penalty": float("nan")}, "length_penalty is nan; give a number from 0 to 5"),
        ({"beam_size": 2, "num_captions": 3}, "num_captions 3 is larger than beam_size 2"),
        ({"max_length": 3, "min_length": 4}, "min_length 4 is larger than max_length 3"),
        ({"length_penalty": -0.1}, "length_penalty is -0.1; give a number from 0 to 5"),
    ],
)
def test_impossible_options_are_refused_when_built(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DecodingOptions(**options)


def test_samples_are_as_frequent_as_they_are_probable() -> None:
    table = tables(2)
    drawn = draw(table, count=20_000)
    for thing in range(2):
        first = table[thing, BOS, BOS].exp().index_fill(0, torch.tensor([BOS, EOS]), 0)
        second = table[thing, BOS, WORDS[0]].exp().index_fill(0, torch.tensor([BOS]), 0)
        sentences = drawn[thing]
        found = torch.bincount(sentences[:, 0], minlength=VOCABULARY) / len(sentences)
        torch.testing.assert_close(found, first / first.sum(), atol=0.015, rtol=0)
        after = sentences[sentences[:, 0] == WORDS[0], 1]
        found = torch.bincount(after, minlength=VOCABULARY) / len(after)
        torch.testing.assert_close(found, second / second.sum(), atol=0.03, rtol=0)


def test_a_sample_ends_once_and_follows_from_its_seed() -> None:
    drawn = draw(tables(3), count=50)
    ended = (drawn == EOS).cumsum(-1) > 0
    assert (drawn[ended] == EOS).all()
    assert (drawn != BOS).all()
    assert (drawn[..., 0] != EOS).all()
    assert drawn.shape[2] <= 7
    assert torch.equal(draw(tables(3), count=50), drawn)
    assert not torch.equal(draw(tables(3), count=50, seed=1), drawn)


def test_a_cold_sample_is_greedy_and_a_hot_one_is_not() -> None:
    table = tables(4)
    greedy = [found[0].tokens for found in search(table, beam_size=1, no_repeat_ngram=0, max_length=6)]
    cold = [[token for token in row if token != EOS] for row in draw(table, count=1, temperature=1e-4)[:, 0].tolist()]
    assert [tuple(row) for row in cold] == greedy
    assert len(draw(table, count=100, temperature=100.0)[0].unique(dim=0)) > 60


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="temperature is 0"):
        draw(tables(1), count=1, temperature=0.0)
