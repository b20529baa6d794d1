"""What `Captioner` and `Translator` share: a device, the search over a decoder, and what is told about its result."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.decoding import DecodingOptions, Hypothesis, beam_search
from captioner.errors import UsageError
from captioner.models.decoder import Decoder, DecoderState
from captioner.models.encoders import Vectors
from captioner.text import BOS, EOS, PAD, UNK


def find_device(name: str) -> torch.device:
    """Find a device by name; `auto` prefers cuda, then mps, then cpu.

    Raises:
        UsageError: there is none of that name here.
    """
    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        return torch.device(next(device for device, present in there.items() if present()))
    if name not in there:
        raise UsageError(f"device {name!r} is unknown; known: auto, {', '.join(sorted(there))}.")
    if not there[name]():
        raise UsageError(f"device {name!r}: this machine has none that PyTorch can use; try cpu.")
    return torch.device(name)


def generate(
    decoder: Decoder,
    vectors: Vectors,
    options: DecodingOptions,
    *,
    bos: int = BOS,
    banned: Collection[int] = (),
    unknown: Tensor | None = None,
) -> list[list[Hypothesis]]:
    """Search for sentences about B sets of vectors; see `beam_search`.

    Args:
        decoder: what writes.
        vectors: what it looks at.
        options: what to search for.
        bos: what a sentence begins with.
        banned: ids that are never written, besides `<pad>` and `<bos>`.
        unknown: (B,), how many `<unk>` each sentence may hold; none if None.
    """
    limits = torch.zeros(len(vectors.values), dtype=torch.long) if unknown is None else unknown
    left = limits.to(vectors.values.device)[:, None]

    def step(tokens: Tensor, state: _Limited) -> tuple[Tensor, _Limited]:
        log_probs, inner = decoder.step(tokens, state.inner)
        left = state.left - (tokens == UNK).long()
        log_probs[..., UNK] = log_probs[..., UNK].masked_fill(left <= 0, float("-inf"))
        return log_probs, _Limited(inner, left)

    return beam_search(
        step,
        _Limited(decoder.init_state(vectors), left),
        batch_size=len(vectors.values),
        bos=bos,
        eos=EOS,
        options=options,
        banned={PAD, BOS, *banned},
        device=vectors.values.device,
    )


@dataclass(frozen=True)
class _Limited:
    """A decoder's state, and how many `<unk>` (B, K) its sentences may still hold."""

    inner: DecoderState
    left: Tensor

    def select(self, rows: Tensor, beams: Tensor) -> "_Limited":
        return _Limited(self.inner.select(rows, beams), self.left[rows[:, None], beams])


def attention_of(
    decoder: Decoder, vectors: Vectors, hypotheses: Sequence[Hypothesis], *, bos: int = BOS
) -> list[list[list[float]]]:
    """Where a decoder looked at each token of a sentence about each of B sets of vectors.

    The search forgets it, so the sentences are read once more.

    Returns:
        For each sentence a row for each token, the shares of attention on the N vectors.
    """
    length = max(len(one.tokens) for one in hypotheses)
    rows = [[bos, *one.tokens, *[PAD] * (length - len(one.tokens))] for one in hypotheses]
    tokens = torch.tensor(rows, device=vectors.values.device)[:, None]
    weights = decoder(vectors, tokens).attention[:, 0].tolist()
    return [weight[: len(one.tokens)] for weight, one in zip(weights, hypotheses, strict=True)]


def guesses_of(
    decoder: Decoder, vectors: Vectors, hypotheses: Sequence[Hypothesis], *, count: int = 4
) -> list[list[tuple[float, list[tuple[int, float]]]]]:
    """How probable a decoder holds each token of a sentence about each of B sets of vectors, given those before it.

    Returns:
        For each sentence and token its log-probability, and at most `count` other ids with their probabilities.
    """
    length = max(len(one.tokens) for one in hypotheses)
    rows = [[BOS, *one.tokens, *[PAD] * (length - len(one.tokens))] for one in hypotheses]
    tokens = torch.tensor(rows, device=vectors.values.device)[:, None]
    said = decoder(vectors, tokens).logits[:, 0].float().log_softmax(-1)  # (B, T, V)
    shares = said.exp()
    shares[..., [PAD, BOS, EOS, UNK]] = 0
    best, ids = shares.topk(min(count + 1, shares.shape[-1]), dim=-1)
    found = []
    for row, one in enumerate(hypotheses):
        some = []
        for place, token in enumerate(one.tokens):
            pairs = zip(ids[row, place].tolist(), best[row, place].tolist(), strict=True)
            some.append((float(said[row, place, token]), [pair for pair in pairs if pair[0] != token][:count]))
        found.append(some)
    return found


def confidence_of(hypothesis: Hypothesis) -> float:
    """The geometric mean of the probabilities of a sentence's tokens, its end included, in [0, 1]."""
    return math.exp(hypothesis.log_prob / (len(hypothesis.tokens) + int(hypothesis.finished)))


def log_probs_of(decoder: Decoder, vectors: Vectors, sentences: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
    """How probable a decoder holds given sentences about each of B sets of vectors.

    Args:
        decoder: the decoder.
        vectors: of B photos.
        sentences: for each of them at least one sentence, as ids without `<bos>` and `<eos>`.

    Returns:
        For each sentence the natural logarithm of its probability, its end included.
    """
    count, length = max(map(len, sentences)), max(len(one) for some in sentences for one in some)
    tokens = torch.full((len(sentences), count, length + 2), PAD)
    for row, some in enumerate(sentences):
        for place, one in enumerate(some):
            tokens[row, place, : len(one) + 2] = torch.tensor([BOS, *one, EOS])
    tokens = tokens.to(vectors.values.device)
    said = decoder(vectors, tokens[..., :-1]).logits.float().log_softmax(-1)
    chosen = said.gather(-1, tokens[..., 1:, None])[..., 0].masked_fill(tokens[..., 1:] == PAD, 0)  # (B, K, T)
    return [row[: len(some)] for row, some in zip(chosen.sum(-1).tolist(), sentences, strict=True)]


def agreed(hypotheses: Sequence[Hypothesis], opinions: Sequence[float]) -> list[Hypothesis]:
    """Sentences in the order that two models find together, best first.

    Args:
        hypotheses: the first model's.
        opinions: the second's log-probability of each; it is divided by the same length penalty and added.
    """

    def together(pair: tuple[Hypothesis, float]) -> float:
        one, opinion = pair
        return one.score * (1 + opinion / one.log_prob) if one.log_prob else opinion

    pairs = sorted(zip(hypotheses, opinions, strict=True), key=together, reverse=True)
    return [one for one, _ in pairs]
