"""What a search may not write. Each constraint sets the log-probability of a forbidden token to minus infinity.

A new one is a function here and, where people choose it, a field of `DecodingOptions` that `of_options` reads; a number
with a meaning becomes a flag of the commands by itself.
"""

from collections.abc import Callable

from torch import Tensor

from captioner.decoding.options import DecodingOptions

IMPOSSIBLE = float("-inf")

Constraint = Callable[[Tensor, Tensor, Tensor], None]
"""`constraint(log_probs (B, K, V), tokens (B, K, T), photos (B,))` changes the log-probabilities of the next token in
place.

`tokens` are the ids that each sentence holds so far, `photos` says which of the things to describe each row is about:
the rows of those that are done leave the batch.
"""


def of_options(options: DecodingOptions, eos: int) -> list[Constraint]:
    """What the options of a search forbid, but for `repeat_words`, for which one must know the words."""
    constraints = [no_end_before(max(1, options.min_length), eos)]  # saying nothing is no answer
    if options.no_repeat_ngram:
        constraints.append(no_repeated_ngrams(options.no_repeat_ngram))
    return constraints


def no_end_before(length: int, eos: int) -> Constraint:
    """Do not end a sentence before it holds so many tokens."""

    def apply(log_probs: Tensor, tokens: Tensor, _photos: Tensor) -> None:
        if tokens.shape[2] < length:
            log_probs[..., eos] = IMPOSSIBLE

    return apply


def no_repeated_ngrams(n: int) -> Constraint:
    """Write no run of n tokens twice."""

    def apply(log_probs: Tensor, tokens: Tensor, _photos: Tensor) -> None:
        length = tokens.shape[2]
        if length < n:
            return
        runs = tokens.unfold(2, n, 1)  # (B, K, T - n + 1, n)
        context = tokens[..., length - n + 1 :].unsqueeze(2)
        repeated = (runs[..., :-1] == context).all(-1)  # (B, K, T - n + 1)
        rows, beams, where = repeated.nonzero(as_tuple=True)
        log_probs[rows, beams, runs[rows, beams, where, -1]] = IMPOSSIBLE

    return apply


def no_repeated_words(repeatable: Tensor) -> Constraint:
    """Write no token twice, but for those at which `repeatable` (V,) is True, and these not as in "white and white"."""

    def apply(log_probs: Tensor, tokens: Tensor, _photos: Tensor) -> None:
        log_probs.scatter_(2, tokens[..., -2:], IMPOSSIBLE)
        once = ~repeatable.to(tokens.device)[tokens]  # (B, K, T)
        rows, beams, where = once.nonzero(as_tuple=True)
        log_probs[rows, beams, tokens[rows, beams, where]] = IMPOSSIBLE

    return apply


def at_most(token: int, times: Tensor) -> Constraint:
    """Write one token at most so many `times` (B,) about each of the B things."""

    def apply(log_probs: Tensor, tokens: Tensor, photos: Tensor) -> None:
        used_up = (tokens == token).sum(-1) >= times.to(tokens.device)[photos][:, None]  # (B, K)
        log_probs[..., token] = log_probs[..., token].masked_fill(used_up, IMPOSSIBLE)

    return apply
