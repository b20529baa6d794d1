"""What a step makes smaller: the next token's cross-entropy under teacher forcing, and what may be added to it."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor

from captioner.models.decoder import Decoder, Forced
from captioner.models.encoders import Vectors
from captioner.text import PAD


@dataclass(frozen=True)
class Loss:
    """What one step learns from.

    Attributes:
        value: scalar, the mean over `tokens`; has a gradient.
        tokens: how many tokens it is about.
        facts: what the log says beside it.
    """

    value: Tensor
    tokens: int
    facts: dict[str, float] = field(default_factory=dict)


def cross_entropy(
    decoder: Decoder, vectors: Vectors, tokens: Tensor, *, smoothing: float = 0.0, own_words: float = 0.0, seed: int = 0
) -> tuple[Loss, Forced]:
    """Negative log-likelihood of every next token, given those before it.

    Args:
        decoder: what writes.
        vectors: of B photos.
        tokens: (B, K, T), `<bos> … <eos>`, filled up with `<pad>`.
        smoothing: share of probability spread over all words (Szegedy et al. 2016).
        own_words: share of the tokens read that are the model's own guesses (see `mix_in_guesses`).
        seed: of those guesses.

    Returns:
        The loss, and what the decoder said of the tokens that are none of `<pad>`.
    """
    read, targets = tokens[..., :-1], tokens[..., 1:]
    if own_words:
        with torch.no_grad():
            guesses = decoder(vectors, read).logits
        read = mix_in_guesses(read, guesses, own_words, seed)
    present = targets != PAD
    forced: Forced = decoder(vectors, read, present)
    value = F.cross_entropy(forced.logits.float(), targets[present], label_smoothing=smoothing)
    return Loss(value, len(forced.logits)), forced


def mix_in_guesses(read: Tensor, guesses: Tensor, share: float, seed: int) -> Tensor:
    """Put tokens that the model would have written in the place of a random share of those that it reads.

    Scheduled sampling (Bengio et al. 2015), all steps at once: the guesses are drawn from a first pass under teacher
    forcing, so that the second one stays as parallel as the first (Duckworth et al. 2019, with one pass).

    Args:
        read: (B, K, T), ids that begin with `<bos>`, which stays.
        guesses: (B, K, T, V), logits; those at t are about the token at t + 1.
        share: in [0, 1].
        seed: the same seed makes the same choice.
    """
    generator = torch.Generator(read.device).manual_seed(seed)
    drawn = torch.multinomial(guesses.float().softmax(-1).flatten(0, 2), 1, generator=generator).view(read.shape)
    own = torch.cat([read[..., :1], drawn[..., :-1]], -1)
    chosen = torch.rand(read.shape, generator=generator, device=read.device) < share
    return torch.where(chosen & (read != PAD), own, read)


def attention_penalty(attention: Tensor, tokens: Tensor) -> Tensor:
    """Mean over captions of Σₙ (1 − Σₜ αₜₙ)²: every cell should be looked at about once (Xu et al. 2015, equation 14).

    Args:
        attention: (B, K, T, N), shares that add up to 1 over N.
        tokens: (B, K, T + 1), as `cross_entropy` reads them.
    """
    present = tokens[..., 1:] != PAD
    looked = (attention * present[..., None]).sum(2)  # (B, K, N)
    penalty: Tensor = ((1 - looked) ** 2).sum(-1)[present.any(-1)].mean()
    return penalty
