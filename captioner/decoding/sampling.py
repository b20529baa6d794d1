"""Sentences drawn at random, as probable as the model holds them."""

from collections.abc import Collection

import torch
from torch import Tensor

from captioner.decoding.options import AnyState, Step
from captioner.errors import UsageError


@torch.no_grad()
def sample(
    step: Step[AnyState],
    state: AnyState,
    *,
    batch_size: int,
    count: int,
    bos: int,
    eos: int,
    max_length: int,
    generator: torch.Generator,
    temperature: float = 1.0,
    banned: Collection[int] = (),
) -> Tensor:
    """Draw sentences token by token.

    Args:
        step: see `Step`.
        state: the state before the first token, of `batch_size` things and one sentence about each.
        batch_size: number of things to describe, B.
        count: sentences about each, K.
        bos: id that every sentence begins with.
        eos: id that ends a sentence; what follows it in the result is `eos` again.
        max_length: most tokens in a sentence, its end not counted.
        generator: of the random numbers; it lives where the tensors of `step` do.
        temperature: above 0; what log-probabilities are divided by. Below 1 the probable becomes more so.
        banned: ids that are never written.

    Returns:
        (B, K, T) ids without `bos`, T at most `max_length` + 1. A sentence without `eos` was cut off.

    Raises:
        UsageError: a temperature that is not above 0.
    """
    if not temperature > 0:
        raise UsageError(f"temperature is {temperature}; give a number above 0.")
    device = generator.device
    state = state.select(
        torch.arange(batch_size, device=device), torch.zeros(batch_size, count, dtype=torch.long, device=device)
    )
    never = torch.tensor(sorted(banned), dtype=torch.long, device=device)
    tokens = torch.full((batch_size, count), bos, device=device)
    ended = torch.zeros(batch_size, count, dtype=torch.bool, device=device)
    written: list[Tensor] = []
    for length in range(max_length + 1):
        log_probs, state = step(tokens, state)
        log_probs = log_probs.index_fill(2, never, float("-inf"))
        if not length:  # saying nothing is no answer
            log_probs[..., eos] = float("-inf")
        probabilities = torch.softmax(log_probs / temperature, -1)
        drawn = torch.multinomial(probabilities.flatten(0, 1), 1, generator=generator).view(batch_size, count)
        tokens = torch.where(ended, eos, drawn)
        written.append(tokens)
        ended |= tokens == eos
        if bool(ended.all()):
            break
    return torch.stack(written, 2)
