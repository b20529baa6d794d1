"""Teacher forcing: the time it saves, and what it costs when a decoder must read its own words.

Four ways to train the library's decoder on the same captions in the same order, with the same number of steps:

- *forced*: it reads the words that a person wrote (teacher forcing).
- *scheduled*: a growing share of the words it reads, finally a quarter, are its own guesses, drawn from a first pass
  under teacher forcing (scheduled sampling, Bengio et al. 2015; see `mix_in_guesses`).
- *free*: it reads only its own most probable words, and is corrected towards the person's at every step.
- *forced, output alone*: a decoder whose only recurrence is through its output: each step starts from an empty state
  and sees the photo and the previous word. This is the case in which teacher forcing makes training parallel: with the
  target in place of the output, no step waits for another, and all are computed at once.

None of them uses dropout: the library's decoder applies it only to given sentences, so two of the four would lack it.

The loss is that of the person's next word on 100 other photos, once reading the person's words and once the decoder's
own (which also penalizes a good sentence that differs from the person's, word by word). BLEU-4 is that of a beam search
of 3, which always runs free. The left plot shows the time of one training step (forward and backward, 16 photos with 2
captions) by caption length: the median of alternating rounds.
"""

import statistics
import time
from dataclasses import replace

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor

from captioner.models.decoder import DecoderState, RecurrentDecoder
from captioner.models.interfaces import Forced, Vectors
from captioner.text import PAD
from train.objectives.cross_entropy import cross_entropy
from train.study import captions, chart
from train.study.captions import (
    EACH,
    PHOTOS,
    CaptionData,
    Captions,
    build_decoder,
    read_captions,
    score,
    teach,
    to_batch,
    write_captions,
)
from train.study.setting import Entry, Finding, Setting

CLAIM = "Teacher forcing makes training parallel and linear in time, at a price when running free."
SETTINGS = replace(captions.SETTINGS, dropout=0.0)
WAYS = ("forced", "scheduled", "free", "forced, output alone")
SHARE = 0.25
COMPARED = 100


class OutputAlone(RecurrentDecoder):
    """The decoder with recurrence only through its output: every step starts from the initial state."""

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Read one token of every sentence without keeping a state; see `Decoder.step`."""
        log_probs, _ = super().step(tokens, state)
        return log_probs, state

    def forward(self, vectors: Vectors, tokens: Tensor, wanted: Tensor | None = None) -> Forced:
        """Read given sentences (B, K, T), all steps at once; attention is not returned."""
        state = self.init_state(vectors).repeat(tokens.shape[1] * tokens.shape[2])
        log_probs, _ = self.step(tokens.flatten(1), state)
        log_probs = log_probs.view(*tokens.shape, -1)
        return Forced(log_probs if wanted is None else log_probs[wanted], log_probs.new_zeros(0))


def free_loss(decoder: RecurrentDecoder, vectors: Vectors, tokens: Tensor) -> Tensor:
    """Cross-entropy of every next token (B, K, T) when the decoder reads its own most probable tokens."""
    state, read = decoder.init_state(vectors).repeat(tokens.shape[1]), tokens[..., 0]
    said = []
    for _ in range(tokens.shape[2] - 1):
        log_probs, state = decoder.step(read, state)
        said.append(log_probs)
        read = log_probs.detach().argmax(-1)
    return F.nll_loss(torch.stack(said, 2).flatten(0, 2), tokens[..., 1:].flatten(), ignore_index=PAD)


def scheduled_loss(decoder: RecurrentDecoder, vectors: Vectors, tokens: Tensor, *, share: float, seed: int) -> Tensor:
    """Cross-entropy of every next token when a share of the tokens read are the decoder's own guesses."""
    read = tokens[..., :-1]
    with torch.no_grad():
        guesses = decoder(vectors, read).logits
    return cross_entropy(decoder, vectors, tokens, read=mix_in_guesses(read, guesses, share, seed))[0].value


def mix_in_guesses(read: Tensor, guesses: Tensor, share: float, seed: int) -> Tensor:
    """Replace a random share of the tokens that the model reads by tokens that it would have written.

    Scheduled sampling (Bengio et al. 2015), all steps at once: the guesses are drawn from a first pass under teacher
    forcing, so that the second pass is as parallel as the first (Duckworth et al. 2019, with one pass).

    Args:
        read: (B, K, T), ids that begin with `<bos>`, which is kept.
        guesses: (B, K, T, V), logits; those at t predict the token at t + 1.
        share: share of tokens to replace, in [0, 1].
        seed: the same seed gives the same choice.
    """
    generator = torch.Generator(read.device).manual_seed(seed)
    drawn = torch.multinomial(guesses.float().softmax(-1).flatten(0, 2), 1, generator=generator).view(read.shape)
    own = torch.cat([read[..., :1], drawn[..., :-1]], -1)
    chosen = torch.rand(read.shape, generator=generator, device=read.device) < share
    return torch.where(chosen & (read != PAD), own, read)


