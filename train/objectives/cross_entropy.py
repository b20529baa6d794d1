"""What a step makes smaller: the next token's cross-entropy under teacher forcing, and what may be added to it."""

from dataclasses import dataclass, field

import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor

from captioner.models.interfaces import Decoder, Forced, Vectors
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
    decoder: Decoder, vectors: Vectors, tokens: Tensor, *, read: Tensor | None = None, smoothing: float = 0.0
) -> tuple[Loss, Forced]:
    """Negative log-likelihood of every next token, given those before it.

    Args:
        decoder: what writes.
        vectors: of B photos.
        tokens: (B, K, T), `<bos> … <eos>`, filled up with `<pad>`.
        read: (B, K, T - 1), what the decoder reads instead of all tokens but the last.
        smoothing: share of probability spread over all words (Szegedy et al. 2016).

    Returns:
        The loss, and what the decoder said of the tokens that are none of `<pad>`.
    """
    targets = tokens[..., 1:]
    present = targets != PAD
    forced: Forced = decoder(vectors, tokens[..., :-1] if read is None else read, present)
    value = F.cross_entropy(forced.logits.float(), targets[present], label_smoothing=smoothing)
    return Loss(value, len(forced.logits)), forced


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
