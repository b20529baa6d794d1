"""Beam search, batched over inputs (photos or sentences) and over beams."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from captioner.decoding.constraints import IMPOSSIBLE, Constraint, of_options
from captioner.decoding.options import AnyState, DecodingOptions, Hypothesis, Step


@torch.inference_mode()
def beam_search(
    step: Step[AnyState],
    state: AnyState,
    *,
    batch_size: int,
    bos: int,
    eos: int,
    options: DecodingOptions,
    banned: Collection[int] = (),
    constraints: Sequence[Constraint] = (),
    device: "torch.device | str" = "cpu",
) -> list[list[Hypothesis]]:
    """Find the most probable sentences for each input.

    A hypothesis that ends leaves the beam, which then has one beam less. The search for an input stops when no beam is
    left, or when none can still reach the best `num_captions`. With `beam_size=1` this is greedy search; with a beam
    size of at least the number of possible sentences, it is exhaustive. Ties are broken by the lower beam, then by the
    lower id, so results are deterministic.

    Args:
        step: see `Step`.
        state: the state before the first token, with `batch_size` inputs and one sentence for each.
        batch_size: number of inputs, B.
        bos: id of the token that starts every sentence.
        eos: id of the token that ends a sentence.
        options: settings of the search.
        banned: ids that are never generated.
        constraints: further constraints, besides those of `options`.
        device: device of the tensors of `step`.

    Returns:
        For each input, the best hypotheses, best first: at most `num_captions`, fewer if the search found fewer.
    """
    search = _Search(batch_size, options, eos)
    tokens = torch.full((batch_size, 1), bos, device=device)
    never = torch.tensor(sorted(banned), dtype=torch.long, device=device)
    constraints = [*of_options(options, eos), *constraints]
    for length in range(options.max_length + 1):
        log_probs, state = step(tokens, state)
        log_probs = log_probs.index_fill(2, never, IMPOSSIBLE)  # a copy: the output of `step` stays unchanged
        photos, before = torch.tensor(search.photos, device=device), search.tokens(device)
        for constraint in constraints:
            constraint(log_probs, before, photos)
        if length == options.max_length:
            search.close(log_probs[..., eos])
            break
        rows = search.advance(log_probs)
        if not rows:
            break
        origins, tokens = search.extensions(device)
        state = state.select(torch.tensor(rows, device=device), origins)
    return search.best()


class _Beam(NamedTuple):
    """A sentence that is being searched.

    Attributes:
        log_prob: its log-probability; IMPOSSIBLE for a placeholder, because all photos need the same number of beams.
        origin: the beam of the previous step that it extends.
        tokens: its tokens.
        steps: the log-probability of each token.
    """

    log_prob: float = 0.0
    origin: int = 0
    tokens: tuple[int, ...] = ()
    steps: tuple[float, ...] = ()


class _Candidate(NamedTuple):
    """A possible next token of a photo: the log-probabilities of the whole sentence and of the token.

    `place` is beam · V + token.
    """

    log_prob: float
    place: int
    step: float


class _Search:
    """The beams of all unfinished inputs, and the hypotheses found for every input.

    Inputs are called photos here. A photo's row in the tensors changes as finished photos leave the batch. Beams are
    Python objects, because operations on small tensors take longer; only scores over the vocabulary are tensors.
    """

    def __init__(self, batch_size: int, options: DecodingOptions, eos: int) -> None:
        self.options = options
        self.eos = eos
        self.photos = list(range(batch_size))  # the index of each row's photo
        self.beams = [[_Beam()] for _ in self.photos]  # K in each row
        self.found: list[list[Hypothesis]] = [[] for _ in self.photos]  # per photo, hypotheses that left the beam

    def tokens(self, device: "torch.device | str") -> Tensor:
        """The tokens of all beams, (B, K, T)."""
        tokens = [[beam.tokens for beam in beams] for beams in self.beams]
        return torch.tensor(tokens, dtype=torch.long, device=device)

    def extensions(self, device: "torch.device | str") -> tuple[Tensor, Tensor]:
        """The origins and the last tokens of all beams, both (B, K)."""
        pairs = [[(beam.origin, beam.tokens[-1]) for beam in beams] for beams in self.beams]
        origins, tokens = torch.tensor(pairs, device=device).unbind(2)
        return origins, tokens

    def advance(self, log_probs: Tensor) -> list[int]:
        """Extend the beams of every photo by its best continuations.

        Args:
            log_probs: (B, K, V), log-probabilities of the next token.

        Returns:
            The rows that continue; the others leave the batch.
        """
        rows, extended = [], []
        for row, candidates in enumerate(self._candidates(log_probs)):
            beams = self._extend(row, candidates, log_probs.shape[2])
            if beams and not self._is_decided(self.photos[row], beams[0].log_prob):
                rows.append(row)
                extended.append(beams)
        self.photos = [self.photos[row] for row in rows]
        most = max(map(len, extended), default=0)
        self.beams = [[*beams, *[beams[0]._replace(log_prob=IMPOSSIBLE)] * (most - len(beams))] for beams in extended]
        return rows

    def close(self, end: Tensor) -> None:
        """Collect the beams that reached `max_length`; `end` (B, K) is the log-probability of `<eos>` there."""
        totals = (self._log_probs(end) + end).tolist()
        for row, (values, steps) in enumerate(zip(totals, end.tolist(), strict=True)):
            for beam, log_prob, step in zip(self.beams[row], values, steps, strict=True):
                if log_prob > IMPOSSIBLE:
                    self._collect(row, beam._replace(log_prob=log_prob, steps=(*beam.steps, step)), finished=True)
                else:
                    self._collect(row, beam)

    def best(self) -> list[list[Hypothesis]]:
        """The best hypotheses of every photo, best first; finished ones rank above those that were cut off."""
        return [
            sorted(found, key=lambda one: (not one.finished, -one.score))[: self.options.num_captions]
            for found in self.found
        ]

    def _log_probs(self, like: Tensor) -> Tensor:
        """The log-probabilities of all beams, (B, K)."""
        return like.new_tensor([[beam.log_prob for beam in beams] for beams in self.beams])

    def _candidates(self, log_probs: Tensor) -> list[list[_Candidate]]:
        """The best continuations of each photo, best first: as many as the beam size, if there are as many.

        Ties go to the lower index.
        """
        scores = (self._log_probs(log_probs)[..., None] + log_probs).flatten(1)  # (B, K · V)
        size = self.options.beam_size
        values, indices = scores.topk(min(size + 1, scores.shape[1]), dim=1)
        # Which of several equal values `topk` returns is undefined. That matters only if the last two here are equal.
        last, others = values[:, size - 1 : size], values[:, size:]
        if bool(((others == last) & (others > IMPOSSIBLE)).any()):
            values, indices = (part[:, :size] for part in scores.sort(dim=1, descending=True, stable=True))
        steps = log_probs.flatten(1).gather(1, indices)
        rows = zip(values.tolist(), indices.tolist(), steps.tolist(), strict=True)
        found = [[_Candidate(*one) for one in zip(*row, strict=True)][:size] for row in rows]
        return [sorted(row, key=lambda one: (-one.log_prob, one.place)) for row in found]

    def _extend(self, row: int, candidates: Sequence[_Candidate], vocabulary: int) -> list[_Beam]:
        """The beams of a photo after this step, best first; those that end are collected."""
        beams, found = self.beams[row], self.found[self.photos[row]]
        if candidates[0].log_prob == IMPOSSIBLE and not found:  # no token is possible: the sentences are cut off here
            for beam in beams:
                self._collect(row, beam)
            return []
        extended = []
        # Each finished hypothesis has taken one of the photo's places in the beam.
        for log_prob, place, step in candidates[: self.options.beam_size - len(found)]:
            origin, token = divmod(place, vocabulary)
            tokens, steps = beams[origin].tokens, (*beams[origin].steps, step)
            if log_prob > IMPOSSIBLE and token == self.eos:
                self._collect(row, _Beam(log_prob, origin, tokens, steps), finished=True)
            elif log_prob > IMPOSSIBLE:
                extended.append(_Beam(log_prob, origin, (*tokens, token), steps))
        return extended

    def _collect(self, row: int, beam: _Beam, *, finished: bool = False) -> None:
        """Collect a hypothesis, unless the beam is a placeholder; the last step of finished ones is that of `<eos>`."""
        if beam.log_prob > IMPOSSIBLE:
            score = beam.log_prob / self._penalty(len(beam.steps))
            self.found[self.photos[row]].append(Hypothesis(beam.tokens, beam.log_prob, score, finished, beam.steps))

    def _is_decided(self, photo: int, log_prob: float) -> bool:
        """Whether beams with at most this log-probability can no longer reach the best hypotheses of a photo.

        Log-probabilities only decrease, so the current one divided by the largest length penalty is an upper bound on
        the beam's final score.
        """
        scores = sorted((one.score for one in self.found[photo]), reverse=True)
        wanted = self.options.num_captions
        return len(scores) >= wanted and log_prob / self._penalty(self.options.max_length + 1) <= scores[wanted - 1]

    def _penalty(self, length: int) -> float:
        """The divisor of the log-probability of a sentence of `length` tokens, including `<eos>`."""
        return float(((5 + length) / 6) ** self.options.length_penalty)
