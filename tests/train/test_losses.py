"""Losses, checked against hand calculations, and the reward, checked against captions that must win."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from captioner.config import DecoderConfig
from captioner.models.decoder import RecurrentDecoder
from captioner.models.interfaces import Vectors
from captioner.text import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, Vocabulary
from train.objectives.cross_entropy import attention_penalty, cross_entropy
from train.objectives.distillation import distillation
from train.objectives.self_critical import SelfCritic
from train.study.forcing import mix_in_guesses, scheduled_loss

WORDS = ("a", "dog", "cat", "runs", "on", "grass", "sofa")
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *WORDS))


def build(dropout: float = 0.0) -> RecurrentDecoder:
    torch.manual_seed(0)
    config = DecoderConfig(
        vocabulary_size=len(VOCABULARY), hidden_size=16, embedding_size=12, attention="additive", dropout=dropout
    )
    return RecurrentDecoder(config, 6).train()


def grid(photos: int = 2) -> Vectors:
    return Vectors(torch.randn(photos, 4, 6, generator=torch.Generator().manual_seed(1)))


def ids(sentence: str, length: int = 8) -> list[int]:
    tokens = [BOS, *VOCABULARY.encode(sentence.split()), EOS]
    return tokens + [PAD] * (length - len(tokens))


TOKENS = torch.tensor([[ids("a dog runs on grass"), ids("a dog")], [ids("a cat on a sofa"), ids("cat")]])


def test_cross_entropy_is_the_mean_surprise_at_every_real_token() -> None:
    decoder = build()
    loss, _ = cross_entropy(decoder, grid(), TOKENS)
    surprise = []
    for photo in range(2):
        for sentence in TOKENS[photo]:
            state = decoder.init_state(Vectors(grid().values[photo : photo + 1]))
            for token, following in pairwise(sentence):
                if following != PAD:
                    log_probs, state = decoder.step(token.view(1, 1), state)
                    surprise.append(-log_probs[0, 0, following])
    assert loss.tokens == len(surprise) == 17
    torch.testing.assert_close(loss.value, torch.stack(surprise).mean())


def test_own_words_take_the_place_of_peoples_but_never_of_the_beginning_or_the_filling() -> None:
    read = TOKENS[..., :-1]
    sure = torch.zeros(*read.shape, len(VOCABULARY))
    sure[..., VOCABULARY.encode(["grass"])[0]] = 100.0
    assert torch.equal(mix_in_guesses(read, sure, 0.0, 0), read)
    own = mix_in_guesses(read, sure, 1.0, 0)
    inner = (read != BOS) & (read != PAD)
    assert (own[inner] == VOCABULARY.encode(["grass"])[0]).all()
    assert torch.equal(own[~inner], read[~inner])
    many = read.repeat(200, 1, 1)
    half = mix_in_guesses(many, sure.repeat(200, 1, 1, 1), 0.5, 0)
    assert ((half != many)[inner.repeat(200, 1, 1)]).float().mean().item() == pytest.approx(0.5, abs=0.08)


def test_scheduled_sampling_changes_what_is_read_not_what_is_asked() -> None:
    decoder = build()
    plain, _ = cross_entropy(decoder, grid(), TOKENS)
    own = scheduled_loss(decoder, grid(), TOKENS, share=1.0, seed=3)
    again = scheduled_loss(decoder, grid(), TOKENS, share=1.0, seed=3)
    other, _ = cross_entropy(decoder, grid(), TOKENS, read=TOKENS[..., :-1].flip(1))
    assert other.tokens == plain.tokens
    assert own != plain.value
    assert own == again


def test_the_attention_penalty_is_least_where_every_cell_is_looked_at_once() -> None:
    tokens = torch.tensor([[[BOS, 5, 6, EOS], [BOS, 5, EOS, PAD]]])  # three real steps and two
    even = torch.full((1, 2, 3, 2), 0.5)
    # First caption: every cell 1.5 times, (1 − 1.5)² · 2; second: the step on padding does not count, so 0.
    assert attention_penalty(even, tokens).item() == pytest.approx((2 * 0.25 + 0) / 2)
    stuck = torch.tensor([1.0, 0.0]).expand(1, 2, 3, 2)
    assert attention_penalty(stuck, tokens).item() == pytest.approx(((4 + 1) + (1 + 1)) / 2)


REFERENCES = [
    [s.split() for s in ("a dog runs on grass", "a dog on grass", "dog runs on grass")],
    [s.split() for s in ("a cat on a sofa", "cat on a sofa", "a cat on sofa")],
]


def critic() -> SelfCritic:
    return SelfCritic(REFERENCES, VOCABULARY, max_length=6)


def test_the_reward_prefers_whole_sentences_about_the_right_photo() -> None:
    samples = torch.tensor([[ids("a dog runs on grass"), ids("a cat on a sofa"), ids("a dog runs on")]])
    samples[0, 2, 5:] = PAD  # cut off: no <eos>
    rewards, facts = critic().reward([0], samples)
    right, wrong, cut = rewards[0].tolist()
    assert right > cut > wrong
    assert facts["reward"] == pytest.approx((right + wrong + cut) / 3)
    assert facts["broken_off"] == pytest.approx(1 / 3)


def test_a_whole_sentence_that_ends_on_a_function_word_counts_as_broken_off() -> None:
    _, facts = critic().reward([0], torch.tensor([[ids("a dog on"), ids("a dog")]]))
    assert facts["broken_off"] == 0.5
    turned = SelfCritic(REFERENCES, VOCABULARY, max_length=6, direction="right-to-left")
    _, facts = turned.reward([0], torch.tensor([[ids("on dog a"), ids("dog a")]]))
    assert facts["broken_off"] == 0.5


def test_bleu_is_added_to_the_reward_as_often_as_asked() -> None:
    samples = torch.tensor([[ids("a dog runs on grass"), ids("a cat on a sofa")]])
    alone, facts = critic().reward([0], samples)
    both, more = SelfCritic(REFERENCES, VOCABULARY, max_length=6, bleu_weight=2).reward([0], samples)
    assert (both - alone)[0].tolist() == pytest.approx([2, 0], abs=1e-3)  # a reference; no common bigrams
    assert more["bleu"] == pytest.approx(0.5, abs=1e-3)
    assert more["reward"] == facts["reward"]


def test_samples_are_drawn_without_dropout_and_follow_from_their_seed() -> None:
    decoder = build(dropout=0.5)
    first = critic().draw(decoder, grid(), 4, seed=7)
    assert torch.equal(critic().draw(decoder, grid(), 4, seed=7), first)
    assert decoder.training
    assert (first[..., 0] == BOS).all()
    assert not torch.isin(first[..., 1:], torch.tensor([BOS, UNK])).any()
    after = (first == EOS).cumsum(-1) > 0
    assert (first[after & (first != EOS)] == PAD).all()


def test_following_the_reward_raises_it() -> None:
    decoder, judge = build(), critic()
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.02)

    def mean_reward() -> float:
        return float(judge.reward([0, 1], judge.draw(decoder, grid(), 200, seed=99))[0].mean())

    before = mean_reward()
    for step in range(60):
        loss = judge.loss(decoder, grid(), [0, 1], count=16, seed=step)
        optimizer.zero_grad()
        loss.value.backward()
        optimizer.step()
    assert mean_reward() > before + 0.5


def test_equally_good_samples_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, judge = build(), critic()

    def same(photos: object, samples: Tensor) -> tuple[Tensor, dict[str, float]]:
        return torch.full(samples.shape[:2], 0.7), {}

    monkeypatch.setattr(judge, "reward", same)
    judge.loss(decoder, grid(), [0, 1], count=3, seed=0).value.backward()
    assert all(parameter.grad.abs().max() < 1e-7 for parameter in decoder.parameters() if parameter.grad is not None)


def test_a_student_learns_most_from_teachers_by_agreeing_with_them() -> None:
    teachers = torch.randn(17, len(VOCABULARY), generator=torch.Generator().manual_seed(3))
    taught = teachers.softmax(-1)
    entropy = -(taught * taught.log()).sum(-1).mean()
    torch.testing.assert_close(distillation(teachers, taught), entropy)
    assert distillation(teachers + torch.randn_like(teachers), taught) > entropy
