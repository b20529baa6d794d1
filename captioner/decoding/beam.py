"""Beam search, batched over inputs (photos or sentences) and over beams."""

from collections.abc import Collection, Sequence

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

    A hypothesis that ends leaves the beam, which then has one place less. The search for an input stops when no beam is
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
    search = _Search(batch_size, options, eos, torch.device(device))
    tokens = torch.full((batch_size, 1), bos, device=device)
    never = torch.tensor(sorted(banned), dtype=torch.long, device=device)
    constraints = [*of_options(options, eos), *constraints]
    for length in range(options.max_length + 1):
        log_probs, state = step(tokens, state)
        log_probs = log_probs.index_fill(2, never, IMPOSSIBLE)  # a copy: the output of `step` stays unchanged
        for constraint in constraints:
            constraint(log_probs, search.tokens, search.photos)
        if length == options.max_length:
            search.close(log_probs[..., eos])
            break
        chosen = search.advance(log_probs)
        if chosen is None:
            break
        rows, beams, tokens = chosen
        state = state.select(rows, beams)
    return search.best()


class _Search:
    """The live beams of all unfinished inputs, and the hypotheses found for every input.

    Inputs are called photos here. A photo's row in the tensors changes as finished photos leave the batch.
    """

    def __init__(self, batch_size: int, options: DecodingOptions, eos: int, device: torch.device) -> None:
        self.options = options
        self.eos = eos
        self.photos = torch.arange(batch_size, device=device)  # (B,), index of each row's photo
        self.tokens = torch.empty(batch_size, 1, 0, dtype=torch.long, device=device)  # (B, K, T)
        self.steps = torch.empty(batch_size, 1, 0, device=device)  # (B, K, T), the log-probability of each token
        self.log_probs = torch.zeros(batch_size, 1, device=device)  # (B, K), IMPOSSIBLE where a beam has ended
        self.found: list[list[Hypothesis]] = [[] for _ in range(batch_size)]  # per photo, hypotheses that left the beam

    def penalty(self, length: int) -> float:
        """The divisor of the log-probability of a sentence of `length` tokens, including `<eos>`."""
        return float(((5 + length) / 6) ** self.options.length_penalty)

    def advance(self, log_probs: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
        """Extend the beams of every photo by its best continuations.

        Args:
            log_probs: (B, K, V), log-probabilities of the next token.

        Returns:
            Rows (B',), beams (B', K') and tokens (B', K') to continue with; None if none are left.
        """
        vocabulary = log_probs.shape[2]
        totals = (self.log_probs[..., None] + log_probs).flatten(1)  # (B, K · V)
        values, indices = _best(totals, min(self.options.beam_size, totals.shape[1]))
        # Each finished hypothesis has taken one of the photo's places in the beam.
        ended = torch.tensor([len(self.found[photo]) for photo in self.photos.tolist()], device=values.device)
        stuck = (values[:, :1] == IMPOSSIBLE) & (ended == 0)[:, None]
        self._collect_live(stuck)
        places = torch.arange(values.shape[1], device=values.device)
        values = values.masked_fill(places >= (self.options.beam_size - ended)[:, None], IMPOSSIBLE)
        beams, tokens = indices // vocabulary, indices % vocabulary
        steps = log_probs.flatten(1).gather(1, indices)
        ends = (tokens == self.eos) & (values > IMPOSSIBLE)
        self._collect(ends, beams, values, steps)
        values = values.masked_fill(ends, IMPOSSIBLE)
        rows = self._undecided(values)
        beams, tokens = beams[rows], tokens[rows]
        self.photos = self.photos[rows]
        self.tokens = torch.cat([self.tokens[rows[:, None], beams], tokens[..., None]], 2)
        self.steps = torch.cat([self.steps[rows[:, None], beams], steps[rows][..., None]], 2)
        self.log_probs = values[rows]
        return (rows, beams, tokens) if len(rows) else None

    def close(self, end: Tensor) -> None:
        """Collect the beams that reached `max_length`; `end` (B, K) is the log-probability of `<eos>` there."""
        beams = torch.arange(end.shape[1], device=end.device).expand_as(end)
        totals = self.log_probs + end
        self._collect(totals > IMPOSSIBLE, beams, totals, end)
        self._collect_live(totals == IMPOSSIBLE)

    def best(self) -> list[list[Hypothesis]]:
        """The best hypotheses of every photo, best first; finished ones rank above those that were cut off."""
        return [
            sorted(found, key=lambda one: (not one.finished, -one.score))[: self.options.num_captions]
            for found in self.found
        ]

    def _collect_live(self, which: Tensor) -> None:
        """Collect live beams at `which` (B, K) as unfinished hypotheses, because they cannot be continued."""
        beams = torch.arange(self.log_probs.shape[1], device=which.device).expand_as(self.log_probs)
        self._collect(which & (self.log_probs > IMPOSSIBLE), beams, self.log_probs)

    def _collect(self, which: Tensor, beams: Tensor, values: Tensor, end: Tensor | None = None) -> None:
        """Collect hypotheses.

        Args:
            which: (B, K), True for hypotheses to collect.
            beams: (B, K), the beam that each extends.
            values: (B, K), their log-probabilities.
            end: (B, K), log-probabilities of their `<eos>`; None if they are unfinished.
        """
        rows, places = which.nonzero(as_tuple=True)
        if not len(rows):
            return
        chosen = beams[rows, places]
        steps = self.steps[rows, chosen]
        if end is not None:
            steps = torch.cat([steps, end[rows, places][:, None]], 1)
        columns = (self.photos[rows], self.tokens[rows, chosen], values[rows, places], steps)
        divisor = self.penalty(steps.shape[1])
        for photo, tokens, log_prob, each in zip(*(column.tolist() for column in columns), strict=True):
            found = Hypothesis(tuple(tokens), log_prob, log_prob / divisor, end is not None, tuple(each))
            self.found[photo].append(found)

    def _undecided(self, values: Tensor) -> Tensor:
        """Rows of the photos for which a live beam, with log-probabilities `values` (B, K), can still reach the best.

        Log-probabilities only decrease, so the current one divided by the largest length penalty is an upper bound on
        the beam's final score.
        """
        reachable = (values.max(1).values / self.penalty(self.options.max_length + 1)).tolist()
        keep = []
        for row, photo in enumerate(self.photos.tolist()):
            scores = sorted((one.score for one in self.found[photo]), reverse=True)
            wanted = self.options.num_captions
            decided = len(scores) >= wanted and reachable[row] <= scores[wanted - 1]
            if reachable[row] > IMPOSSIBLE and not decided:
                keep.append(row)
        return torch.tensor(keep, dtype=torch.long, device=values.device)


def _best(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Values and indices of the `count` largest scores per row (B, M), largest first; ties go to the lower index."""
    values, indices = scores.topk(min(count + 1, scores.shape[1]), dim=1)
    # Which of several equal values `topk` returns is undefined. That matters only if the last two here are equal.
    last, others = values[:, count - 1], values[:, count:]
    if bool(((others == last[:, None]) & (others > IMPOSSIBLE)).any()):
        values, indices = (part[:, :count] for part in scores.sort(dim=1, descending=True, stable=True))
        return values, indices
    values, indices = values[:, :count], indices[:, :count]
    indices, order = indices.sort(dim=1)
    values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return values, indices.gather(1, order)
