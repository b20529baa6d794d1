"""Decoding constraints. Each sets the log-probabilities of forbidden tokens to minus infinity.

To add a constraint, write a function here. If users can set it, add a field to `DecodingOptions` and read it in
`of_options`; a numeric field with a help text becomes an option of the commands automatically.
"""

from collections.abc import Callable

from torch import Tensor

from captioner.decoding.options import DecodingOptions

IMPOSSIBLE = float("-inf")

Constraint = Callable[[Tensor, Tensor, Tensor], None]
"""`constraint(log_probs (B, K, V), tokens (B, K, T), photos (B,))` changes `log_probs` of the next token in place.

`tokens` are the ids generated so far. `photos` is the index of each row's input: rows of finished inputs leave the
batch.
"""


def of_options(options: DecodingOptions, eos: int) -> list[Constraint]:
    """The constraints of decoding options, except `repeat_words`, which requires the vocabulary."""
    constraints = [no_end_before(max(1, options.min_length), eos)]  # empty sentences are never allowed
    if options.no_repeat_ngram:
        constraints.append(no_repeated_ngrams(options.no_repeat_ngram))
    return constraints


def no_end_before(length: int, eos: int) -> Constraint:
    """Forbid sentences of fewer than `length` tokens."""

    def apply(log_probs: Tensor, tokens: Tensor, _photos: Tensor) -> None:
        if tokens.shape[2] < length:
            log_probs[..., eos] = IMPOSSIBLE

    return apply


def no_repeated_ngrams(n: int) -> Constraint:
    """Forbid repeated n-grams."""

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
    """Forbid repeated tokens, except where `repeatable` (V,) is True.

    Repeatable tokens are forbidden directly after themselves or with one token in between, as in "white and white".
    """

    def apply(log_probs: Tensor, tokens: Tensor, _photos: Tensor) -> None:
        log_probs.scatter_(2, tokens[..., -2:], IMPOSSIBLE)
        once = ~repeatable.to(tokens.device)[tokens]  # (B, K, T)
        rows, beams, where = once.nonzero(as_tuple=True)
        log_probs[rows, beams, tokens[rows, beams, where]] = IMPOSSIBLE

    return apply


def at_most(token: int, times: Tensor) -> Constraint:
    """Limit a token to `times` (B,) occurrences in each sentence about the respective input."""

    def apply(log_probs: Tensor, tokens: Tensor, photos: Tensor) -> None:
        used_up = (tokens == token).sum(-1) >= times.to(tokens.device)[photos][:, None]  # (B, K)
        log_probs[..., token] = log_probs[..., token].masked_fill(used_up, IMPOSSIBLE)

    return apply