def loss_of(
    way: str, decoder: RecurrentDecoder, vectors: Vectors, tokens: Tensor, *, share: float, seed: int
) -> Tensor:
    """The loss of a step in one of the ways; `share` and `seed` belong to scheduled sampling."""
    if way == "free":
        return free_loss(decoder, vectors, tokens)
    if way == "scheduled":
        return scheduled_loss(decoder, vectors, tokens, share=share, seed=seed)
    return cross_entropy(decoder, vectors, tokens)[0].value


def build(way: str, data: CaptionData, seed: int) -> RecurrentDecoder:
    """An untrained decoder for one of the ways."""
    return build_decoder(data, SETTINGS, seed, kind=OutputAlone if way == WAYS[-1] else RecurrentDecoder)


def train(way: str, data: CaptionData, seed: int, steps: int) -> tuple[float, float, float, float]:
    """Train in one of the ways; returns seconds per epoch of two captions per photo, loss on other photos forced and
    free, and BLEU-4.
    """
    decoder = build(way, data, seed)

    def loss(vectors: Vectors, tokens: Tensor, step: int) -> Tensor:
        return loss_of(way, decoder, vectors, tokens, share=SHARE * step / steps, seed=step)

    begun = time.process_time()
    teach(decoder, data, steps=steps, seed=seed, title=f"forcing: {way}", loss=loss)
    seconds = (time.process_time() - begun) / steps * len(data.train.words) / PHOTOS
    some = Captions(data.test.vectors[:COMPARED], data.test.words[:COMPARED])
    vectors, tokens = Vectors(some.vectors), to_batch(some, data.vocabulary)
    with torch.inference_mode():
        forced = cross_entropy(decoder, vectors, tokens)[0].value.item()
        free = free_loss(decoder, vectors, tokens).item()
    return seconds, forced, free, score(write_captions(decoder, data), data)


def time_steps(data: CaptionData, lengths: tuple[int, ...], rounds: int) -> dict[str, list[list[float]]]:
    """Milliseconds of a training step, by way, length and round."""
    decoders = {way: build(way, data, 0) for way in WAYS}
    vectors = Vectors(torch.randn(PHOTOS, *data.train.vectors.shape[1:]))
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for length in lengths:
        tokens = torch.randint(4, len(data.vocabulary), (PHOTOS, EACH, length + 1))
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(rounds + 1):
            for way, decoder in decoders.items():
                begun = time.process_time()
                loss_of(way, decoder, vectors, tokens, share=SHARE, seed=0).backward()  # type: ignore[no-untyped-call]
                if number:  # the first is for warming up
                    taken[way].append(1000 * (time.process_time() - begun))
        for way in WAYS:
            found[way].append(taken[way])
    return found


def study(setting: Setting) -> Finding:
    """Time against length, and what each way of training comes to."""
    data = read_captions(setting)
    lengths = setting.pick(full=(5, 10, 20, 40), quick=(5, 10, 20), tiny=(2, 4))
    times = time_steps(data, lengths, setting.pick(full=5, quick=3, tiny=1))
    figure, (left, middle, right) = chart.panels(3)
    rows: list[tuple[Entry, ...]] = []
    losses: list[tuple[tuple[float, ...], tuple[float, ...]]] = []
    scores, last = [], {}
    steps = setting.pick(full=300, quick=60, tiny=2)
    for number, way in enumerate(WAYS):
        medians = [statistics.median(taken) for taken in times[way]]
        chart.line(left, lengths, [medians], label=way, number=number)
        seconds, forced, free, bleu = zip(*(train(way, data, seed, steps) for seed in setting.seeds), strict=True)
        rows.append((way, seconds, medians[0], medians[-1], forced, free, bleu))
        last[way] = medians[-1]
        losses.append((forced, free))
        scores.append(bleu)
    left.set(title="time of a training step", xlabel="words in a caption", ylabel="milliseconds", ylim=(0, None))
    left.legend(fontsize="small")
    names = [way.replace(", ", ",\n") for way in WAYS]
    for number, (label, place) in enumerate((("reads the person's words", 0), ("reads its own", 1))):
        chart.points(middle, names, [loss[place] for loss in losses], label=label, number=number)
    middle.set(title="loss on other photos", ylabel="nats per word")
    middle.legend(fontsize="small")
    chart.bars(right, names, scores, unit="BLEU-4 (%)")
    right.set_title("captions of other photos, running free")
    forced_, free_ = (statistics.fmean(values) for values in losses[0])
    bleus = ", ".join(f"{way} {statistics.fmean(values):.1f}" for way, values in zip(WAYS, scores, strict=True))
    seen = (
        f"A training step on captions of {lengths[-1]} words takes {last['forced']:.0f} ms forced, "
        f"{last['free']:.0f} ms free and, with recurrence through the output alone, {last[WAYS[-1]]:.0f} ms; "
        f"the loss of the forced decoder is {forced_:.2f} nats when it reads a person's words and {free_:.2f} when it "
        f"reads its own; BLEU-4: {bleus}."
    )
    columns = (
        "trained",
        "seconds an epoch",
        f"ms a step, {lengths[0]} words",
        f"ms a step, {lengths[-1]} words",
        "loss, forced",
        "loss, free",
        "BLEU-4 (%)",
    )
    return Finding(columns=columns, rows=tuple(rows), figure=figure, seen=seen)
