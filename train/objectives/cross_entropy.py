"""The next token's cross-entropy under teacher forcing, and the attention penalty."""

from dataclasses import dataclass, field

import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor

from captioner.models.interfaces import Decoder, Forced, Vectors
from captioner.text import PAD


@dataclass(frozen=True)
class Loss:
    """The loss of one step.

    Attributes:
        value: scalar mean over `tokens`, with a gradient.
        tokens: number of tokens.
        facts: further values for the log.
    """

    value: Tensor
    tokens: int
    facts: dict[str, float] = field(default_factory=dict)


def cross_entropy(
    decoder: Decoder, vectors: Vectors, tokens: Tensor, *, read: Tensor | None = None, smoothing: float = 0.0
) -> tuple[Loss, Forced]:
    """Negative log-likelihood of every next token, given the previous ones.

    Args:
        decoder: the decoder.
        vectors: vectors of B photos.
        tokens: (B, K, T), `<bos> … <eos>`, padded with `<pad>`.
        read: (B, K, T - 1), tokens that the decoder reads instead of all but the last of `tokens`.
        smoothing: share of probability spread over all words (Szegedy et al. 2016).

    Returns:
        The loss, and the decoder's output for all tokens other than `<pad>`.
    """
    targets = tokens[..., 1:]
    present = targets != PAD
    forced: Forced = decoder(vectors, tokens[..., :-1] if read is None else read, present)
    value = F.cross_entropy(forced.logits.float(), targets[present], label_smoothing=smoothing)
    return Loss(value, len(forced.logits)), forced


def attention_penalty(attention: Tensor, tokens: Tensor) -> Tensor:
    """Mean over captions of Σₙ (1 − Σₜ αₜₙ)²: doubly stochastic attention (Xu et al. 2015, equation 14).

    Args:
        attention: (B, K, T, N), weights that sum to 1 over N.
        tokens: (B, K, T + 1), as `cross_entropy` reads them.
    """
    present = tokens[..., 1:] != PAD
    looked = (attention * present[..., None]).sum(2)  # (B, K, N)
    penalty: Tensor = ((1 - looked) ** 2).sum(-1)[present.any(-1)].mean()
    return penalty
