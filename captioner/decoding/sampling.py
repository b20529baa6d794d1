"""Sampling of sentences from the model's distribution."""

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
    """Sample sentences token by token.

    Args:
        step: see `Step`.
        state: the state before the first token, with `batch_size` inputs and one sentence for each.
        batch_size: number of inputs, B.
        count: sentences per input, K.
        bos: id of the token that starts every sentence.
        eos: id of the token that ends a sentence; the rest of the row is filled with it.
        max_length: maximum number of tokens in a sentence, without `eos`.
        generator: random number generator, on the device of the tensors of `step`.
        temperature: above 0; log-probabilities are divided by it. Values below 1 favor probable tokens.
        banned: ids that are never generated.

    Returns:
        (B, K, T), ids without `bos`; T is at most `max_length` + 1. Sentences without `eos` were cut off.

    Raises:
        UsageError: the temperature is not above 0.
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
        if not length:  # empty sentences are never allowed
            log_probs[..., eos] = float("-inf")
        probabilities = torch.softmax(log_probs / temperature, -1)
        drawn = torch.multinomial(probabilities.flatten(0, 1), 1, generator=generator).view(batch_size, count)
        tokens = torch.where(ended, eos, drawn)
        written.append(tokens)
        ended |= tokens == eos
        if bool(ended.all()):
            break
    return torch.stack(written, 2)
